"""Where a document holds its question and its reference solution."""

from __future__ import annotations

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.results import AnswerRow, field_value

#: Where a row holds its question, tried in this order, when no field is named.
QUESTION_FIELDS = ("question", "new_question", "problem", "query", "instruction", "source", "prompt")
#: SVAMP and ASDiv hold the story apart from the question; MAWPS has other names.
_MORE_QUESTION_FIELDS = (*QUESTION_FIELDS, "Question", "input")
_STORIES = ("body", "Body")

#: Where it holds its solution: ``answer`` is the bare answer where there is another.
SOLUTION_FIELDS = ("solution", "response", "output", "answer", "target")


def question_text(row: AnswerRow) -> str:
    """Return the question of a row's document, after its story where that stands apart.

    Raises:
        CoTMaskError: no field holds it.
    """
    question = first_question(row)
    if question is None:
        raise CoTMaskError(f"{row.place}: no field holds the question ({_there(row)}): call it question")
    return question


def first_question(row: AnswerRow) -> str | None:
    """Return what `question_text` does, None where no field holds it."""
    question, story = (_first_text(row, names) for names in (_MORE_QUESTION_FIELDS, _STORIES))
    return question if question is None or story is None else f"{story} {question}"


def solution_text(row: AnswerRow) -> str:
    """Return the reference solution of a row's document.

    Raises:
        CoTMaskError: no field holds it.
    """
    solution = _first_text(row, SOLUTION_FIELDS)
    if solution is None:
        raise CoTMaskError(
            f"{row.place}: the document holds no reference solution ({_there(row)}): give samples whose documents have "
            f"one of {', '.join(SOLUTION_FIELDS)} as a text"
        )
    return solution


def _first_text(row: AnswerRow, names: tuple[str, ...]) -> str | None:
    values = (field_value(row.document, name) for name in names if name in row.document)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), None)


def _there(row: AnswerRow) -> str:
    return f"there are: {', '.join(sorted(row.document))}"
