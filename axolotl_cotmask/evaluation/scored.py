"""Questions that a model was scored on, from lm-eval's samples: what accuracy by length or by checkpoint is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.results import read_results

_ACCURACY = "exact_match"


@dataclass(frozen=True)
class Question:
    """One scored question: its document, and 1.0 where the model was right, else 0.0."""

    doc: dict[str, Any]
    correct: float


@dataclass(frozen=True)
class ScoredRun:
    """All questions of one evaluation in the order of the data, and the model, where the results name it."""

    questions: tuple[Question, ...]
    pretrained: str | None


def read_scored(source: str | os.PathLike[str], task: str) -> ScoredRun:
    """Read the samples of ``task`` that ``lm_eval --output_path --log_samples`` wrote below ``source``.

    Raises:
        CoTMaskError: the task was not scored there, or not with ``--log_samples``, or has no exact_match.
    """
    result = read_results(source, [task])[task]
    scored = [sample for sample in result.samples if sample.get(_ACCURACY) is not None]
    if not scored:
        raise CoTMaskError(
            f"{source}, task {task}: there are no samples with {_ACCURACY}: evaluate again with --log_samples"
        )
    scored.sort(key=lambda sample: sample["doc_id"])
    return ScoredRun(tuple(Question(s["doc"], float(s[_ACCURACY])) for s in scored), result.pretrained)


def check_same_questions(runs: Mapping[str, Sequence[Question]]) -> None:
    """Check that all runs were scored on the same questions.

    Args:
        runs: by a name for the sentence.

    Raises:
        CoTMaskError: two were not.
    """
    (first, questions), *others = runs.items()
    for name, found in others:
        if [question.doc for question in found] != [question.doc for question in questions]:
            raise CoTMaskError(
                f"{first} and {name} were scored on different questions ({len(questions)} and {len(found)}): evaluate "
                "them on the same data, with the same --limit"
            )
