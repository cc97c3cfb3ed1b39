"""What stands below ``Answer:``: the answer, a list of several, or a whole solution, of which it is but the heading."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.quantity import LIMIT
from axolotl_cotmask.evaluation.answers.remarks import without_checks, without_remarks

_BEGINS_A_LINE = re.compile(r"(?:\A|\n)[\s#>*_-]{0,8}\Z")
_ITEM = re.compile(r"[ \t]{0,8}(?:[-•+*]|\(?\d{1,2}[.)]|\(?[a-h]\))[ \t]+([^\n]{1,300})(?:\n\s{0,8}|\Z)")
_SOME = 30
_HOLDS_A_VALUE = re.compile(r"[\d$\\]")
_EXPLAINS = re.compile(r"\W*(?:because|reason|since|explanation|calculation|check|note|where|steps?)\b", re.IGNORECASE)
_TOTAL = re.compile(r"\W*(?:(?:grand|final|overall) )?(?:total|answer|result|sum)\b[^\d]{0,40}\d", re.IGNORECASE)
# An answer alone, with its unit or what it is computed from.
_BARE = re.compile(r"[^\w\\]*(?:[a-zA-Z]\w? ?= ?)?(?:\\|[-+]?\.?\d)")
_CALCULATION = re.compile(
    r"\d[\w%),.]{0,12} ?(?:[-+*/×÷x]|\\times|\\cdot|\\div) ?[$(\\]{0,3}\d[^=\n]{0,60}= ?[$\\]{0,2}-?\.?\d"
)
_CONCLUDES = re.compile(
    r"\b(?:so|thus|therefore|hence|then|finally|altogether|in total|that means|leaving)\b[^\n]{0,100}\d", re.IGNORECASE
)


def items_below(text: str, begin: int) -> list[str]:
    """Return the items with a value of a list that begins there in ``text``; only a total, where it ends on that.

    None of a list of one item.
    """
    if not text.startswith("\n", begin):
        return []
    begin += len(text[begin : begin + _SOME]) - len(text[begin : begin + _SOME].lstrip())
    items: list[str] = []
    while len(items) < _SOME and (item := _ITEM.match(text, begin)) is not None:
        items.append(item[1].strip())
        begin = item.end()
    if len(items) < 2:
        return []
    values = [item for item in items if _HOLDS_A_VALUE.search(item) and not _EXPLAINS.match(item)]
    return values[-1:] if values and _TOTAL.match(values[-1]) else values


def computes_on(text: str, begin: int) -> bool:
    """Whether a calculation follows there in ``text``, which does not but check."""
    return _CALCULATION.search(without_checks(without_remarks(text[begin : begin + 2 * LIMIT]))) is not None


def heads_a_solution(text: str, mark: re.Match[str], link: re.Match[str], first: str) -> bool:
    """Whether a whole solution follows ``Answer:``, not the answer: it begins with ``first``, and concludes later."""
    named = ":" in link.group() or not link.group().strip()
    if not named or _BEGINS_A_LINE.search(text, max(0, mark.start() - 10), mark.start()) is None:
        return False
    below = text[link.end() : link.end() + 2 * LIMIT]
    rest = without_checks(without_remarks(below[below.find(first) + len(first) :]))
    if _BARE.match(first):
        return _CALCULATION.search(first) is not None and _CALCULATION.search(rest) is not None
    return _CALCULATION.search(rest) is not None or _CONCLUDES.search(rest) is not None
