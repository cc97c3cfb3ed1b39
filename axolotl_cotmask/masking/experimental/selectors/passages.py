"""Where a solution leaves its prose: calculator annotations, LaTeX mathematics and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

PassageKind = Literal["prose", "annotation", "math", "figure"]

# A row's dollars are either all money or all LaTeX: MATH writes money as `\$5`, GSM8K has no LaTeX.
_DOLLARS = re.compile(r"(?<!\\)\$\$?")
_MONEY_OPENS = re.compile(r"[\d>]\Z")
_MONEY_CLOSES = re.compile(r"\.?\d|<<")

_ANNOTATION = r"(?P<annotation><<[^<>\n]*>>)"
_FIGURE = r"(?P<figure>\[asy\].*?\[/asy\])"
_DISPLAY = r"(?<!\\)\\\[.*?\\\]|(?<!\\)\\\(.*?\\\)|\\begin\{(?P<name>\w+\*?)\}.*?\\end\{(?P=name)\}"
_INLINE = r"\$\$.*?\$\$|(?<!\\)\$(?:[^$\\]|\\.)+\$"
_WITH_MONEY = re.compile(rf"{_ANNOTATION}|{_FIGURE}|(?P<math>{_DISPLAY})", re.DOTALL)
_WITH_LATEX = re.compile(rf"{_ANNOTATION}|{_FIGURE}|(?P<math>{_DISPLAY}|{_INLINE})", re.DOTALL)


class Passage(NamedTuple):
    """The characters from ``start`` to ``end``, delimiters included, are prose or not."""

    kind: PassageKind
    start: int
    end: int


def passages(text: str) -> Iterator[Passage]:
    """Yield the passages of ``text`` in order, without gaps; there is no empty one.

    An annotation is ``<<...>>`` on one line, a figure ``[asy]...[/asy]``, mathematics ``$...$``, ``$$...$$``,
    ``\\[...\\]``, ``\\(...\\)`` and ``\\begin{name}...\\end{name}``.
    """
    pattern = _WITH_LATEX if "$" in text and dollars_are_latex(text) else _WITH_MONEY
    end = 0
    for match in pattern.finditer(text):
        if match.start() > end:
            yield Passage("prose", end, match.start())
        end = match.end()
        kind: PassageKind = "annotation" if match["annotation"] else "figure" if match["figure"] else "math"
        yield Passage(kind, match.start(), end)
    if end < len(text):
        yield Passage("prose", end, len(text))


def dollars_are_latex(text: str) -> bool:
    """Return whether the dollar signs of ``text`` enclose mathematics; otherwise they are money.

    They enclose mathematics when they pair off, no pair holds an annotation, no opening one follows a digit or ``>>``
    (``54$``), and no closing one precedes a number (``$10 - $5``).
    """
    signs = list(_DOLLARS.finditer(text))
    if not signs or len(signs) % 2:
        return False
    return all(
        opening[0] == closing[0]
        and not _MONEY_OPENS.search(text, max(0, opening.start() - 1), opening.start())
        and not _MONEY_CLOSES.match(text, closing.end())
        and "<<" not in text[opening.end() : closing.start()]
        for opening, closing in zip(signs[::2], signs[1::2], strict=True)
    )
