"""Numbers, operators, equations and the words between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from axolotl_cotmask.masking.experimental.selectors.lexemes import Lexeme, Part, parts
from axolotl_cotmask.masking.experimental.selectors.signs import UNIT_ENDS, resolve
from axolotl_cotmask.masking.offsets import Span

_VALUES = frozenset({"number", "letter", "command", "close", "percent"})
_IN_EQUATIONS = _VALUES | {"operator", "open", "currency"}
# Between a number and the next operator: 3 red apples + 2.
_UNIT_WORDS = 4
_FRACTION_OR_RANGE = re.compile(r"\(?[\d.,]+(?:[/–−-][\d.,]+)+\)?")
# These join clauses, so what they stand in is no unit.
_NO_UNITS = frozenset((
    "and", "or", "so", "is", "are", "was", "were", "be", "has", "have", "which", "that", "then", "the", "there",
    "means", "get", "gets", "if", "we",
))  # fmt: skip


def numbers(text: str) -> list[Span]:
    """Return each number, with its minus; every digit of ``text`` is in one."""
    return [
        (lexeme.start, lexeme.end) for part in parts(text) for lexeme in resolve(text, part) if lexeme.kind == "number"
    ]


def operators(text: str) -> list[Span]:
    """Return each sign that acts as an operator, outside of figures."""
    return [
        (lexeme.start, lexeme.end)
        for part in parts(text)
        if part.kind != "figure"
        for lexeme in resolve(text, part)
        if lexeme.kind == "operator"
    ]


def equations(text: str) -> list[Span]:
    """Return each annotation, each piece of LaTeX mathematics, and each equation in the prose between them."""
    spans: list[Span] = []
    for part in parts(text):
        if part.kind == "prose":
            lexemes = resolve(text, part)
            spans += ((lexemes[i].start, lexemes[j - 1].end) for i, j in _equations(text, lexemes))
        elif part.kind != "figure":
            spans.append((part.start, part.end))
    return spans


def words(text: str) -> list[Span]:
    """Return each word of the prose outside of equations; what touches a digit (3rd, 5pm, 2x) is not one."""
    return [span for part in parts(text) if part.kind == "prose" for span in _words(text, part)]


def _words(text: str, part: Part) -> Iterator[Span]:
    lexemes = resolve(text, part)
    taken = set[int]()
    for first, last in _equations(text, lexemes):
        taken.update(range(first, last))
    for place, (kind, start, end) in enumerate(lexemes):
        if kind not in ("word", "letter") or place in taken:
            continue
        if not (text[max(0, start - 1) : start].isdecimal() or text[end : end + 1].isdecimal()):
            yield start, end


def _equations(text: str, lexemes: list[Lexeme]) -> Iterator[tuple[int, int]]:
    """Yield the first place of each equation, and the place after its last."""
    # Most prose has no operator.
    if not any(lexeme.kind == "operator" for lexeme in lexemes):
        return
    place = 0
    while place < len(lexemes):
        first = place
        while place < len(lexemes):
            if _continues(text, lexemes, place):
                place += 1
            elif place > first and (after := _after_unit(text, lexemes, place)):
                place = after
            else:
                break
        start, stop = _trimmed(lexemes, first, place)
        if _is_equation(text, lexemes[start:stop]):
            yield start, stop
        place = max(place, first + 1)


def _continues(text: str, lexemes: list[Lexeme], place: int) -> bool:
    lexeme = lexemes[place]
    if lexeme.kind == "letter" and text[lexeme.start] in "aAI":
        neighbours = lexemes[max(0, place - 1) : place] + lexemes[place + 1 : place + 2]
        return any(neighbour.kind == "operator" for neighbour in neighbours)
    return lexeme.kind in _IN_EQUATIONS


def _after_unit(text: str, lexemes: list[Lexeme], place: int) -> int | None:
    """Return the place of the operator that follows the unit words at ``place``, if such follow a value."""
    if lexemes[place - 1].kind not in _VALUES:
        return None
    count = 0
    begin = place
    while place < len(lexemes):
        kind, start, end = lexemes[place]
        if kind in ("word", "letter"):
            count += 1
            if count > _UNIT_WORDS or text[start:end].lower() in _NO_UNITS:
                return None
        elif kind == "other" and text[start] in UNIT_ENDS:
            # The full stop of oz. is no end of a sentence.
            if start > lexemes[place - 1].end or (text[start] == "." and text[start + 1 : start + 3].strip().istitle()):
                return None
        elif kind != "sign":
            break
        place += 1
    return place if place > begin and place < len(lexemes) and lexemes[place].kind == "operator" else None


def _trimmed(lexemes: list[Lexeme], first: int, last: int) -> tuple[int, int]:
    """Return the places without brackets that have no partner, and without a currency sign that has no number."""
    while first < last:
        kinds = [lexeme.kind for lexeme in lexemes[first:last]]
        opened, closed = kinds.count("open"), kinds.count("close")
        if kinds[0] == "close" or (kinds[0] == "open" and opened > closed):
            first += 1
        elif kinds[-1] in ("open", "currency") or (kinds[-1] == "close" and closed > opened):
            last -= 1
        else:
            break
    return first, last


def _is_equation(text: str, lexemes: list[Lexeme]) -> bool:
    operator = [lexeme for lexeme in lexemes if lexeme.kind == "operator"]
    values = sum(lexeme.kind in ("number", "letter", "command") for lexeme in lexemes)
    if any(text[lexeme.start] == "=" for lexeme in operator):
        return values > 0
    if not operator or values < 2:
        return False
    # A fraction (1/2) or a range (10-15, 45-45-90) is a value.
    return not _FRACTION_OR_RANGE.fullmatch(text, lexemes[0].start, lexemes[-1].end)
