"""GSM8K and MATH for MAmmoTH models, by hybrid decoding (evaluation scripts of arXiv 2403.02178)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import MAMMOTH_MATH, MAMMOTH_NUMBER, ROBUST_MATH, ROBUST_NUMBER
from axolotl_cotmask.evaluation.hybrid_task import GenerationTask, HybridTask, generation_scores, hybrid_scores
from axolotl_cotmask.evaluation.tasks import mean_of_concerned

__all__ = ["GenerationTask", "HybridTask", "mean_of_concerned"]

GSM8K = (MAMMOTH_NUMBER, ROBUST_NUMBER)
MATH = (MAMMOTH_MATH, ROBUST_MATH)


def _stripped(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"question": row["question"].strip()}


def load_gsm8k(**arguments: Any) -> dict[str, Dataset]:
    """Return GSM8K's test split."""
    return tasks.load_documents("gsm8k_test", *GSM8K, prepare=_stripped, **arguments)


def load_math(source: str, gold: str, **arguments: Any) -> dict[str, Dataset]:
    """Return the problems of ``source``; their field ``gold`` holds the reference."""
    return tasks.load_math_documents(source, gold, *MATH, **arguments)


def prompt(doc: dict[str, Any]) -> str:
    """Return the prompt for the chain of thought; that for the program comes from the task itself."""
    return alpaca_prompt(doc["question"])


def process_gsm8k(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one question of GSM8K; ``results`` holds the answers to the two prompts."""
    return hybrid_scores(doc["answer"], results, *GSM8K, doc["question"])


def process_math(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one problem of MATH; ``results`` holds the answers to the two prompts."""
    return tasks.by_level(doc, hybrid_scores(doc["answer"], results, *MATH, doc["question"]))


def process_generations(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of two generations that were not executed."""
    return generation_scores(results)
