"""Accuracy by the length of the reference answer: Figure 15 of the Masked Thought paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, question_clusters
from axolotl_cotmask.evaluation.same_questions import check_same_questions
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share


@dataclass(frozen=True)
class LengthBucket:
    """Questions whose reference answer has ``low`` to ``high`` tokens, and by label each run's accuracy (0 to 1)."""

    low: int
    high: int
    questions: int
    accuracy: dict[str, Estimate]


def accuracy_by_length(
    runs: Mapping[str, GradedFile], tokens: Callable[[str], int], buckets: int = 5
) -> tuple[LengthBucket, ...]:
    """Return the accuracy of each run in buckets of the answer's length that hold about equally many questions.

    Answers of one length stay together, so there may be fewer buckets than asked for, and of unequal size.

    Args:
        runs: the graded questions by label; each document has the text ``answer``.
        tokens: the number of tokens of an answer.
        buckets: how many, at least 1.

    Raises:
        CoTMaskError: the runs were not scored on the same questions, or a document has no answer.
    """
    first, *others = runs.values()
    for other in others:
        check_same_questions(first, other)
    lengths = [tokens(_answer(question)) for question in first.concerned]
    clusters = question_clusters(first.concerned)
    rights = {label: [question.right for question in graded.concerned] for label, graded in runs.items()}
    return tuple(
        LengthBucket(
            low=min(lengths[i] for i in members),
            high=max(lengths[i] for i in members),
            questions=len(members),
            accuracy={label: share((clusters[i], of_run[i]) for i in members) for label, of_run in rights.items()},
        )
        for members in _members(lengths, buckets)
    )


def _answer(question: GradedQuestion) -> str:
    answer = question.document.get("answer")
    if not isinstance(answer, str):
        raise CoTMaskError(
            f"{question.place}: the document has no text 'answer' to take the length of: name a task whose data hold "
            "the whole solution there, such as cotmask_gsm8k"
        )
    return answer


def _members(lengths: Sequence[int], buckets: int) -> list[list[int]]:
    """Return the places of ``lengths`` by bucket, shortest first; no bucket is empty."""
    ascending = sorted(lengths)
    # The shortest length of each bucket; where equal lengths would begin two of them, these are one.
    starts = sorted({ascending[number * len(ascending) // buckets] for number in range(buckets)})
    bounds = [*starts, ascending[-1] + 1]
    return [[i for i, length in enumerate(lengths) if low <= length < high] for low, high in pairwise(bounds)]
