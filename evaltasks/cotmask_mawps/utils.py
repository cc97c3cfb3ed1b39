"""MAWPS (Koncel-Kedziorski et al. 2016), its four test sets together."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return all questions."""
    return tasks.load_documents("mawps", *tasks.NUMBER, prepare=_document, **arguments)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"question": row["input"].strip(), "answer": tasks.number_text(row["target"])}
