"""A rated question as people read it: the question, the reference and the answer as texts."""

from __future__ import annotations

from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.documents import QUESTION_FIELDS, SOLUTION_FIELDS, first_question
from axolotl_cotmask.evaluation.graded import GradedQuestion
from axolotl_cotmask.evaluation.results import field_value

#: Where lm-eval's samples hold the text that was scored.
SCORED_TEXT = "filtered_resps"


def shown_question(question: GradedQuestion, field: str | None) -> str:
    """Return the question, from ``field`` of its document where that is named; "" where nothing holds it."""
    if field is not None:
        return _as_text(field_value(question.document, field))
    # One that is no text, such as the messages of a chat, stands as it is.
    others = (_as_text(question.document[name]) for name in QUESTION_FIELDS if name in question.document)
    return first_question(question) or next(others, "")


def shown_reference(question: GradedQuestion, field: str | None = None) -> str:
    """Return the reference, from ``field`` of the row where that is named; "" where nothing holds it.

    Rows that are not lm-eval's samples may hold a model's answer under the names of a solution.
    """
    if field is not None:
        return _as_text(field_value(question.fields, field))
    if not question.is_sample:
        return ""
    values = (question.document.get(name) for name in SOLUTION_FIELDS)
    found = next((value for value in values if isinstance(value, str | int | float)), question.fields.get("target"))
    return "" if found is None else _as_text(found)


def shown_answer(question: GradedQuestion, field: str) -> str:
    """Return the text of the answer in ``field``; of several, such as a program and a chain of thought, all.

    Raises:
        CoTMaskError: there is no such field.
    """
    try:
        value = field_value(question.fields, field)
    except CoTMaskError as error:
        raise CoTMaskError(f"{question.place}: {error}: name the one with the answer's text by --text-field") from error
    return "\n\n".join(map(_as_text, value)) if isinstance(value, list) else _as_text(value)


def _as_text(value: Any) -> str:
    return str(value).strip()
