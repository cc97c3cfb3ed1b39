"""GSM-Symbolic (Mirzadeh et al. 2025): templates of GSM8K questions, each filled in many times."""

from __future__ import annotations

import statistics
from typing import Any

from axolotl_cotmask.evaluation import tasks


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    metrics = tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["question"])
    return metrics | {"exact_match_std_over_instances": (doc["instance"], metrics["exact_match"])}


def std_over_instances(items: list[tuple[int, float]]) -> float | None:
    """Return the sample standard deviation of the instances' accuracies, or None with one instance; an item is
    (instance, right)."""
    rights: dict[int, list[float]] = {}
    for instance, right in items:
        rights.setdefault(instance, []).append(right)
    return statistics.stdev(map(statistics.fmean, rights.values())) if len(rights) > 1 else None
