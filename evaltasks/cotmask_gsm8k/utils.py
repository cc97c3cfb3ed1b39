"""GSM8K for models that think before they answer."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import GSM8K_HASH, MATH_BOXED, ROBUST_NUMBER

RULES = (MATH_BOXED, ROBUST_NUMBER)


def load_documents(source: str, **arguments: Any) -> dict[str, Dataset]:
    """Return the questions of ``source``, each with its number alone as the reference."""
    return tasks.load_documents(source, *RULES, prepare=_document, **arguments)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"answer": GSM8K_HASH.gold_answer(row["answer"])}


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    return tasks.scores_after_thinking(results[0], doc["answer"], *RULES, doc["question"])
