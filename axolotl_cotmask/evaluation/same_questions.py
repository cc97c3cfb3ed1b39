"""Whether two files of answers are about the same questions, so that they can be compared."""

from __future__ import annotations

import json
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.documents import QUESTION_FIELDS
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion
from axolotl_cotmask.evaluation.results import field_value

_SHOWN = 60  # characters of a text in an error


def check_same_questions(a: GradedFile, b: GradedFile) -> None:
    """Check that A and B are about the same questions in the same order, and that the metric leaves out the same ones.

    What is compared is the field that each side names for it; where none does, the whole document if both are lm-eval's
    samples, and otherwise the first of `QUESTION_FIELDS`.

    Raises:
        CoTMaskError: they are not; the sentence names the first place that differs.
    """
    whole_documents = a.from_lm_eval and b.from_lm_eval and a.question_field is None and b.question_field is None
    for in_a, in_b in zip(a.questions, b.questions, strict=False):
        of_a = _asked(in_a, a.question_field, whole_documents)
        of_b = _asked(in_b, b.question_field, whole_documents)
        what = next((what for what in {**of_a, **of_b} if of_a.get(what) != of_b.get(what)), None)
        if what is not None:
            raise CoTMaskError(
                f"{in_a.place}, and {in_b.place}: {what} is {_apart(of_a.get(what), of_b.get(what))}: compare answers "
                "to the same questions in the same order"
            )
    if len(a.questions) != len(b.questions):
        shorter, longer = sorted((a, b), key=lambda graded: len(graded.questions))
        raise CoTMaskError(
            f"{longer.questions[len(shorter.questions)].place}: this question is not in {shorter.path}, which has "
            f"{len(shorter.questions)} of {len(longer.questions)} questions: compare answers to the same questions, "
            "evaluated with the same --limit"
        )
    for in_a, in_b in zip(a.questions, b.questions, strict=True):
        if (in_a.rating is None) != (in_b.rating is None):
            raise CoTMaskError(
                f"{in_a.place}, and {in_b.place}: the metric is null in one of them: evaluate both with the same "
                "version of the task"
            )


def _asked(question: GradedQuestion, field: str | None, whole_document: bool) -> dict[str, Any]:
    """Return what has to be the same in both files, by its name in words."""
    document = question.document
    if whole_document:
        return {f"the field '{name}' of the document": value for name, value in document.items()}
    name = field or next((name for name in QUESTION_FIELDS if name in document), None)
    if name is None:
        raise CoTMaskError(
            f"{question.place}: no field holds the question (there are: {', '.join(sorted(document))}): name one with "
            "--question-field"
        )
    try:
        return {"the question": str(field_value(document, name)).strip()}
    except CoTMaskError as error:
        raise CoTMaskError(f"{question.place}: {error}") from error


def _apart(a: Any, b: Any) -> str:
    """Return both values, shortened to where they differ."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (a, b)]
    same = next((i for i, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts)))
    start = max(0, same - _SHOWN // 3)
    return " and ".join(repr(("…" if start else "") + text[start : start + _SHOWN]) for text in texts)
