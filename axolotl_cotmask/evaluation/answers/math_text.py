r"""LaTeX answers as texts: what ``\boxed{}`` holds, and MATH's normal form to compare by (Hendrycks et al. 2021).

Two scripts of the authors normalise in nearly the same way. They differ in what they do with a text that they cannot
handle, and in one case (0.5): `hendrycks_form` is the one that MetaMath uses, `mammoth_form` that of MAmmoTH.
"""

from __future__ import annotations

import re

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


class _UnhandledError(ValueError):
    """A text that Hendrycks' script cannot handle."""


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
    depth = 0
    for position in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[opening + 1 : position]
    return None


def hendrycks_form(text: str) -> str | None:
    """Return the normal form of ``text``, or None for a text that Hendrycks' script cannot handle."""
    try:
        return _normal_form(text, strict=True)
    except _UnhandledError:
        return None


def mammoth_form(text: str) -> str:
    """Return the normal form of ``text`` in MAmmoTH's variant, which leaves alone what it cannot handle."""
    return _normal_form(text, strict=False)


def hendrycks_equal(answer: str, gold: str) -> bool:
    """Compare two LaTeX answers by their normal forms, or as they are where one of them has none."""
    forms = hendrycks_form(answer), hendrycks_form(gold)
    return answer == gold if None in forms else forms[0] == forms[1]


def _normal_form(text: str, strict: bool) -> str:
    for old, new in _REPLACED:
        text = text.replace(old, new)
    if strict and text.count(_UNIT) > 1:
        raise _UnhandledError("more than one unit")
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
    parts = [first]
    for part in rest:
        if strict and not part:
            raise _UnhandledError("a root of nothing")
        parts.append(part if not part or part[0] == "{" else f"{{{part[0]}}}{part[1:]}")
    return "\\sqrt".join(parts)


def _with_braced_fractions(text: str, strict: bool) -> str:
    first, *rest = text.split("\\frac")
    parts = [first]
    for part in rest:
        if not part:
            if strict:
                raise _UnhandledError("a fraction of nothing")
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
        for side in text.split("/"):
            try:
                int(side)
            except ValueError:
                raise _UnhandledError("a ratio of other things than whole numbers") from None
    return text
