"""MultiArith (Roy and Roth 2015)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation import tasks


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return all questions."""
    return tasks.load_documents("multiarith", *tasks.NUMBER, prepare=_document, **arguments)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    answer = row["final_ans"]
    if isinstance(answer, list):  # the original files list the solutions, of which there is one
        if len(answer) != 1:
            raise CoTMaskError(f"lSolutions holds {len(answer)} numbers: give one")
        [answer] = answer
    return row | {"question": row["question"].strip(), "answer": tasks.number_text(answer)}
