"""Does a model read an operand in the question, or copy it from what stands right before?

The case study of the Masked Thought paper (arXiv 2403.02178, Table 4), for any solution with calculator annotations: a
correct solution is forced up to the ``=`` of a step in which one operand, a number that the question states, is
replaced by another (``Natalia sold 57/2 =`` where the question says 48). A model that attends to the question goes on
with ``<<48/2=``, one that copies its neighbours with ``<<57/2=``.

Covered: GSM8K's format, and the same with a space around every token and the solution on one line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.benchmarks.stated_numbers import Statement, digit_places, number, statements, written

# A replacement is drawn from so many numbers nearest to the stated one.
_NEAREST = 6


class StepKind(StrEnum):
    """Whether a case's step is the first of the solution, or a later one, which true steps precede."""

    FIRST = "first"
    LATER = "later"


class StepOutcome(StrEnum):
    """Which number the model's annotation has in the operand's place."""

    QUESTION = "question"  # the one that the question states
    PREFIX = "prefix"  # the one that the forced prefix holds
    OTHER = "other"  # another number, or another count of operands
    NONE = "none"  # there is no annotation to read


class NoCaseReason(StrEnum):
    """Why a step's operand makes no case, in the order in which the conditions are checked."""

    NO_STEP = "no annotated step of this kind"
    NOT_REPEATED = "the annotation does not repeat the numbers before ="
    RESULT_GIVEN = "the result stands before the expression"
    NOT_WHOLE = "not a whole number above 1"
    REPEATED = "the step has the operand more than once"
    NOT_STATED = "the question does not state the operand"
    NOT_PLAIN = "the question states it only by a fraction, an ordinal, a unit or a derived word"
    STATED_AGAIN = "the question states or implies it more than once"
    EARLIER = "the solution has the operand before"
    NO_REPLACEMENT = "no number of as many digits is left to replace it"


@dataclass(frozen=True)
class StepCase:
    """A question and the beginning of a solution that disagree in one number.

    Attributes:
        question: the question, changed where ``question_changed``.
        prefix: what the model is made to begin with; it ends in the ``=`` of the step.
        answer: the reference solution; where ``question_changed``, that of the question before.
        stated: the number that ``question`` states, in digits without commas.
        replacement: the number that stands in ``prefix`` instead, in digits without commas.
        operand: the number's place among the operands of the step, from 0.
        operands: how many operands the step has.
        step: the step's place among the annotations of the solution, from 1.
        kind: whether that is the first step.
        row: the place of the row that the case comes from, from 1.
        question_at, prefix_at: where the number stands in ``question`` and ``prefix``: start and end.
        question_changed: whether the prefix is the reference's and the question was changed (`converse`).
    """

    question: str
    prefix: str
    answer: str
    stated: str
    replacement: str
    operand: int
    operands: int
    step: int
    kind: StepKind
    row: int
    question_at: tuple[int, int]
    prefix_at: tuple[int, int]
    question_changed: bool = False


@dataclass(frozen=True)
class StepCases:
    """The cases of a data set in the order of its rows, and for each kind the reasons of the rows without a case.

    A row's reason is the last condition, in the order of `NoCaseReason`, that stopped one of its operands.
    """

    cases: tuple[StepCase, ...]
    rows: int
    reasons: Mapping[StepKind, Counter[NoCaseReason]]

    def of_kind(self, kind: StepKind) -> tuple[StepCase, ...]:
        """The cases of ``kind``: at most one per row."""
        return tuple(case for case in self.cases if case.kind is kind)

    def check(self, place: str) -> None:
        """Check that there is a case at all; ``place`` names the data in the sentence.

        Raises:
            CoTMaskError: there is none; the sentence counts the reasons.
        """
        if self.cases:
            return
        counted = "; ".join(
            f"{kind} step: " + ", ".join(f"{reason} ({count})" for reason, count in self.reasons[kind].most_common())
            for kind in StepKind
        )
        raise CoTMaskError(
            f"{place}: none of the {self.rows} rows has a step to corrupt ({counted}): give solutions with "
            f"steps such as 48/2 = <<48/2=24>>24 and questions that state their numbers once"
        )


_ANNOTATION = re.compile(r"<<([^<>]*)>>")
# Between a step's expression and its annotation: = and at most a currency sign.
_EQUALS = re.compile(r"=[ \t]*[$€£]?[ \t]*$")
_CALCULATION = re.compile(r"([\d.,+\-*/()\s$%]+)=([^=]*)")
# An operator before the first number that the annotation repeats: the expression begins with something else.
_OPERATOR_BEFORE = re.compile(r"[^\s(][ \t]*(?:[-+*/×÷−]|(?<![A-Za-z])[xX])[ \t$€£(]*$")
_WRITTEN_ANNOTATION = re.compile(r"<<([^<>=]*)(?:=([^<>]*)|>>)")


@dataclass(frozen=True)
class _Step:
    """A step whose annotation repeats its expression; ``equals`` is the place of its ``=`` in the solution."""

    equals: int
    expression: Sequence[re.Match[str]]


def find_cases(rows: Iterable[Mapping[str, Any]]) -> StepCases:
    """Return the cases of rows with ``question`` and ``answer``: per row at most one of each kind, the earliest.

    An operand makes a case when its step's annotation repeats the numbers before ``=``, when the question states it
    exactly once and plainly, and when the solution does not have it before; `NoCaseReason` names all conditions. The
    replacement is of the same size and kind, occurs in neither question nor solution, and depends on question and step
    alone.

    Raises:
        CoTMaskError: a row's question or answer is no text; the sentence names the row, counted from 1.
    """
    cases: list[StepCase] = []
    reasons: dict[StepKind, Counter[NoCaseReason]] = {kind: Counter() for kind in StepKind}
    count = 0
    for count, row in enumerate(rows, start=1):
        for field in ("question", "answer"):
            if not isinstance(row.get(field), str):
                raise CoTMaskError(f"row {count}: the field '{field}' holds no text: give question and answer as texts")
        failed = {kind: [NoCaseReason.NO_STEP] for kind in StepKind}
        with_case: set[StepKind] = set()
        for kind, attempt in _attempts(row["question"], row["answer"], count):
            if isinstance(attempt, NoCaseReason):
                failed[kind].append(attempt)
            elif kind not in with_case:
                with_case.add(kind)
                cases.append(attempt)
        for kind in set(StepKind) - with_case:
            reasons[kind][max(failed[kind], key=list(NoCaseReason).index)] += 1
    return StepCases(tuple(cases), count, reasons)


def converse(case: StepCase) -> StepCase:
    """Return the case with question and prefix exchanged: the question has the replacement, the prefix the number.

    A number word is replaced by a number word. What the question asks for has another answer then, so
    ``case.answer`` is the gold of an unchanged question only.
    """
    question, question_at = _with_number(case.question, case.question_at, int(case.replacement))
    prefix, prefix_at = _with_number(case.prefix, case.prefix_at, int(case.stated))
    return dataclasses.replace(
        case,
        question=question,
        prefix=prefix,
        stated=case.replacement,
        replacement=case.stated,
        question_at=question_at,
        prefix_at=prefix_at,
        question_changed=not case.question_changed,
    )


def read_operand(case: StepCase, continuation: str) -> StepOutcome:
    """Return which number the model wrote in the operand's place, when it was made to begin with ``case.prefix``.

    Read is the `first_annotation`, up to its ``=``. Numbers compare by value (``5.0`` is 5, ``1,000`` is 1000, ``.5``
    is 0.5) and without their sign. The place alone decides: with the operands in another order, or with both numbers in
    the annotation, the number in the operand's place counts. Where the two numbers are the same, it counts as the
    question's.
    """
    annotation = first_annotation(continuation)
    if annotation is None:
        return StepOutcome.NONE
    operands = [number(match.group()) for match in digit_places(annotation.partition("=")[0])]
    if len(operands) != case.operands:
        return StepOutcome.OTHER
    if operands[case.operand] == number(case.stated):
        return StepOutcome.QUESTION
    return StepOutcome.PREFIX if operands[case.operand] == number(case.replacement) else StepOutcome.OTHER


def first_annotation(continuation: str) -> str | None:
    """Return what the first annotation of a continuation says, such as ``48/2=24``; None where there is none to read.

    Read is the line that the forced prefix ends in: an annotation on a later line belongs to another step. It begins
    with ``<<``, and may be cut off after its ``=``.
    """
    line = continuation.lstrip().partition("\n")[0]
    annotation = _WRITTEN_ANNOTATION.search(line)
    if annotation is None:
        return None
    expression, result = annotation.groups()
    return expression if result is None else f"{expression}={result}"


def _attempts(question: str, answer: str, row: int) -> Iterator[tuple[StepKind, StepCase | NoCaseReason]]:
    """Yield, for each step's each operand in their order, its case, or the reason why it makes none."""
    in_question, in_answer = list(statements(question)), list(statements(answer))
    used = {statement.value for statement in (*in_question, *in_answer)}
    begin = 0
    for index, annotation in enumerate(_ANNOTATION.finditer(answer), start=1):
        kind = StepKind.FIRST if index == 1 else StepKind.LATER
        step = _step(answer, begin, annotation, in_answer)
        begin = annotation.end()
        if isinstance(step, NoCaseReason):
            yield kind, step
            continue
        for operand, place in enumerate(step.expression):
            statement = _statement(operand, step, in_question, in_answer)
            if isinstance(statement, NoCaseReason):
                yield kind, statement
                continue
            replacement = _replacement(place.group(), used, f"{question}\n{index}")
            if replacement is None:
                yield kind, NoCaseReason.NO_REPLACEMENT
                continue
            prefix, prefix_at = _with_number(answer[: step.equals + 1], place.span(), replacement)
            yield (
                kind,
                StepCase(
                    question=question,
                    prefix=prefix,
                    answer=answer,
                    stated=str(int(statement.value)),
                    replacement=str(replacement),
                    operand=operand,
                    operands=len(step.expression),
                    step=index,
                    kind=kind,
                    row=row,
                    question_at=(statement.start, statement.end),
                    prefix_at=prefix_at,
                ),
            )


def _step(answer: str, begin: int, annotation: re.Match[str], in_answer: Sequence[Statement]) -> _Step | NoCaseReason:
    """Return the step of ``annotation``, whose text starts at ``begin``, or the reason why it cannot have a case."""
    equals = _EQUALS.search(answer[: annotation.start()], begin)
    calculation = _CALCULATION.fullmatch(annotation.group(1))
    if equals is None or calculation is None:
        return NoCaseReason.NOT_REPEATED
    operands = [number(match.group()) for match in digit_places(calculation.group(1))]
    expression = digit_places(answer, begin, equals.start())[-len(operands) :]
    if (
        len(operands) < 2
        or [number(match.group()) for match in expression] != operands
        or _OPERATOR_BEFORE.search(answer[begin : expression[0].start()])
    ):
        return NoCaseReason.NOT_REPEATED
    results = {number(match.group()) for match in digit_places(calculation.group(2))}
    if any(begin <= s.start < expression[0].start() and s.value in results for s in in_answer):
        return NoCaseReason.RESULT_GIVEN
    return _Step(equals.start(), expression)


def _statement(
    operand: int, step: _Step, in_question: Sequence[Statement], in_answer: Sequence[Statement]
) -> Statement | NoCaseReason:
    """Return where the question states the operand, or the reason why the operand makes no case."""
    place = step.expression[operand]
    value = number(place.group())
    stating = [statement for statement in in_question if statement.value == value]
    before = (s for s in in_answer if s.start < step.equals and s.start != place.start())
    conditions = {
        NoCaseReason.NOT_WHOLE: "." in place.group() or value < 2,
        NoCaseReason.REPEATED: sum(number(match.group()) == value for match in step.expression) > 1,
        NoCaseReason.NOT_STATED: not stating,
        NoCaseReason.NOT_PLAIN: not any(statement.plain for statement in stating),
        NoCaseReason.STATED_AGAIN: len(stating) > 1,
        NoCaseReason.EARLIER: any(s.value == value for s in before),
    }
    return next((reason for reason, holds in conditions.items() if holds), None) or stating[0]


def _replacement(digits: str, used: set[Decimal], key: str) -> int | None:
    """Return a plausible number instead of ``digits``, drawn by ``key``; None when there is none.

    It is above 1, not in ``used``, has as many digits and ends in as many zeros, and is one of the nearest: a number of
    another size or kind could tell a model that it does not belong there.
    """
    plain = digits.replace(",", "")
    count, stated = len(plain), int(plain)
    unit = 10 ** (count - len(plain.rstrip("0")))
    low, high = (2 if count == 1 else 10 ** (count - 1)), 10**count - 1
    near: list[int] = []
    for distance in range(unit, high, unit):
        near += [n for n in (stated - distance, stated + distance) if low <= n <= high and n not in used]
        if len(near) >= _NEAREST:
            break
    return near[int.from_bytes(hashlib.sha256(key.encode()).digest()) % len(near)] if near else None


def _with_number(text: str, at: tuple[int, int], value: int) -> tuple[str, tuple[int, int]]:
    """Return ``text`` with ``value`` written in the place ``at``, and that place in the new text."""
    start, end = at
    new = written(value, like=text[start:end])
    return text[:start] + new + text[end:], (start, start + len(new))
