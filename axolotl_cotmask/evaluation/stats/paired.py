"""Two models on the same questions: the difference of their accuracies, its interval, and exact tests.

Questions of one cluster (the variants of one base problem) are not independent: the interval resamples whole clusters,
and the test that counts flips the signs of whole clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axolotl_cotmask.evaluation.stats.estimates import CONFIDENCE, Estimate, share

RESAMPLES = 10_000
_SEED = 0


@dataclass(frozen=True)
class Comparison:
    """B against A on ``n`` questions in ``clusters`` independent clusters; without clusters the two are equal.

    ``a`` and ``b`` are the shares that are right, ``difference`` is that of B minus that of A; all from 0 to 1.
    ``only_a`` counts the questions that A alone has right, ``only_b`` those that B alone has. ``p`` belongs to the
    exact sign-flip test of the clusters, which is McNemar's where every cluster is one question; ``mcnemar_p`` takes
    all questions for independent.
    """

    n: int
    clusters: int
    a: Estimate
    b: Estimate
    difference: Estimate
    only_a: int
    only_b: int
    p: float
    mcnemar_p: float


def compare_paired(a: Sequence[float], b: Sequence[float], clusters: Sequence[Hashable]) -> Comparison:
    """Compare two models by the ratings of their answers to the same questions: 1 for right, 0 for wrong.

    Args:
        a: the ratings of A, one per question.
        b: the ratings of B, in the same order.
        clusters: which cluster each question belongs to.

    Raises:
        ValueError: there are no questions, or not as many on each side.
    """
    flips = [int(right_b) - int(right_a) for right_a, right_b in zip(a, b, strict=True)]
    sizes, totals = Counter(clusters), dict.fromkeys(clusters, 0)
    for cluster, flip in zip(clusters, flips, strict=True):
        totals[cluster] += flip
    share_a, share_b = (share(zip(clusters, values, strict=True)) for values in (a, b))
    only_a, only_b = flips.count(-1), flips.count(1)
    sums = list(totals.values())
    low, high = bootstrap_interval(sums, list(sizes.values()))
    mcnemar = mcnemar_p(only_a, only_b)
    return Comparison(
        n=len(flips),
        clusters=len(sizes),
        a=share_a,
        b=share_b,
        difference=Estimate((only_b - only_a) / len(flips), low, high, len(sizes)),
        only_a=only_a,
        only_b=only_b,
        p=mcnemar if len(sizes) == len(flips) else sign_flip_p(sums),
        mcnemar_p=mcnemar,
    )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: a fair coin decides every flip. 1 where there is none."""
    from scipy.stats import binomtest

    flips = only_a + only_b
    return float(binomtest(only_a, flips).pvalue) if flips else 1.0


def sign_flip_p(sums: Sequence[int]) -> float:
    """Return the two-sided p-value of the sign-flip test, over all assignments of signs and so exact.

    Args:
        sums: of each cluster the sum of the differences (-1, 0, 1) of its questions. If A and B are alike, each could
            as well have the other sign.
    """
    # Of every total from the least to the greatest that the signs can give.
    probability: NDArray[np.floating[Any]] = np.ones(1)
    for size in filter(None, map(abs, sums)):
        coin = np.zeros(2 * size + 1)
        coin[[0, -1]] = 0.5
        probability = np.convolve(probability, coin)
    reach = len(probability) // 2
    totals = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(probability[totals >= abs(sum(sums))].sum()))


def bootstrap_interval(sums: Sequence[int], sizes: Sequence[int], resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the percentile interval of the difference per question, resampling whole clusters with a fixed seed.

    Clusters with the same sum and size are interchangeable, so counts of them are drawn instead of the clusters
    themselves: the distribution is the same. A single cluster says nothing about others: its interval is from -1 to 1.
    With few clusters the interval is a little too narrow: simulated, that of 30 covers 92 %, that of 60 94 %.

    Args:
        sums: of each cluster the sum of the differences of its questions.
        sizes: of each cluster the number of its questions.
        resamples: how many are drawn.
    """
    if len(sums) == 1:
        return -1.0, 1.0
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    drawn = np.random.default_rng(_SEED).multinomial(len(sums), counts / len(sums), size=resamples)
    differences = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)
