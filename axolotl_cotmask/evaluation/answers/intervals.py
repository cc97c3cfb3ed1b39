"""Inequalities in one name as intervals: ``x < -1 \text{ or } x > 2`` is ``(-\\infty,-1)\\cup(2,\\infty)``."""

from __future__ import annotations

import re

_LESS = r"<|\\leq?(?:slant)?(?![a-z])"
_GREATER = r">|\\geq?(?:slant)?(?![a-z])"
_NAME = r"\\?[a-zA-Z]+"
_ONE_BOUND = re.compile(rf"\s*({_NAME})\s*({_LESS}|{_GREATER})\s*([^<>=,]+)")
_TWO_BOUNDS = re.compile(rf"([^<>=,]+?)\s*({_LESS}|{_GREATER})\s*({_NAME})\s*({_LESS}|{_GREATER})\s*([^<>=,]+)")
_OR = re.compile(r"\\text ?\{ ?or ?\}|(?<![a-zA-Z\\])or(?![a-zA-Z])|\\cup(?![a-z])|\\(?:vee|lor)(?![a-z])")
_INTERVAL = re.compile(r"\s*[(\[][^,]*,[^,]*[)\]]\s*")


def as_intervals(answer: str, gold: str) -> list[str]:
    """Return both `latex.latex_form` texts, the one that is inequalities as intervals where the other is intervals."""
    forms = [answer, gold]
    for this, other in ((0, 1), (1, 0)):
        if all(_INTERVAL.fullmatch(part) for part in _OR.split(forms[other])):
            forms[this] = _intervals(forms[this]) or forms[this]
    return forms


def _intervals(form: str) -> str | None:
    parts = [_interval(part) for part in _OR.split(form)]
    return (
        "\\cup".join(part for part in parts if part)
        if all(parts) and len({*map(_named, _OR.split(form))}) == 1
        else None
    )


def _interval(part: str) -> str | None:
    two, one = _TWO_BOUNDS.fullmatch(part), _ONE_BOUND.fullmatch(part)
    if two is not None and _is_less(two[2]) == _is_less(two[4]):
        bounds = [(two[1], two[2]), (two[5], two[4])]
        (low, low_sign), (high, high_sign) = bounds if _is_less(two[2]) else bounds[::-1]
        return f"{_bracket(low_sign, '([')}{low.strip()},{high.strip()}{_bracket(high_sign, ')]')}"
    if one is None or two is not None:
        return None
    value = one[3].strip()
    return (
        f"(-\\infty,{value}{_bracket(one[2], ')]')}"
        if _is_less(one[2])
        else f"{_bracket(one[2], '([')}{value},\\infty)"
    )


def _named(part: str) -> str | None:
    match = _TWO_BOUNDS.fullmatch(part) or _ONE_BOUND.fullmatch(part)
    return None if match is None else match[3] if match.re is _TWO_BOUNDS else match[1]


def _is_less(sign: str) -> bool:
    return sign.startswith(("<", "\\l"))


def _bracket(sign: str, brackets: str) -> str:
    return brackets[sign not in "<>"]
