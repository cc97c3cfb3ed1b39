"""How an answer of the tea shop is scored: by the rule for ``#### 72``, and by one that reads a number in any form."""

from __future__ import annotations

from typing import Any

from axolotl_cotmask.evaluation import tasks


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one question; ``results`` holds its one generation."""
    return tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["question"])
