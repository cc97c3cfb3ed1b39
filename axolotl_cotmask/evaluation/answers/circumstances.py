"""Which numbers of a sentence are what it says, and which are of a circumstance: ``in 3 hours``, ``of the 20``."""

from __future__ import annotations

import re

# Before a number: it tells which things are meant, or it is of a circumstance of another number.
_KNOWN = re.compile(
    r"(?:\b(?:the|these|those|all|both|his|her|their|every)|(?!it's|s?he's|that's|there's|here's"
    r"|what's)\b\w+'s)(?: (?:original|initial|starting|first|other))?\s\Z"
    r"|\d (?:[a-z]+ ){1,2}to (?!get|make|be|find|reach|equal|obtain|give|have|total|sum|add)[a-z]+(?: [a-z]+)?\s\Z"
    r"|[,(] ?(?:originally|formerly|previously|initially)\s\Z"
    r"|\bat an? (?:[a-z]+ )?(?:rate|speed|price|cost) of\s\Z",
    re.IGNORECASE,
)
# "3rd", "3-day", "4-by-14".
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b|-[a-z]")
# "earns her 100".
_TO_HER = re.compile(
    r"\b(?:earn|cost|give|gave|take|took|leave|left|save|pa(?:y|id)|g[eo]t|bring|brought|ma[kd]e|net"
    r"|w[io]n)s? (?:her|his)\s\Z"
)
# "needs 8 more to reach 50", "96 are needed to make 576".
_GOAL = re.compile(
    r"\b(?:need(?:s|ed)?|must|ha(?:s|ve) to|takes?)\b[^.\d]{1,40}\d[^.]{1,60} to (?:[a-z]+ ){1,2}\Z"
    r"|\d[^.\d]{1,40}\b(?:needed|required) to (?:[a-z]+ ){1,2}\Z"
)
_CHANGE = r"\b(?:rose|risen|fell|fallen|dropp|increase?|decrease?|gr[eo]w|went|reduc|chang|declin|improv)\w*\b"
#: Before the first of two numbers: "rose from 20 to 23".
CHANGES = re.compile(rf"{_CHANGE}[^.\d]{{0,40}}\b(?:from|by) \Z")
_PREPOSITIONS = (
    r"(?:of|for|in|at|on|by|over|during|within|per|than|until|among|across|every|into|after|before|with|through|to"
    r"|between)"
)
# "two of 5 and a 6 come to 16".
_COPULA = re.compile(
    r"\b(?:is|are|be|was|were|equals?|makes?|comes? to|gets?|totals?|costs?|results? in|sums? to|adds? up to)"
    r"(?: (?:only|just|about|exactly|[A-Z][a-z]+))?\s\Z"
)
_JOINED = re.compile(r"\d(?: [a-z]+){0,4}(?:,| and|, and) \Z")
_WORD = re.compile(r"\w")
_AT = re.compile(r"\b(?:at|of|per|every)\s\Z", re.IGNORECASE)
_FIRST = re.compile(r"\W*(?:so|thus|then|hence|therefore|altogether)?,?\W*", re.IGNORECASE)
_PREPOSITION = re.compile(
    rf"\b(?i:{_PREPOSITIONS})(?: (?:the|all|these|those|its|his|her|their|only|just|about|exactly|another"
    rf"|each|every|each of|all of"
    r"|the (?:other|first|last|next|remaining)"
    r"|(?:the )?(?:(?:end|start|beginning) of )?(?:day|week|month|year|age|grade|page|level|round)"
    r"|(?:the )?end of (?:the|its|his|her|their)"
    r"|[A-Z][a-z]+(?:'s)?))?\s\Z"
)
_CHANGES_TO = re.compile(rf"{_CHANGE}[^.]{{0,40}} to \Z")
_COMES_TO = re.compile(
    r"\b(?:total|sum|average|equal|com(?:es?|ing)|came|amount|add|work|round|br(?:ing|ought)|lead|drop"
    r"|f[ae]ll|r[io]se|increase?|decrease?|go|went|gr[eo]w|reduc|result|leav|left|end|remain|stay|finish|start|complete?|meet|profit"
    r"|loss|cost|price|answer|result|value|(?:due|down|up|back)(?![a-z]))[a-z]*"
    r"\b[^.\d]{0,30}\Z"
)


def only_main(sentence: str, asked: list[re.Match[str]], computed: str | None) -> re.Match[str] | None:
    """Return the only one of several numbers that is neither the sentence's subject nor of a circumstance of it."""
    main: list[re.Match[str]] = []
    subjects: list[re.Match[str]] = []
    beside = True
    for number in asked:
        joined = main or number is not asked[0] or _FIRST.fullmatch(sentence, 0, number.start()) is None
        beside = not joined or is_circumstance(sentence, number) or (beside and _is_joined(sentence, number))
        if not beside:
            main.append(number)
        elif not joined:
            subjects.append(number)
    if not main and len(subjects) == 1:
        return subjects[0]
    if not main:
        main = [number for number in asked if not _AT.search(sentence, 0, number.start())] or asked
    several = len({number.group() for number in main}) > 1
    last = main[-1] if main else None
    return last if last and (not several or last.group() == computed or _comes_to(sentence, main)) else None


def _is_joined(sentence: str, number: re.Match[str]) -> bool:
    return _JOINED.search(sentence, max(0, number.start() - 60), number.start()) is not None


def _comes_to(sentence: str, main: list[re.Match[str]]) -> bool:
    """Whether the sentence says that it all comes to the last number, and of no other one that it is something."""
    copulas = [_COPULA.search(sentence, max(0, number.start() - 30), number.start()) for number in main]
    if _CHANGES_TO.search(sentence, 0, main[-1].start()):
        return True
    return copulas[-1] is not None and not any(copulas[:-1])


def is_circumstance(sentence: str, number: re.Match[str]) -> bool:
    """Whether a preposition stands before ``number``, and no word that says that something comes to it."""
    before = sentence[max(0, number.start() - 80) : number.start()]
    return _PREPOSITION.search(before) is not None and not (_COMES_TO.search(before) or _CHANGES_TO.search(before))


def is_known(sentence: str, number: re.Match[str]) -> bool:
    begin, end = number.span()
    if sentence.endswith("'s ", 0, begin) and not _WORD.search(sentence, end):  # the answer's 72
        return False
    return (
        is_ordinal(sentence, number)
        or (
            _KNOWN.search(sentence, max(0, begin - 80), begin) is not None
            and _TO_HER.search(sentence, max(0, begin - 20), begin) is None
        )
        or _GOAL.search(sentence, max(0, begin - 100), begin) is not None
    )


def is_ordinal(sentence: str, number: re.Match[str]) -> bool:
    """Whether ``number`` is but a part of a word: ``3rd``, ``4-day``."""
    return _ORDINAL.match(sentence, number.end()) is not None
