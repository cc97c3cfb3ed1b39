r"""LaTeX answers as texts: what ``\boxed{}`` holds, and MATH's normal form to compare by (Hendrycks et al. 2021).

Two scripts of the authors normalise in nearly the same way. They differ in what they do with a text that they cannot
handle, and in one case (0.5): MetaMath uses the one of `hendrycks_equal`, MAmmoTH that of `mammoth_form`.
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


def last_boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{...}`` or, without one, the last ``\fbox{...}`` of ``text`` holds.

    None when there is neither, or its braces are not closed.
    """
    start = text.rfind("\\boxed")
    if start < 0:
        start = text.rfind("\\fbox")
    opening = text.find("{", start) if start >= 0 else -1
    if opening < 0 or text[start:opening] not in ("\\boxed", "\\fbox"):
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


def _normal_form(text: str, strict: bool) -> str:
    """Return the normal form; with ``strict`` a ValueError says that Hendrycks' script cannot handle the text."""
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
    return _with_fraction_for_ratio(text, strict)


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


def _with_fraction_for_ratio(text: str, strict: bool) -> str:
    if text.count("/") != 1:
        return text
    ratio = _WHOLE_RATIO.fullmatch(text)
    if ratio is not None and "-0" not in ratio.groups():
        return f"\\frac{{{ratio[1]}}}{{{ratio[2]}}}"
    if strict:
        # A ratio of other things than whole numbers ends here.
        for side in text.split("/"):
            int(side)
    return text
