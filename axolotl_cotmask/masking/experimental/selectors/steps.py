"""Steps of reasoning: lines, and the sentences of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from axolotl_cotmask.masking.experimental.selectors.passages import Passage, passages
from axolotl_cotmask.masking.offsets import Span

_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)")
_DISPLAY_END = re.compile(r"[.!?]\s*(?:\$\$?|\\[\])]|\\end\{\w+\*?\})\Z")
_SPACES = re.compile(r"\s*")
# Besides a capital letter and a digit.
_BEGINNINGS = frozenset("$\\([{\"'“‘<#")
_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "fig", "eq", "e.g", "i.e", "approx"]
)
# `1.` at the beginning of a line or sentence counts the items of a list.
_LIST_NUMBER = re.compile(r"(?:^|[.!?:]\s)\s*\d+\Z")


def steps(text: str) -> list[Span]:
    """Return each step, without the spaces around it: a line, or each sentence of a line that has several."""
    bounds = [0, *(end for passage in passages(text) for end in _ends(text, passage)), len(text)]
    spans = []
    for start, end in pairwise(bounds):
        step = text[start:end]
        if stripped := step.strip():
            start += step.index(stripped)
            spans.append((start, start + len(stripped)))
    return spans


def _ends(text: str, passage: Passage) -> Iterator[int]:
    """Yield where lines and sentences end in a passage, in order; a figure has no end in it."""
    kind, start, end = passage
    if kind == "figure":
        return
    ends = [match.end() for match in re.finditer("\n", text[start:end])]
    if kind == "prose":
        # One character more, so that the space after the passage can be seen.
        ends += (
            match.end() for match in _SENTENCE_END.finditer(text[start : end + 1]) if _ends_sentence(text, start, match)
        )
    elif kind == "math" and _DISPLAY_END.search(text, start, end) and _may_begin(text, end):
        ends.append(end - start)
    yield from (start + place for place in sorted(ends))


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    mark = start + match.start()
    if not _may_begin(text, start + match.end()):
        return False
    line = text[text.rfind("\n", 0, mark) + 1 : mark]
    word = line.rsplit(None, 1)[-1].lower() if line.strip() else ""
    return match[0] != "." or not (word.lstrip("(\"'“‘") in _ABBREVIATIONS or _LIST_NUMBER.search(line))


def _may_begin(text: str, place: int) -> bool:
    """Whether a sentence may begin at ``place``, or after the spaces there."""
    begin = _SPACES.match(text, place).end()  # type: ignore[union-attr]
    character = text[begin : begin + 1]
    return character.isupper() or (begin > place and (character.isdecimal() or character in _BEGINNINGS))
