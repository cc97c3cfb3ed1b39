"""A text as numbers, words, signs and brackets, read apart in prose and in mathematics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from axolotl_cotmask.masking.experimental.selectors.passages import PassageKind, passages

LexemeKind = Literal[
    "number",
    "word",
    "letter",  # a word of one letter
    "sign",  # what may be an operator
    "operator",  # a sign that is one, see `signs.py`
    "command",  # LaTeX's
    "open",
    "close",
    "currency",
    "percent",
    "newline",
    "other",
    "edge",  # another passage stands here
]

#: LaTeX commands that stand for an operator; fractions are divisions.
OPERATOR_COMMANDS = frozenset((
    r"\times", r"\cdot", r"\div", r"\frac", r"\dfrac", r"\tfrac", r"\pm", r"\mp", r"\le", r"\leq", r"\ge", r"\geq",
    r"\lt", r"\gt", r"\ne", r"\neq", r"\equiv", r"\approx",
))  # fmt: skip

# Groups of three digits, with a comma as in English or as LaTeX writes it; or digits with at most one point.
_NUMBER = r"\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w.])\.\d+"
_LETTER = r"[^\W\d_]"
# He's, well-known, T-shirt; but x-y is a difference.
_PROSE_WORD = rf"{_LETTER}{{2,}}(?:['’-]{_LETTER}+)*|{_LETTER}(?:['’]{_LETTER}+|-{_LETTER}{{2,}})(?:['’-]{_LETTER}+)*"
# Not the equals sign of an arrow: =>.
_SIGN = r"\*\*|//|(?:[<>!]=|=+)(?![=>])|[-+*/×÷^·∙⋅−–<>≤≥≠≈±∓]"


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<number>{_NUMBER})|(?P<word>{word})|(?P<letter>{_LETTER})|(?P<sign>{_SIGN})|(?P<percent>\\?%)"
        rf"|(?P<currency>\\?[$€£¥¢])|(?P<command>\\(?:(?:begin|end)\{{\w+\*?\}}|[A-Za-z]+|[^\d\n]))|(?P<open>[(\[{{])|(?P<close>[)\]}}])"
        r"|(?P<newline>\n)|(?P<other>\S)"
    )


_PROSE = _pattern(_PROSE_WORD)
_MATHEMATICS = _pattern(rf"{_LETTER}{{2,}}")


class Lexeme(NamedTuple):
    """The characters from ``start`` to ``end`` of the text."""

    kind: LexemeKind
    start: int
    end: int


class Part(NamedTuple):
    """A passage and the lexemes in it; those of an annotation are what stands between ``<<`` and ``>>``."""

    kind: PassageKind
    start: int
    end: int
    lexemes: list[Lexeme]


def parts(text: str) -> Iterator[Part]:
    """Yield the passages of ``text`` with their lexemes; only spaces stand between the lexemes."""
    for kind, start, end in passages(text):
        pattern = _PROSE if kind == "prose" else _MATHEMATICS
        inner = (start + 2, end - 2) if kind == "annotation" else (start, end)
        found = [Lexeme(match.lastgroup, *match.span()) for match in pattern.finditer(text, *inner)]  # type: ignore[arg-type]
        yield Part(kind, start, end, found)
