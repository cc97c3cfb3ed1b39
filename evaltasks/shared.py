"""The functions of `_shared_yaml`: a number is asked for with the prompt and the answer rule of GSM8K."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation import tasks


def load_documents(source: str, **arguments: Any) -> dict[str, Dataset]:
    """Return the rows of ``source``, which have ``question`` and ``answer``."""
    return tasks.load_documents(source, *tasks.NUMBER, **arguments)


def prompt(doc: dict[str, Any]) -> str:
    """Return the evaluation prompt: the training prompt without the target."""
    return alpaca_prompt(doc["question"])


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    return tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["question"])
