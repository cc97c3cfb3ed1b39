"""MATH (Hendrycks et al. 2021), for models that put their answers into a box, as its own solutions do."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import MATH_BOXED, ROBUST_MATH
from axolotl_cotmask.evaluation.tasks import mean_of_concerned

__all__ = ["load_documents", "mean_of_concerned", "process_results"]

RULES = (MATH_BOXED, ROBUST_MATH)


def load_documents(source: str, gold: str, **arguments: Any) -> dict[str, Dataset]:
    """Return the problems of ``source``; their field ``gold`` holds the reference."""
    return tasks.load_math_documents(source, gold, *RULES, **arguments)


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    return tasks.by_level(doc, tasks.scores(results[0], doc["answer"], *RULES, doc["question"]))


def process_results_after_thinking(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the same of the answer that follows the model's thinking."""
    return tasks.by_level(doc, tasks.scores_after_thinking(results[0], doc["answer"], *RULES, doc["question"]))
