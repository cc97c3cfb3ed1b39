"""Values with their intervals, which cover 95 % where nothing else is said."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; ``n`` is the number of independent observations (clusters, seeds) behind it."""

    value: float
    low: float
    high: float
    n: int


def share(items: Iterable[tuple[Hashable, float]]) -> Estimate:
    """Return the mean of ``(cluster, value)`` pairs with values from 0 to 1, whose clusters are independent.

    The interval is Wilson's, with the number of observations that independent ones would need to have the
    cluster-robust standard error: it stays inside 0 and 1, and has a width also where every value is alike.

    Raises:
        ValueError: there are no items.
    """
    pairs = list(items)
    if not pairs:
        raise ValueError("a share of nothing: there are no items")
    mean = sum(value for _, value in pairs) / len(pairs)
    residuals: dict[Hashable, float] = {}
    for cluster, value in pairs:
        residuals[cluster] = residuals.get(cluster, 0.0) + value - mean
    clusters = len(residuals)
    variance = sum(residual**2 for residual in residuals.values()) / len(pairs) ** 2
    # Never more than the items themselves: values within a cluster may happen to cancel out.
    effective = min(mean * (1 - mean) / variance, len(pairs)) if variance > 0 else clusters
    low, high = _wilson(mean, effective)
    return Estimate(mean, low, high, clusters)


def _wilson(mean: float, n: float) -> tuple[float, float]:
    from scipy.stats import norm

    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    # The formula gives 0 and 1 themselves only up to rounding.
    return min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))


def over_seeds(values: Sequence[float], comparisons: int = 1) -> Estimate:
    """Return the mean of one value per seed, with Student's t interval; it is infinite for a single seed.

    Args:
        values: one per seed, or paired differences, one per seed.
        comparisons: how many intervals are read together: each covers 1 - 0.05 / comparisons (Bonferroni), so that all
            of them hold at once with 95 %.

    Raises:
        ValueError: there are no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("a mean over no seeds")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, -math.inf, math.inf, 1)
    from scipy.stats import sem, t

    low, high = t.interval(1 - (1 - CONFIDENCE) / comparisons, n - 1)
    error = float(sem(values))
    return Estimate(mean, mean + float(low) * error, mean + float(high) * error, n)
