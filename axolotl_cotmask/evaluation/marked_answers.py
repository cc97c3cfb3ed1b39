"""Where in a generation the answer stands that a rule reads, and which rule rated a file that does not say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import RULES, Judgement, Rule

#: An answer that is longer is looked for as it stands only.
_LONGEST = 100
#: Places that are tried, from the end.
_MOST_PLACES = 50


@dataclass(frozen=True)
class RatedText:
    """A generation, the reference that it was rated by, and whether it was found right."""

    text: str
    gold: str
    right: bool


def rule_behind(answers: Sequence[RatedText]) -> Rule | None:
    """Return the first rule that rates all of the ``answers`` as they were rated, at least one of them right."""
    if not any(answer.right for answer in answers):
        return None
    return next((rule for rule in RULES.values() if all(_agrees(rule, answer) for answer in answers)), None)


def _agrees(rule: Rule, answer: RatedText) -> bool:
    try:
        return (rule.judge(answer.text, answer.gold) is Judgement.TRUE) == answer.right
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


def _places(text: str, answer: str) -> Iterable[tuple[int, int]]:
    """Return where the characters of ``answer`` stand in a text, the last place first; thousands may have commas."""
    joint = ",?" if len(answer) <= _LONGEST else ""
    found = list(re.finditer(joint.join(map(re.escape, answer)), text))
    return [match.span() for match in reversed(found[-_MOST_PLACES:])]


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
