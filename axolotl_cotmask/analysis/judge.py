"""Steps and errors as a language model judges them: the Masked Thought paper's Tables 6 and 7 (sections 3.4, F and J).

The paper prints no prompt. This one is ours: it has the reference solution, as the paper's has, and asks for a verdict
on each step, and for the kind of error, after Wei et al. 2022.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from axolotl_cotmask.analysis.calculator import check_annotations
from axolotl_cotmask.common.chat_answers import ChatQuestion
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

    @property
    def all_correct(self) -> bool:
        """Whether there is no wrong step."""
        return all(self.steps)


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


def describe(questions: Sequence[GradedQuestion], ratings: Sequence[StepRating | None]) -> JudgedModel:
    """Return what the ratings say of a model's answers, in the order of the questions.

    Raises:
        CoTMaskError: a sample holds no single answer.
    """
    clusters = question_clusters(questions)
    rated = [
        (question, rating, cluster)
        for question, rating, cluster in zip(questions, ratings, clusters, strict=True)
        if rating is not None
    ]
    right = [(cluster, float(not rating.all_correct)) for question, rating, cluster in rated if question.right]
    wrong = [(question, rating, cluster) for question, rating, cluster in rated if not question.right]
    steps = [(cluster, float(step)) for _, rating, cluster in rated for step in rating.steps]

    def of_wrong(values: Sequence[bool]) -> Estimate | None:
        pairs = [(cluster, float(value)) for (_, _, cluster), value in zip(wrong, values, strict=True)]
        return share(pairs) if pairs else None

    return JudgedModel(
        judged=len(rated),
        right=len(right),
        false_positive_count=sum(value == 1 for _, value in right),
        false_positives=share(right) if right else None,
        step_accuracy=share(steps) if steps else None,
        steps=len(steps) / len(rated) if rated else None,
        errors=len(wrong),
        error_types={kind: of_wrong([rating.error is kind for _, rating, _ in wrong]) for kind in ErrorType},
        untyped=sum(rating.error is None for _, rating, _ in wrong),
        wrong_annotations=of_wrong([False in check_annotations(answer_text(question)) for question, _, _ in wrong]),
        unreadable=[q.place for q, rating in zip(questions, ratings, strict=True) if rating is None],
    )


def compare_judged(
    a: tuple[Sequence[GradedQuestion], Sequence[StepRating | None]],
    b: tuple[Sequence[GradedQuestion], Sequence[StepRating | None]],
) -> Mapping[str, Comparison]:
    """Compare B with A on the questions whose judgements are read in both; nothing where there is none.

    Returns:
        ``false positive``: the final answer is right, and a step is not; ``all steps correct``.
    """
    pairs = [
        (in_a, rating_a, in_b, rating_b)
        for in_a, rating_a, in_b, rating_b in zip(*a, *b, strict=True)
        if rating_a is not None and rating_b is not None
    ]
    if not pairs:
        return {}
    clusters = question_clusters([in_a for in_a, _, _, _ in pairs])
    false_positives = (
        [question.right * (not rating.all_correct) for question, rating in side]
        for side in (
            [(in_a, rating) for in_a, rating, _, _ in pairs],
            [(in_b, rating) for _, _, in_b, rating in pairs],
        )
    )
    correct = ([float(pair[side].all_correct) for pair in pairs] for side in (1, 3))
    return {
        "false positive": compare_paired(*false_positives, clusters),
        "all steps correct": compare_paired(*correct, clusters),
    }
