"""Where in a generation the answer stands that a rule reads, and which rule rated a file that does not say so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import RULES, Judgement, Rule

#: An answer that is longer is looked for as it stands, without commas.
_LONGEST = 100
#: Places that are tried, from the end.
_MOST_PLACES = 50


@dataclass(frozen=True)
class RatedText:
    """A generation, the reference that it was rated by, whether it was found right, and the question if it is known."""

    text: str
    gold: str
    right: bool
    question: str | None = None


def rule_behind(answers: Sequence[RatedText]) -> Rule | None:
    """Return the first rule that rates all of the ``answers`` as they were rated, at least one of them right."""
    if not any(answer.right for answer in answers):
        return None
    return next((rule for rule in RULES.values() if all(_agrees(rule, answer) for answer in answers)), None)


def _agrees(rule: Rule, answer: RatedText) -> bool:
    try:
        return (rule.about(answer.question).judge(answer.text, answer.gold) is Judgement.TRUE) == answer.right
    except CoTMaskError:
        return False


def parted(text: str, rule: Rule) -> tuple[str, str, str] | None:
    """Return the text before the answer that ``rule`` reads, the answer as it stands there, and the text after it.

    It stands where a change of its characters changes what is read. None where nothing is read, or what is read stands
    nowhere as it was read, such as a number in words.
    """
    answer = rule.extract(text)
    if not answer:
        return None
    for start, end in _places(text, answer):
        if rule.extract(text[:start] + _other(text[start:end]) + text[end:]) != answer:
            return text[:start], text[start:end], text[end:]
    return None


def _places(text: str, answer: str) -> Iterator[tuple[int, int]]:
    """Yield where the characters of ``answer`` stand in a text, the last places first; then, where they have commas."""
    end = len(text)
    for _ in range(_MOST_PLACES):
        start = text.rfind(answer, 0, end)
        if start < 0:
            break
        yield start, start + len(answer)
        end = start + len(answer) - 1
    if len(answer) <= _LONGEST:
        found = list(re.finditer(",?".join(map(re.escape, answer)), text))
        yield from (match.span() for match in reversed(found[-_MOST_PLACES:]))


def _other(text: str) -> str:
    """Return a text of the same form with other digits and letters."""
    return "".join(_next(character) for character in text)


def _next(character: str) -> str:
    if character.isascii() and character.isdigit():
        return str((int(character) + 1) % 10)
    if character.isascii() and character.isalpha():
        first = "a" if character.islower() else "A"
        return chr((ord(character) - ord(first) + 1) % 26 + ord(first))
    return character
