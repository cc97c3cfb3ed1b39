"""AQuA (Ling et al. 2017): five options, asked and scored as in MAmmoTH's scripts."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import MAMMOTH_CHOICE, ROBUST_CHOICE

RULES = (MAMMOTH_CHOICE, ROBUST_CHOICE)


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return all questions, each with its options."""
    return tasks.load_documents("aqua", *RULES, prepare=_document, **arguments)


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    return tasks.scores(results[0], doc["answer"], *RULES)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"question": tasks.with_choices(row["question"], row["options"]), "answer": row["correct"]}
