"""Steps and errors as a language model judges them: the Masked Thought paper's Tables 6 and 7 (sections 3.4, F and J).

The paper prints no prompt. This one is ours: it has the reference solution, as the paper's has, and asks for a verdict
on each step, and for the kind of error, after Wei et al. 2022.
"""

from __future__ import annotations

import json
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from axolotl_cotmask.analysis.calculator import check_annotations
from axolotl_cotmask.common.chat_answers import ChatQuestion
from axolotl_cotmask.evaluation.answers.cuts import after_the_thinking
from axolotl_cotmask.evaluation.documents import question_text, solution_text
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, answer_text, question_clusters
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired


class ErrorType(StrEnum):
    """What is wrong with a solution; the paper takes the third and the fourth together."""

    CALCULATION = "calculation"
    MISSING_STEP = "missing step"
    MISUNDERSTANDING = "misunderstanding"
    INCOHERENT = "incoherent steps"


_NO_ERROR = "none"
_PROMPT = """\
You check a student's solution of a problem against a reference solution, which is right. Other ways than that of the \
reference solution may be right, too.

Divide the student's solution into its steps: a step is a sentence or line that calculates or concludes something. \
Judge each one in its order: it is correct when what it says is true for this problem. A step that calculates \
correctly with a wrong value from an earlier step is not correct.

Then name the kind of the error that matters most:
- "calculation": the right numbers and operations, with a wrong result
- "missing step": right but for one step that is left out
- "misunderstanding": what the problem says is taken for something else
- "incoherent steps": steps that do not follow from each other or from the problem
- "none": there is no error

Reply with one JSON object and nothing else, the steps as true for correct and false for not correct:
{{"reason": "<in a few words>", "steps": [<true or false>, ...], "error": "<kind>"}}

The problem:

{question}

The reference solution:

{reference}

The student's solution:

{answer}"""

_TRIES = 50  # braces at which a JSON object may begin


@dataclass(frozen=True)
class StepRating:
    """What a judge says of one solution: of each step whether it is correct, at least one; and the kind of error."""

    steps: tuple[bool, ...]
    error: ErrorType | None


@dataclass(frozen=True)
class RatedAnswer:
    """An answer and what the judge says of its steps; None where its reply cannot be read."""

    question: GradedQuestion
    rating: StepRating | None

    @property
    def all_correct(self) -> bool:
        """Whether the judge calls each step correct."""
        return self.rating is not None and all(self.rating.steps)

    @property
    def false_positive(self) -> bool:
        """Whether the final answer is right, and a step is not."""
        return bool(self.question.right) and self.rating is not None and not self.all_correct


@dataclass(frozen=True)
class JudgedModel:
    """One model's judged answers; shares are from 0 to 1, and None of nothing.

    ``false_positives`` are right final answers with a wrong step: of the right ones. ``errors`` are the wrong final
    answers, ``error_types`` the shares of them, ``untyped`` how many the judge finds no error in, and
    ``wrong_annotations`` the share of them in which ``<<a=b>>`` is calculated wrongly, without the judge.
    ``unreadable`` are the places of answers whose judgement cannot be read: they count nowhere else.
    """

    judged: int
    right: int
    false_positive_count: int
    false_positives: Estimate | None
    step_accuracy: Estimate | None
    steps: float | None
    errors: int
    error_types: dict[ErrorType, Estimate | None]
    untyped: int
    wrong_annotations: Estimate | None
    unreadable: list[str]


def choose(graded: GradedFile, count: int, seed: int) -> list[int]:
    """Return the places of ``count`` questions drawn at random, or of all where there are fewer, in their order."""
    places = [place for place, question in enumerate(graded.questions) if question.rating is not None]
    return sorted(random.Random(seed).sample(places, min(count, len(places))))


def judge_question(question: GradedQuestion) -> ChatQuestion:
    """Return what a judge is asked about an answer.

    Raises:
        CoTMaskError: the sample holds no question, reference solution or single answer.
    """
    asked, answer = question_text(question), answer_text(question)
    # One pass over the template: braces in the texts are data.
    text = _PROMPT.format_map({"question": asked, "reference": solution_text(question), "answer": answer})
    return ChatQuestion([{"role": "user", "content": text}], fields={"question": asked, "response": answer})


def read_rating(text: str) -> StepRating | None:
    """Return the rating in a judge's reply, the first JSON object in it that is one; None where there is none."""
    text = after_the_thinking(text)
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(_TRIES):
        if start < 0:
            break
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        if (rating := _rating(value)) is not None:
            return rating
        start = text.find("{", start + 1)
    return None


def _rating(value: Any) -> StepRating | None:
    match value:
        case {"steps": [_, *_] as steps, "error": str() as error} if all(isinstance(step, bool) for step in steps):
            kind = error.strip().lower()
            if kind == _NO_ERROR:
                return StepRating(tuple(steps), None)
            return StepRating(tuple(steps), ErrorType(kind)) if kind in list(ErrorType) else None
    return None


def describe(answers: Sequence[RatedAnswer]) -> JudgedModel:
    """Return what the ratings say of a model's answers.

    Raises:
        CoTMaskError: a sample holds no single answer.
    """
    clusters = question_clusters([answer.question for answer in answers])
    rated = [
        (cluster, answer, answer.rating)
        for cluster, answer in zip(clusters, answers, strict=True)
        if answer.rating is not None
    ]
    right = [(cluster, float(answer.false_positive)) for cluster, answer, _ in rated if answer.question.right]
    wrong = [(cluster, answer.question, rating.error) for cluster, answer, rating in rated if not answer.question.right]
    steps = [(cluster, float(step)) for cluster, _, rating in rated for step in rating.steps]
    calculated = [(cluster, float(False in check_annotations(answer_text(question)))) for cluster, question, _ in wrong]
    return JudgedModel(
        judged=len(rated),
        right=len(right),
        false_positive_count=sum(answer.false_positive for answer in answers),
        false_positives=_share(right),
        step_accuracy=_share(steps),
        steps=len(steps) / len(rated) if rated else None,
        errors=len(wrong),
        error_types={
            kind: _share([(cluster, float(error is kind)) for cluster, _, error in wrong]) for kind in ErrorType
        },
        untyped=sum(error is None for _, _, error in wrong),
        wrong_annotations=_share(calculated),
        unreadable=[answer.question.place for answer in answers if answer.rating is None],
    )


def _share(pairs: Sequence[tuple[Hashable, float]]) -> Estimate | None:
    return share(pairs) if pairs else None


def compare_judged(a: Sequence[RatedAnswer], b: Sequence[RatedAnswer]) -> dict[str, Comparison]:
    """Compare B with A on the questions whose judgements are read in both; nothing where there is none.

    Returns:
        ``false positive`` and ``all steps correct``, of the answers of which that is true.
    """
    pairs = [pair for pair in zip(a, b, strict=True) if None not in (pair[0].rating, pair[1].rating)]
    if not pairs:
        return {}
    clusters = question_clusters([in_a.question for in_a, _ in pairs])
    return {
        "false positive": compare_paired(
            [in_a.false_positive for in_a, _ in pairs], [in_b.false_positive for _, in_b in pairs], clusters
        ),
        "all steps correct": compare_paired(
            [in_a.all_correct for in_a, _ in pairs], [in_b.all_correct for _, in_b in pairs], clusters
        ),
    }
