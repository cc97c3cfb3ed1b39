"""Which of several numbers of a sentence answers the question: by what stands beside it and not beside the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from axolotl_cotmask.evaluation.answers.asked import Asked, Kind, kind_of
from axolotl_cotmask.evaluation.answers.circumstances import is_circumstance, is_ordinal
from axolotl_cotmask.evaluation.answers.last_sentence import BOUND, QUANTITY
from axolotl_cotmask.evaluation.answers.quantity import bare, number_in
from axolotl_cotmask.evaluation.answers.word_stems import KIN, MODIFIERS, names, words

_PRICE = re.compile(r"[$£€]\s?(\d++(?:,\d{3})*(?!,\d{3})(?:\.\d++)?(?: (?:million|thousand))?)(?! dollars)")
# What comes before what a sentence concludes.
_CONCLUSION = re.compile(
    r".*(?:\b(?:so|then|thus|therefore|hence|became|means|bringing)\b|(?<=[a-z]):)(?=[^\n]*\d)",
    re.DOTALL | re.IGNORECASE,
)
_SUMMED_UP = re.compile(r".*\bfor an? [a-z ]{1,30} of\b(?=[^\n]*\d)", re.DOTALL)
_PREMISE = re.compile(
    r"\W*(?:if|since|when|because|as|given|after [a-z]+ing)\b[^,\n]*\d[^,\n]*,(?=[^\n]*\d)", re.IGNORECASE
)
# Where a clause ends. Behind `after` and the like only before a verb: not `after the first year`.
_CLAUSE = re.compile(
    r"[;:](?=\s)|,(?=\s)|\n|\b(?:and|but|while|whereas|although|though|because|since|making|leaving|costing)\b"
    r"|\b(?:after|before|by) (?=[a-z]+ing\b)"
)
# Numbers that are no answers side by side: of an explanation, a calculation, a range, a time, a choice.
_NOT_BESIDE = re.compile(
    r"[=<>]|\b(?:if|since|because|when|between)\b|\d ?[*+:] ?\d|\d(?: [-/] |-| or | to )\d", re.IGNORECASE
)
# "2 hours and 30 minutes", "5 feet 3 inches": one quantity.
_COMPOUND = re.compile(
    r"\d (?:years?|months?|weeks?|days?|hours?|minutes?|feet|foot|yards?|meters?|pounds?|kg|dollars?)(?:,|,? and)?"
    r" \d[\d.]* (?:months?|weeks?|days?|hours?|minutes?|seconds?|inch(?:es)?|feet|ounces?|cm|grams?|cents?)\b"
)
# Words by which a clause of the same things speaks of other ones.
_OF_OTHER_THINGS = frozenset(("each", "more", "not", "other"))
# Of the lines at the end so many characters are read.
_WINDOW = 600
_SUBJECT = re.compile(r"\W*(?:(?:[Ss]o|[Aa]nd|[Bb]ut) )?([A-Z][a-z]+)(?= )")
# Words that do not count, but leave nothing out.
_VERB = re.compile(r"\b(?:is|are|was|were|be|has|have|had|does|did)\b")
# A line of a list of results: `- Tom: $50`, `width = 5 cm`.
_LINE = re.compile(r"[\s*•-]{0,8}([A-Za-z][\w' ]{0,40}?)[ *]{0,4}[:=][ *]{0,4}(?=[-$£€]?[\d.])([^=:]{1,40})")
_UNIT = re.compile(r" ?(%|percent\b|(?:[a-zA-Z]+ ?){1,4})")
_UNIT_ENDS = re.compile(
    r"\b(?:a|an|the|of|in|on|at|for|by|with|from|and|or|but|so|than|that|which|who|is|are|was|were|has|have|had|will"
    r"|would|can|could|he|she|it|they|to|each|per|after|before|when|while|if|left|more|less|fewer|in|as|do|does"
    r"|now|then|today|later|again|too|not)\b.*"
)


@dataclass(frozen=True)
class _Candidate:
    """A number, the words of its clause, its unit and what that says, the names; whether it is of a circumstance."""

    text: str
    clause: int
    words: frozenset[str]
    unit: frozenset[str]
    kind: Kind | None
    names: frozenset[str]
    beside: bool


def number_that_answers(sentence: str, read: str | None, asked: Asked) -> str | None:
    """Return the number of ``sentence``, which holds several, that answers what is asked.

    ``read`` is what the sentence comes to by itself, None where that are several numbers. It stands unless the question
    rules it out; then, and where it is None, it is the only one for which the question speaks, or None.
    """
    main = _main(bare(_PRICE.sub(r"\1 dollars", sentence.replace("\\$", "$"))), asked)
    candidates = _candidates(main, asked.known_names | names(sentence))
    if len({candidate.text for candidate in candidates}) < 2 or _NOT_BESIDE.search(main) or _COMPOUND.search(main):
        return read
    meant = _spoken_for(candidates, asked)
    new = _kept(meant, lambda candidate: candidate.text not in asked.given)
    answer = new[0].text if len({candidate.text for candidate in new}) == 1 else None
    if read is None:
        return answer
    if read not in {candidate.text for candidate in candidates} or read in {candidate.text for candidate in meant}:
        return read
    counted = {candidate.text for candidate in _of_unit(candidates, asked)}
    if answer is not None and (answer not in asked.given or read in asked.given or read not in counted):
        return answer
    possible = _of_names(_of_kind(candidates, asked), asked)
    stated = {candidate.text for candidate in possible if not candidate.beside}
    if (
        ";" not in main
        and not meant
        and read in stated & asked.given
        and len(stated) == 2
        and len(stated - asked.given) == 1
    ):
        return (stated - asked.given).pop()
    return read if not possible or read in {candidate.text for candidate in possible} else None


def listed_results(text: str) -> str | None:
    """Return the results that ``text`` ends on line by line as one sentence; None where these are not several lines."""
    listed: list[str] = []
    for line in reversed(text[-_WINDOW:].rstrip().split("\n")):
        if (result := _LINE.fullmatch(line)) is None:
            break
        listed.insert(0, f"{result[1]} is {result[2].strip(' *.')}")
    return "; ".join(listed) if len(listed) > 1 else None


def turns_away(sentence: str, before: str, asked: Asked) -> bool:
    """Whether ``sentence`` is not about what is asked, and the one ``before`` it is.

    It names another one (Tom is 6. Ann is 9.), or but says what the question does (Emma has 18 left. The fee is 2.).
    """
    here, there = words(sentence), words(before)
    if "=" in sentence:
        return False
    subject = _SUBJECT.match(sentence)
    if subject is not None and words(subject[1]) & asked.known_names - KIN and there & asked.names - KIN:
        return not here & asked.names
    given = (
        not (here & asked.words) - asked.names
        and _numbers(sentence) <= asked.given
        and not _numbers(before) <= asked.given
    )
    return given and bool(there & (asked.names | asked.units | asked.words & MODIFIERS) - here)


def _numbers(sentence: str) -> set[str | None]:
    return {number_in(number.group()) for number in QUANTITY.finditer(bare(sentence))}


def _main(sentence: str, asked: Asked) -> str:
    """Return ``sentence`` behind what it concludes from or sums up, unless the question asks for each part."""
    for premise in (_CONCLUSION, _PREMISE):
        if (match := premise.match(sentence)) is not None:
            sentence = sentence[match.end() :]
    if (parts := _SUMMED_UP.match(sentence)) is None or asked.words & MODIFIERS & words(parts.group()):
        return sentence
    return sentence[parts.end() :]


def _spoken_for(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    """Return those for which the question speaks, of one clause; none where it speaks for none or for several."""
    if not _has_all_modifiers(candidates, asked):
        return []
    left = _of_kind(candidates, asked)
    left = _kept(left, lambda candidate: candidate.text not in asked.words)
    left = _of_names(left, asked)
    left = _with_modifiers(left, asked)
    left = _of_unit(left, asked)
    left = _kept(left, lambda candidate: not (candidate.words - asked.words) & _OF_OTHER_THINGS)
    left = _kept(left, lambda candidate: not candidate.beside)
    left = _that_says_most(left, asked)
    return left if any(_evidence(candidate, asked) for candidate in left) else []


def _candidates(sentence: str, known: frozenset[str]) -> list[_Candidate]:
    """Return the numbers of ``sentence``; ``known`` are the names that it may speak of."""
    found: list[_Candidate] = []
    for part in sentence.split(";"):
        head = unit = named = frozenset[str]()
        for clause in _clauses(part):
            numbers = list(QUANTITY.finditer(clause))
            said = words(clause)
            # What a clause leaves out stands in the one before it: She drives 60 km and [she drives] 80 [km].
            named = said & known or named
            before = clause[: numbers[0].start()]
            if (own := words(before)) or _VERB.search(before):
                head = own
            else:
                said |= head
            place = len(found)
            for number in numbers:
                counted = _unit(clause, number)
                unit = counted or unit
                text = number_in(number.group())
                if text is None or is_ordinal(clause, number) or BOUND.search(clause, 0, number.start()):
                    continue
                beside = is_circumstance(clause, number)
                of_it = said | named | unit
                found.append(_Candidate(text, place, of_it, counted, kind_of(counted), named, beside))
    return found


def _clauses(sentence: str) -> list[str]:
    """Return the parts of ``sentence`` that hold a number each at least; one that holds none belongs to the next."""
    parts: list[str] = []
    begin = 0
    numbers = [number.span() for number in QUANTITY.finditer(sentence)]
    # Not within "12 and a half".
    ends = [mark.span() for mark in _CLAUSE.finditer(sentence) if not any(a < mark.start() < b for a, b in numbers)]
    for end, following in [*ends, (len(sentence), len(sentence))]:
        if QUANTITY.search(sentence[begin:end]) is not None:
            parts.append(sentence[begin:end])
            begin = following
    if parts and begin < len(sentence):
        parts[-1] += " " + sentence[begin:]
    return parts


def _unit(clause: str, number: re.Match[str]) -> frozenset[str]:
    unit = _UNIT.match(clause, number.end())
    if unit is None:
        return frozenset()
    return frozenset(("percent",)) if unit[1] in ("%", "percent") else words(_UNIT_ENDS.sub("", unit[1]))


def _has_all_modifiers(candidates: list[_Candidate], asked: Asked) -> bool:
    """Whether the sentence speaks of a total, a rest and the like where the question does."""
    said = frozenset().union(*(candidate.words for candidate in candidates))
    return asked.words & MODIFIERS <= said


def _of_kind(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    """Return those that do not count another kind of thing than is asked for."""
    if asked.kind is None:
        return candidates
    of_it = [candidate for candidate in candidates if candidate.kind is asked.kind]
    if of_it and asked.kind in (Kind.MONEY, Kind.PERCENT):
        return of_it
    return [candidate for candidate in candidates if candidate.kind in (None, asked.kind)]


def _of_names(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    """Return those of a clause that does not speak of another one, where a clause speaks of the one who is asked for.

    None where the question has a pronoun, and the clauses speak of several.
    """
    named = {candidate.names for candidate in candidates if candidate.names}
    if not asked.names and any(one.isdisjoint(other) for one in named for other in named):
        return []
    if not any(candidate.names & asked.names for candidate in candidates):
        return candidates
    return [candidate for candidate in candidates if not candidate.names or candidate.names & asked.names]


def _with_modifiers(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    wanted = asked.words & MODIFIERS
    return _kept(candidates, lambda candidate: wanted <= candidate.words)


def _of_unit(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    """Return those that count what is asked for, and those without a unit, where one counts it."""
    if not any(candidate.unit & asked.units for candidate in candidates):
        return candidates
    return [candidate for candidate in candidates if not candidate.unit or candidate.unit & asked.units]


def _that_says_most(candidates: list[_Candidate], asked: Asked) -> list[_Candidate]:
    """Return those of the clause that shares with the question what any other one shares, and more; else none."""
    clauses: dict[int, frozenset[str]] = {}
    for candidate in candidates:
        said = (candidate.words & asked.words) - {candidate.text}
        clauses[candidate.clause] = clauses.get(candidate.clause, frozenset()) | said
    best = [place for place, said in clauses.items() if all(said >= other for other in clauses.values())]
    return [candidate for candidate in candidates if candidate.clause in best] if len(best) == 1 else []


def _evidence(candidate: _Candidate, asked: Asked) -> bool:
    return bool(candidate.words & asked.words) or (asked.kind is not None and candidate.kind is asked.kind)


def _kept(candidates: list[_Candidate], wanted: Callable[[_Candidate], bool]) -> list[_Candidate]:
    """Return the wanted ones, or all where none is."""
    return [candidate for candidate in candidates if wanted(candidate)] or candidates
