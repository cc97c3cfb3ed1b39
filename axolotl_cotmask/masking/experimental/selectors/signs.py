"""Which signs act as operators, and which minus belongs to its number."""

from __future__ import annotations

import re

from axolotl_cotmask.masking.experimental.selectors.lexemes import OPERATOR_COMMANDS, Lexeme, Part

_MINUS = frozenset("-−–")
_OPERANDS = frozenset({"number", "letter", "command", "edge"})
_BEFORE = _OPERANDS | {"close", "percent"}
_AFTER = _OPERANDS | {"open", "currency"}
#: What may end a unit besides a letter: 5 oz. + 3 oz., 6" * 4".
UNIT_ENDS = frozenset(".'\"’”°")
# Also words, unless they stand alone in their line: `+ a`.
_ARTICLES = frozenset("aAI")
# LaTeX commands that a plus or minus after them has no operand in.
_NOT_OPERANDS = OPERATOR_COMMANDS | frozenset((
    r"\\", r"\,", r"\;", r"\:", r"\!", r"\(", r"\[", r"\{", r"\left", r"\big", r"\Big", r"\quad", r"\qquad", r"\to",
    r"\in", r"\implies", r"\Rightarrow", r"\iff", r"\log", r"\ln", r"\sin", r"\cos", r"\tan",
))  # fmt: skip
_DATE = re.compile(r"(?<![\d/])\d{1,2}/\d{1,2}/(?:19|20)\d\d(?![\d/])")


def resolve(text: str, part: Part) -> list[Lexeme]:
    """Return the lexemes of ``part`` where signs that act as operators are operators, and numbers have their minus.

    A minus stays with its number when it stands right before it and is not a subtraction. A sign that is neither (a
    hyphen, the slash of a date or between words) stays a sign.
    """
    lexemes = part.lexemes
    is_operator = _Prose(text, part).is_operator if part.kind == "prose" else _Mathematics(text, part).is_operator
    resolved: list[Lexeme] = []
    negative = -1
    for place, lexeme in enumerate(lexemes):
        kind, start, end = lexeme
        if kind == "number" and negative == start:
            resolved[-1] = Lexeme("number", resolved[-1].start, end)
        elif kind in ("sign", "letter", "command") and is_operator(place):
            resolved.append(Lexeme("operator", start, end))
        else:
            resolved.append(lexeme)
            if kind == "sign" and text[start] in _MINUS and _is_free(resolved):
                negative = end
    return resolved


def _is_free(resolved: list[Lexeme]) -> bool:
    """Whether the last lexeme, a minus, does not stand right behind a word, as a hyphen does."""
    if len(resolved) < 2 or resolved[-2].end < resolved[-1].start:
        return True
    return resolved[-2].kind not in ("word", "letter", "number", "close", "percent")


def _is_times(text: str, before: Lexeme, here: Lexeme, after: Lexeme, *, units: bool) -> bool:
    """Whether the letter ``here`` is an x between two factors."""
    if text[here.start] not in "xX":
        return False
    spaced = before.end < here.start and here.end < after.start
    if after.kind == "open":
        return spaced and before.kind == "number"
    factor = before.kind in ("number", "percent", "close") or (units and spaced and before.kind == "word")
    return factor and after.kind in ("number", "currency")


class _Mathematics:
    """In mathematics every sign is an operator, but for a plus or minus that nothing stands before."""

    def __init__(self, text: str, part: Part) -> None:
        self._text = text
        self._lexemes = part.lexemes
        self._has_times = part.kind == "annotation"

    def is_operator(self, place: int) -> bool:
        kind, start, end = here = self._lexemes[place]
        if kind == "command":
            return self._text[start:end] in OPERATOR_COMMANDS
        if kind == "letter":
            inside = self._has_times and 0 < place < len(self._lexemes) - 1
            return inside and _is_times(
                self._text, self._lexemes[place - 1], here, self._lexemes[place + 1], units=False
            )
        return self._text[start] not in "+-−–" or self._is_operand(place - 1)

    def _is_operand(self, place: int) -> bool:
        """Whether an operand ends at ``place``; a bar closes when something stands before it."""
        while place >= 0 and self._text[self._lexemes[place].start] == "|":
            place -= 1
        if place < 0:
            return False
        kind, start, end = self._lexemes[place]
        if kind == "command":
            command = self._text[start:end]
            return command not in _NOT_OPERANDS and not command.startswith(r"\begin")
        return kind in ("number", "word", "letter", "close", "percent") or self._text[start] in "!'"


class _Prose:
    """In prose a sign is an operator when what stands on both sides of it can be an operand."""

    def __init__(self, text: str, part: Part) -> None:
        self._text = text
        # One lexeme more on either side, so that each sign has neighbours. After an annotation stands its result.
        result = text.endswith(">>", 0, part.start)
        self._lexemes = [
            Lexeme("open" if result else "edge" if part.start > 0 else "newline", part.start, part.start),
            *part.lexemes,
            Lexeme("edge" if part.end < len(text) else "newline", part.end, part.end),
        ]
        slash = text.find("/", part.start, part.end)
        dates = _DATE.finditer(text, part.start, part.end) if slash >= 0 else ()
        self._dates = [match.span() for match in dates]

    def is_operator(self, place: int) -> bool:
        before, here, after = self._lexemes[place : place + 3]
        if here.kind == "command":
            return self._text[here.start : here.end] in OPERATOR_COMMANDS
        if here.kind == "letter":
            return _is_times(self._text, before, here, after, units=True)
        sign = self._text[here.start : here.end]
        if sign[0] == "=":
            return True
        apart = (before.end < here.start, here.end < after.start)
        strict = self._is_operand_before(place) and self._is_operand_after(place + 2)
        if sign in _MINUS or sign == "/":
            if any(start <= here.start < end for start, end in self._dates):
                return False
            return strict or (apart == (True, True) and self._may_end(before) and self._is_operand_after(place + 2))
        if sign in ("**", "//") and apart[0] != apart[1]:
            return False
        if apart == (False, True) and after.kind == "word":
            return False  # 5+ years
        return (self._is_operand_before(place) or self._may_end(before)) and (
            self._is_operand_after(place + 2) or after.kind == "word"
        )

    def _may_end(self, lexeme: Lexeme) -> bool:
        """Whether an operand written in words may end here."""
        return lexeme.kind == "word" or (lexeme.kind == "other" and self._text[lexeme.start] in UNIT_ENDS)

    def _is_operand_before(self, place: int) -> bool:
        lexeme = self._lexemes[place]
        # 54$ - 3, but not $-3.
        return lexeme.kind in _BEFORE or (lexeme.kind == "currency" and self._lexemes[place - 1].kind == "number")

    def _is_operand_after(self, place: int) -> bool:
        lexeme = self._lexemes[place]
        if lexeme.kind == "letter":
            following = self._lexemes[place + 1]
            return self._text[lexeme.start] not in _ARTICLES or following.kind not in ("word", "letter")
        if lexeme.kind == "sign":
            following = self._lexemes[place + 1]
            return self._text[lexeme.start] in _MINUS and (following.kind, following.start) == ("number", lexeme.end)
        return lexeme.kind in _AFTER
