r"""LaTeX answers as texts: what ``\boxed{}`` holds, and MATH's normal form to compare by (Hendrycks et al. 2021).

Three scripts normalise in nearly the same way: Hendrycks' own, MetaMath's copy of it, and MAmmoTH's. They differ in
what they do with a text that they cannot handle, and MAmmoTH's in one case more (0.5).
"""

from __future__ import annotations

import re
from itertools import accumulate

_REPLACED = (
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
)
_UNIT = "\\text{ "
_WHOLE_RATIO = re.compile(r"(-?(?:0|[1-9]\d*))/(-?(?:0|[1-9]\d*))", re.ASCII)


def last_boxed(text: str, command: str = "\\boxed") -> str | None:
    r"""Return what the last ``\boxed{...}`` of ``text`` holds.

    None when there is none, or its braces are not closed. Of an ``\fbox{...}``, which Hendrycks' script finds where
    there is no ``\boxed``, it reads nothing.
    """
    opening = text.rfind(command) + len(command)
    if opening < len(command) or text[opening : opening + 1] != "{":
        return None
    closing = closing_brace(text, opening)
    return None if closing is None else text[opening + 1 : closing]


def closing_brace(text: str, opening: int) -> int | None:
    """Return the place of the brace that closes the one at ``opening``, or None where none does."""
    depths = accumulate({"{": 1, "}": -1}.get(character, 0) for character in text[opening:])
    return next((place for place, depth in enumerate(depths, start=opening) if depth == 0), None)


def mammoth_form(text: str) -> str:
    """Return the normal form of ``text`` in MAmmoTH's variant, which leaves alone what it cannot handle."""
    return _normal_form(text, strict=False)


def hendrycks_equal(answer: str, gold: str) -> bool:
    """Compare two LaTeX answers by their normal forms, or as they are where Hendrycks' script cannot handle one."""
    try:
        return _normal_form(answer, strict=True) == _normal_form(gold, strict=True)
    except ValueError:
        return answer == gold


def metamath_equal(answer: str, gold: str) -> bool:
    """Compare them by MetaMath's copy of that script, which cannot handle ``a/b`` and other ratios of no numbers."""
    try:
        forms = [_normal_form(text, strict=True) for text in (answer, gold)]
        for form in forms:
            _check_ratio(form)
    except ValueError:
        return answer == gold
    return forms[0] == forms[1]


def _normal_form(text: str, strict: bool) -> str:
    """Return the normal form; with ``strict`` a ValueError says that the script cannot handle the text."""
    for old, new in _REPLACED:
        text = text.replace(old, new)
    if strict and text.count(_UNIT) > 1:
        raise ValueError("more than one unit")
    text = text.split(_UNIT, maxsplit=1)[0]
    text = text.replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text.startswith("."):
        text = "0" + text
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = _with_braced_roots(text, strict).replace(" ", "")
    text = _with_braced_fractions(text, strict)
    if strict and text == "0.5":
        text = "\\frac{1}{2}"
    return _with_fraction_for_ratio(text)


def _with_braced_roots(text: str, strict: bool) -> str:
    first, *rest = text.split("\\sqrt")
    if strict and "" in rest:
        raise ValueError("a root of nothing")
    braced = (part if part[:1] in ("", "{") else f"{{{part[0]}}}{part[1:]}" for part in rest)
    return "\\sqrt".join([first, *braced])


def _with_braced_fractions(text: str, strict: bool) -> str:
    first, *rest = text.split("\\frac")
    parts = [first]
    for part in rest:
        if not part:
            if strict:
                raise ValueError("a fraction of nothing")
        elif part[0] != "{":
            if len(part) < 2:
                return text
            # \frac1b and \frac12, but of \frac1{72} only the 1 lacks its braces.
            below = part[1:] if part[1] == "{" else f"{{{part[1]}}}{part[2:]}"
            part = f"{{{part[0]}}}{below}"
        parts.append(part)
    return "\\frac".join(parts)


def _with_fraction_for_ratio(text: str) -> str:
    ratio = _WHOLE_RATIO.fullmatch(text)
    if ratio is None or "-0" in ratio.groups():
        return text
    return f"\\frac{{{ratio[1]}}}{{{ratio[2]}}}"


def _check_ratio(form: str) -> None:
    if form.count("/") == 1:
        for side in form.split("/"):
            int(side)
