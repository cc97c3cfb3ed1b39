"""GSM-Plus (Li et al. 2024): GSM8K's test questions, changed in eight ways, of which seven leave an answer."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.tasks import mean_of_concerned

__all__ = ["load_documents", "mean_of_concerned", "process_results"]

PERTURBATIONS = (
    "numerical_substitution",
    "digit_expansion",
    "integer_decimal_fraction_conversion",
    "adding_operation",
    "reversing_operation",
    "problem_understanding",
    "distraction_insertion",
)


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return the questions that have an answer."""
    return tasks.load_documents("gsm_plus", *tasks.NUMBER, prepare=_document, **arguments)


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    metrics = tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["question"])
    perturbation = doc["perturbation_type"].replace(" ", "_").replace("-", "_")
    return tasks.by_part(metrics, perturbation, PERTURBATIONS)


def _document(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["answer"] == "None":  # critical thinking: a number was taken out of the question on purpose
        return None
    return row | {"answer": tasks.number_text(row["answer"])}
