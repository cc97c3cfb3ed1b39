"""Questions with the rating of an answer, from JSON lines: one that lm-eval or others stored, or that a rule gives.

The one place that tells what an answer counts for, and which questions belong together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import Judgement, Rule
from axolotl_cotmask.evaluation.documents import first_question
from axolotl_cotmask.evaluation.results import (
    AnswerRow,
    TaskResult,
    check_all_there,
    field_value,
    filters_of,
    in_order,
    read_answers,
    read_samples,
)

#: What tells that two documents stem from the same question and so are not independent; the first that is there.
CLUSTER_FIELDS = ("base_id", "original_question", "seed_question", "row")

_SHOWN = 60  # characters of a value in an error


@dataclass(frozen=True)
class Reading:
    """How ratings are read: from the field ``metric``, or with a ``rule`` from prediction and gold.

    A field may be dotted, to reach into an object. A ``metric`` of lm-eval may name the filter, as in
    ``exact_match,strict-match``. ``question`` is the field that tells whether two files are about the same questions
    (`same_questions`).
    """

    metric: str = "exact_match"
    rule: Rule | None = None
    prediction: str = ""
    gold: str = ""
    question: str | None = None


@dataclass(frozen=True)
class GradedQuestion(AnswerRow):
    """The row of a question with the rating of its answer; None where the metric leaves the question out."""

    rating: Judgement | None

    @property
    def right(self) -> float:
        """1.0 for a right answer, 0.0 for any other."""
        return float(self.rating is Judgement.TRUE)


@dataclass(frozen=True)
class GradedFile:
    """The questions of one file of answers, in order: at least one; ``question_field`` as `Reading.question`."""

    path: Path
    questions: tuple[GradedQuestion, ...]
    question_field: str | None = None

    @property
    def from_lm_eval(self) -> bool:
        """Whether they are lm-eval's samples, which have whole documents."""
        return self.questions[0].is_sample

    @property
    def concerned(self) -> list[GradedQuestion]:
        """The questions that the metric does not leave out."""
        return [question for question in self.questions if question.rating is not None]


def read_graded(path: Path, reading: Reading) -> GradedFile:
    """Return the rated questions of a JSON-lines file: lm-eval's samples by their ``doc_id``, other rows as they stand.

    Raises:
        CoTMaskError: there are no rows, or a field is missing or holds no rating, or it is not clear which filter of
            lm-eval is meant, or a document comes twice.
    """
    rows = read_answers(path)
    if rows[0].is_sample:
        metric, _, filter_name = reading.metric.partition(",")
        if reading.rule is None:
            choices = " or ".join(f"{metric},{name}" for name in filters_of(rows))
            samples = in_order(path, rows, filter_name, f"give --metric {choices}")
        else:
            samples = in_order(path, rows)
        return GradedFile(path, grade(samples, replace(reading, metric=metric)), reading.question)
    questions = grade(rows, reading)
    for question in questions:
        if question.rating is None:
            raise CoTMaskError(f"{question.place}: the field '{reading.metric}' is null: give true or false")
    return GradedFile(path, questions, reading.question)


def read_graded_task(result: TaskResult) -> GradedFile:
    """Return the questions of a task of ours by their ``exact_match``.

    Raises:
        CoTMaskError: the samples were not logged or are broken, or none has an ``exact_match``.
    """
    path = result.samples_file()
    graded = GradedFile(path, grade(read_samples(path), Reading()))
    check_all_there(result, len(graded.questions))
    if not graded.concerned:
        raise CoTMaskError(f"{path}: exact_match is null in every row: name another task")
    return graded


def grade(rows: Sequence[AnswerRow], reading: Reading) -> tuple[GradedQuestion, ...]:
    """Return rows with their ratings, in their order.

    Raises:
        CoTMaskError: a field is missing or holds no rating; the sentence names the row.
    """
    questions = []
    for row in rows:
        try:
            questions.append(GradedQuestion(row.place, row.fields, _rating(row, reading)))
        except CoTMaskError as error:
            raise CoTMaskError(f"{row.place}: {error}") from error
    return tuple(questions)


def _rating(row: AnswerRow, reading: Reading) -> Judgement | None:
    if reading.rule is None:
        return _stored_rating(row.fields, reading.metric)
    prediction, gold = field_value(row.fields, reading.prediction), field_value(row.fields, reading.gold)
    for field, value, kinds, wanted in (
        (reading.prediction, prediction, (str,), "a string"),
        (reading.gold, gold, (str, int, float), "a string or a number"),
    ):
        # JSON's true is an int in Python, and Python reads NaN and Infinity as numbers.
        no_number = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
        if no_number or not isinstance(value, kinds):
            raise CoTMaskError(f"the field '{field}' holds {_shown(value)}: give {wanted}, or a list of exactly one")
    # Not 1e+16, which no rule reads.
    rule = reading.rule.about(first_question(row))
    return rule.judge(prediction, f"{Decimal(str(gold)):f}" if isinstance(gold, float) else gold)


def _stored_rating(row: dict[str, Any], metric: str) -> Judgement | None:
    value = field_value(row, metric)
    if value is None:
        return None
    if value in (Judgement.TRUE, 1):
        return Judgement.TRUE
    if value in (Judgement.FALSE, 0):
        return Judgement.FALSE
    if value == Judgement.INVALID:
        return Judgement.INVALID
    raise CoTMaskError(
        f"the field '{metric}' holds {_shown(value)}, which is no verdict: name one that holds true, false or invalid, "
        "or 1 or 0, with --metric"
    )


def answer_text(question: AnswerRow) -> str:
    """Return what the model wrote, of one of lm-eval's samples.

    Raises:
        CoTMaskError: it holds no single text.
    """
    try:
        answer = field_value(question.fields, "resps")
    except CoTMaskError as error:
        raise CoTMaskError(f"{question.place}: {error}") from error
    if not isinstance(answer, str):
        raise CoTMaskError(f"{question.place}: resps does not hold one text: name a task that asks once per question")
    return answer


def _shown(value: Any) -> str:
    return json.dumps(value)[:_SHOWN]


def clusters_of(documents: Sequence[dict[str, Any]]) -> tuple[str | None, list[Hashable]]:
    """Return the field that groups the documents, and the cluster of each; one without a value is its own."""
    field = next((name for name in CLUSTER_FIELDS if any(doc.get(name) is not None for doc in documents)), None)
    if field is None:
        return None, list(range(len(documents)))
    values = (document.get(field) for document in documents)
    return field, [index if value is None else json.dumps(value) for index, value in enumerate(values)]


def question_clusters(questions: Sequence[GradedQuestion]) -> list[Hashable]:
    """Return the cluster of each question, as `clusters_of` their documents."""
    return clusters_of([question.document for question in questions])[1]
