"""What a question asks for, in words that can be held against those beside a number: how many apples, Tom, left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from axolotl_cotmask.evaluation.answers.plain import plain
from axolotl_cotmask.evaluation.answers.word_stems import MODIFIERS, NAME, first_names, names, stem, words

# Of a question so many characters at its end are read.
_WINDOW = 2000
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE_END = re.compile(r"(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?](?=\s|\Z)|\n")
_ASKS = re.compile(
    r"\b(?:(?:how|what|which|who|when)\b|(?:find|calculate|determine|compute|give|tell)\b)", re.IGNORECASE
)
_HOW_MANY = re.compile(r"\bhow (?:many|much)((?: (?!of\b)[a-z]+){0,6})", re.IGNORECASE)
_IN_UNITS = re.compile(r"\bin (?:square |cubic )?([a-z]{2,12})\b[^.]{0,20}\Z", re.IGNORECASE)
_MONEY = re.compile(r"[$£€]|\b(?:dollars?|cents?|euros?|pounds)\b", re.IGNORECASE)
_HOW_MUCH_MONEY = re.compile(
    r"\bhow much(?: (?:more|less|extra|total))*"
    r" (?:money|does|did|do|is|are|was|were|will|would|should|has|have|had|can|could|profit|change|each)\b"
    r"|\bhow many (?:dollars|cents|euros)\b|\b(?:price|cost|profit|revenue|income|salary|bill|fee)\b[^?]{0,40}\?",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"\b(?:what|which|how many) (?:is the )?percent(?:age)?\b|(?<!\d )\bpercent(?:age)? of\b", re.IGNORECASE
)
_TIME_ASKED = re.compile(
    r"\bhow long (?:does|did|do|will|would|should) [^?]{0,60}\b(?:take|need|last|spend|stay|wait)|\bhow old\b",
    re.IGNORECASE,
)
# Names of no person.
_TIMES = frozenset(
    (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march",
        "april", "may", "june", "july", "august", "september", "october", "november", "december",
    )
)  # fmt: skip
_CONDITION = re.compile(r",? (?:if|given that|assuming)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:s?he|they|it)\b")
# Stems of units.
_TIME = frozenset(("second", "minut", "hour", "day", "week", "month", "year"))
# The name whose value is asked for: "what is $x$?", "for which $n$ does".
_NAME_ASKED = re.compile(
    r"\b(?:what is|find|compute|determine|solve for|which|values? of) \$([a-zA-Z](?:_\d|_\{\d\})?)\$"
    r"(?=[?.:]|\Z|,? (?:when|such|does|do|is|are|will)\b)",
    re.IGNORECASE,
)


class Kind(Enum):
    """What a number counts, where its sign or unit says it."""

    MONEY = "money"
    PERCENT = "percent"
    TIME = "time"
    THINGS = "things"


def kind_of(unit: frozenset[str]) -> Kind | None:
    """Return what a number counts by the words of its unit."""
    if not unit:
        return None
    if unit & {"dollar", "cent", "euro"}:
        return Kind.MONEY
    if "percent" in unit:
        return Kind.PERCENT
    return Kind.TIME if unit & _TIME else Kind.THINGS


@dataclass(frozen=True)
class Asked:
    """What a question asks for.

    ``words`` are those of its last asking clause, ``names`` those of them that are names, ``units`` what is counted
    (how many apples), ``given`` the numbers of the whole question, ``known_names`` all its names.
    """

    words: frozenset[str]
    names: frozenset[str]
    units: frozenset[str]
    kind: Kind | None
    given: frozenset[str]
    known_names: frozenset[str]

    @classmethod
    def of(cls, question: str) -> Asked | None:
        """Return what ``question`` asks for, or None where no sentence of it asks."""
        text = plain(question)[-_WINDOW:]
        clause = _asking(text)
        if clause is None:
            return None
        asked, known = words(clause), names(text) | first_names(text)
        named = known & asked
        # "How many more does he need to beat Alex": he is not Alex. On Monday is on Monday.
        first = NAME.search(clause)
        if _PRONOUN.search(clause, 0, first.start() if first else len(clause)) is not None:
            named &= _TIMES
        units = _units(clause)
        return cls(asked, named, units, _kind(clause, text, units), _numbers(text), known)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(number.replace(",", "") for number in _NUMBER.findall(text))


def _asking(text: str) -> str | None:
    begin, last = 0, None
    for end in [mark.end() for mark in _SENTENCE_END.finditer(text)] + [len(text)]:
        sentence = text[begin:end]
        if (asks := _ASKS.search(sentence)) is not None and ("?" in sentence or asks.group()[0].lower() not in "hw"):
            last = _CONDITION.split(sentence[asks.start() :], maxsplit=1)[0]
        begin = end
    return last


def _units(clause: str) -> frozenset[str]:
    many = _HOW_MANY.search(clause)
    units: set[str] = set()
    if many is not None:
        for token in many[1].split():
            if not (form := stem(token)):
                break
            if form not in MODIFIERS:
                units.add(form)
    elif (unit := _IN_UNITS.search(clause)) is not None:
        units.add(stem(unit[1]))
    return frozenset(units - {""})


def _kind(clause: str, text: str, units: frozenset[str]) -> Kind | None:
    if _PERCENT.search(clause):
        return Kind.PERCENT
    if _HOW_MUCH_MONEY.search(clause) and _MONEY.search(text):
        return Kind.MONEY
    if _TIME_ASKED.search(clause):
        return Kind.TIME
    if re.search(r"\bhow many\b", clause, re.IGNORECASE):
        return Kind.TIME if units & _TIME else Kind.THINGS
    return None


def name_asked(question: str) -> str | None:
    """Return the ``x`` of ``what is $x$?``, where the question asks for the value of one name, and of no other one."""
    found = {name[1] for name in _NAME_ASKED.finditer(_asking(plain(question)[-_WINDOW:]) or "")}
    return found.pop() if len(found) == 1 else None
