"""GSM8K and MATH for MetaMath models, with the prompt and the answer rules of arXiv 2403.02178 (evaluation scripts)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.data.prompts import STEP_BY_STEP, alpaca_prompt
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import METAMATH_GSM8K, METAMATH_MATH, ROBUST_MATH, ROBUST_NUMBER

GSM8K = (METAMATH_GSM8K, ROBUST_NUMBER)
MATH = (METAMATH_MATH, ROBUST_MATH)


def load_gsm8k(**arguments: Any) -> dict[str, Dataset]:
    """Return GSM8K's test split."""
    return tasks.load_documents("gsm8k_test", *GSM8K, **arguments)


def load_math(source: str, gold: str, **arguments: Any) -> dict[str, Dataset]:
    """Return the problems of ``source``; their field ``gold`` holds the reference."""
    return tasks.load_math_documents(source, gold, *MATH, **arguments)


def prompt(doc: dict[str, Any]) -> str:
    """Return the evaluation prompt: the training prompt without the target, and the words that begin the answer."""
    return alpaca_prompt(doc["question"]) + STEP_BY_STEP


def process_gsm8k(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one question of GSM8K; ``results`` holds its one generation."""
    return tasks.scores(results[0], doc["answer"], *GSM8K, doc["question"])


def process_math(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one problem of MATH; ``results`` holds its one generation."""
    return tasks.by_level(doc, tasks.scores(results[0], doc["answer"], *MATH, doc["question"]))
