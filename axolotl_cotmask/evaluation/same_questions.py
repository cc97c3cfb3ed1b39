"""Whether two files of answers are about the same questions, so that they can be compared."""

from __future__ import annotations

import json
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, field_value

#: Where a row holds its question, tried in this order, when no field is named.
QUESTION_FIELDS = ("question", "new_question", "problem", "query", "instruction", "source", "prompt")

#: For each side the field that holds the question. None stands for lm-eval's whole document where both sides have
#: documents, otherwise for the first of `QUESTION_FIELDS`.
FieldPair = tuple[str | None, str | None]

_SHOWN = 60  # characters of a text in an error


def check_same_questions(a: GradedFile, b: GradedFile, fields: FieldPair = (None, None)) -> None:
    """Check that A and B are about the same questions in the same order, and that the metric leaves out the same ones.

    Raises:
        CoTMaskError: they are not; the sentence names the first place that differs.
    """
    whole_documents = a.from_lm_eval and b.from_lm_eval and fields == (None, None)
    for in_a, in_b in zip(a.questions, b.questions, strict=False):
        difference = _document_difference(in_a, in_b) if whole_documents else _text_difference(in_a, in_b, fields)
        if difference is not None:
            raise CoTMaskError(
                f"{in_a.place}, and {in_b.place}: {difference}: compare answers to the same questions in the same order"
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


def _document_difference(in_a: GradedQuestion, in_b: GradedQuestion) -> str | None:
    """Return in words which field of the documents differs, or None."""
    a, b = in_a.document, in_b.document
    field = next((name for name in {**a, **b} if a.get(name) != b.get(name)), None)
    if field is None:
        return None
    return f"the field '{field}' of the document is {_apart(a.get(field), b.get(field))}"


def _text_difference(in_a: GradedQuestion, in_b: GradedQuestion, fields: FieldPair) -> str | None:
    """Return in words how the texts of the questions differ, or None."""
    a, b = _question_text(in_a, fields[0]), _question_text(in_b, fields[1])
    return None if a == b else f"the question is {_apart(a, b)}"


def _question_text(question: GradedQuestion, field: str | None) -> str:
    document = question.document
    name = field or next((name for name in QUESTION_FIELDS if name in document), None)
    if name is None:
        raise CoTMaskError(
            f"{question.place}: no field holds the question (there are: {', '.join(sorted(document))}): name one with "
            "--question-field"
        )
    try:
        return str(field_value(document, name)).strip()
    except CoTMaskError as error:
        raise CoTMaskError(f"{question.place}: {error}") from error


def _apart(a: Any, b: Any) -> str:
    """Return both values, shortened to where they differ."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (a, b)]
    same = next((i for i, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts)))
    start = max(0, same - _SHOWN // 3)
    return " and ".join(repr(("…" if start else "") + text[start : start + _SHOWN]) for text in texts)
