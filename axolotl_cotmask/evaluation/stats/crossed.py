"""A mean, or the difference of two methods, over two crossed sources of chance: one interval that holds for both.

Why this estimator and no other stands in docs/verdicts.md, with the simulations that decided it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from axolotl_cotmask.evaluation.stats.estimates import CONFIDENCE, Estimate

_Array = NDArray[np.floating[Any]]


def pooled(a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable], comparisons: int = 1) -> Estimate:
    """Return the mean of B minus that of A, with an interval that holds for other runs and for other questions.

    The two sides answer the same questions, so questions are paired. Runs are not: a seed that both sides have is a
    name only, and the sides may differ in their number of runs. Three estimates of variance make up the interval:

    - of the runs: for each side, the variance of its runs' means over their number;
    - of the questions: that of the clusters' mean differences over their number;
    - of the single answers, which the other two both hold, so that it is taken off once: what neither the run nor the
      cluster explains.

    The sum is never less than the first or the second alone. The quantile is Student's t, with Satterthwaite's degrees
    of freedom. The interval is infinite where a side has a single run, or all questions are of one cluster; it has no
    width where the runs of a side all have the same mean and the clusters all the same difference.

    Args:
        a: the ratings of A's answers, from 0 (wrong) to 1 (right): [runs of A, questions].
        b: those on B's, the questions in the same order: [runs of B, questions].
        clusters: which cluster each question belongs to; as many values as questions where each is independent.
        comparisons: how many intervals are read together: each covers 1 - 0.05 / comparisons (Bonferroni).

    Returns:
        The difference in the units of the ratings (from -1 to 1; the interval may reach beyond); ``n`` is the number
        of runs on the side that has fewer.

    Raises:
        ValueError: a side is no table of finite numbers with at least one run and one question, or the numbers of
            questions (and of values in ``clusters``) differ.
    """
    return pooled_mean([(a, b)], clusters, comparisons)


def pooled_mean(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], clusters: Sequence[Hashable], comparisons: int = 1
) -> Estimate:
    """Return the mean over pairs of sides of B minus A; all sides of all pairs answer the same questions.

    As `pooled`, of which it is the general case: the runs of every side have their own variance, and a question's
    difference is the mean over the pairs, so that a question that is hard for all counts once. The interval does not
    hold for other pairs: they are those that the mean is claimed of.

    Args:
        pairs: at least one of A's and B's ratings, each as for `pooled`.
        clusters: as for `pooled`.
        comparisons: as for `pooled`.

    Raises:
        ValueError: as `pooled`, or there is no pair.
    """
    if not pairs:
        raise ValueError("a mean over no pairs")
    of_pairs = [_checked(a, b, clusters) for a, b in pairs]
    sides = [side for pair in of_pairs for side in pair]
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([numbers[cluster] for cluster in clusters])

    value = float(np.mean([b.mean() - a.mean() for a, b in of_pairs]))
    n = min(map(len, sides))
    if n == 1 or len(numbers) == 1:
        return Estimate(value, -math.inf, math.inf, n)
    # Of a sum's variance, the mean's.
    weight = 1 / len(of_pairs) ** 2
    of_runs = [weight * float(side.mean(axis=1).var(ddof=1)) / len(side) for side in sides]
    difference = np.mean([b.mean(axis=0) - a.mean(axis=0) for a, b in of_pairs], axis=0)
    of_questions = _variance((difference - value)[None], index)
    of_answers = sum(weight * _variance(_residuals(side), index) / (len(side) * (len(side) - 1)) for side in sides)

    variance = max(sum(of_runs) + of_questions - of_answers, sum(of_runs), of_questions)
    if variance == 0:
        return Estimate(value, value, value, n)
    squares = [part**2 / (len(side) - 1) for part, side in zip(of_runs, sides, strict=True)]
    degrees = variance**2 / (sum(squares) + of_questions**2 / (len(numbers) - 1))
    return _interval(value, variance, degrees, n, comparisons)


def _checked(a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable]) -> tuple[_Array, _Array]:
    """Return both sides of a pair as tables; ValueError where they are none, or do not fit."""
    sides = [np.asarray(side, dtype=np.float64) for side in (a, b)]
    for side in sides:
        if side.ndim != 2 or side.size == 0:
            raise ValueError(f"verdicts of the shape {side.shape}: give a table of at least one run and one question")
        if not np.isfinite(side).all():
            raise ValueError("a verdict is missing or not finite: compare the questions that all runs have")
    questions = sides[0].shape[1]
    if sides[1].shape[1] != questions or len(clusters) != questions:
        raise ValueError(
            f"{questions} questions for A, {sides[1].shape[1]} for B, {len(clusters)} values in clusters: "
            "give the same questions, in the same order"
        )
    return sides[0], sides[1]


def over_draws(values: Mapping[tuple[str, str], float], comparisons: int = 1) -> Estimate:
    """Return the mean of a value that was measured once for each pair of two things drawn, with an interval for both.

    A pair is such as a base model and a set of problems, its value the difference that the method makes there. The
    variance of the mean is that of the rows' means over their number, plus that of the columns' means over theirs,
    minus what neither explains, which both hold; and never less than the first or the second alone. The quantile is
    Student's t, with Satterthwaite's degrees of freedom. Where a side is drawn once only, the values are the draws of
    the other, and the interval holds for that one; a single value has an infinite interval. Where each thing occurs in
    one pair only, the values are draws of both at once, independent of each other, and so is their mean's variance.

    Args:
        values: by (first, second), one for each pair of all that occur, or each first with a second of its own.
        comparisons: how many intervals are read together: each covers 1 - 0.05 / comparisons (Bonferroni).

    Raises:
        ValueError: there is no value, or a pair is missing.
    """
    firsts, seconds = (list(dict.fromkeys(side)) for side in zip(*values, strict=True))
    if len(values) == len(firsts) == len(seconds):
        # Each with a partner of its own: as if of one side alone.
        seconds = seconds[:1]
        values = {(first, seconds[0]): value for (first, _), value in values.items()}
    if len(values) != len(firsts) * len(seconds):
        raise ValueError(f"{len(values)} values for {len(firsts)} x {len(seconds)} pairs: leave out what is incomplete")
    table = np.array([[values[first, second] for second in seconds] for first in firsts], dtype=np.float64)
    value, n = float(table.mean()), table.size
    if n == 1:
        return Estimate(value, -math.inf, math.inf, n)
    sides = [table.mean(axis=1), table.mean(axis=0)]
    parts = [float(side.var(ddof=1)) / len(side) if len(side) > 1 else 0.0 for side in sides]
    rest = 0.0
    if min(table.shape) > 1:
        degrees_of_rest = (table.shape[0] - 1) * (table.shape[1] - 1)
        rest = float((_residuals(table) ** 2).sum()) / degrees_of_rest / n
    variance = max(sum(parts) - rest, *parts)
    if variance == 0:
        return Estimate(value, value, value, n)
    squares = [part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True) if len(side) > 1]
    return _interval(value, variance, variance**2 / sum(squares), n, comparisons)


def _interval(value: float, variance: float, degrees: float, n: int, comparisons: int) -> Estimate:
    from scipy.stats import t

    half = float(t.ppf(1 - (1 - CONFIDENCE) / (2 * comparisons), degrees)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, n)


def _residuals(side: _Array) -> _Array:
    """Return what neither the run nor the question explains of a side's ratings; both: [runs, questions]."""
    return side - side.mean(axis=1, keepdims=True) - side.mean(axis=0) + side.mean()


def _variance(deviations: _Array, index: NDArray[np.intp]) -> float:
    """Return the variance of a row's mean when whole clusters are drawn, summed over the rows.

    Args:
        deviations: from the mean: [rows, questions].
        index: the cluster of each question, numbered from 0: [questions].
    """
    sums = np.array([np.bincount(index, weights=row) for row in deviations])
    clusters = sums.shape[1]
    return float((sums**2).sum()) * clusters / (clusters - 1) / deviations.shape[1] ** 2
