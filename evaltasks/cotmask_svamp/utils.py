"""SVAMP (Patel et al. 2021): a story, and one question about it."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return all questions."""
    return tasks.load_documents("svamp", *tasks.NUMBER, prepare=_document, **arguments)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    # Many stories lack their full stop.
    story = row["Body"].strip().removesuffix(".")
    return row | {"question": f"{story}. {row['Question'].strip()}", "answer": tasks.number_text(row["Answer"])}
