"""Intervals cover what they say, and the verdict follows its rule."""

from __future__ import annotations

import math
import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from axolotl_cotmask.evaluation.stats.claims import Verdict, verdict, verdict_on_par
from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds, share
from axolotl_cotmask.evaluation.stats.paired import bootstrap_interval, compare_paired, mcnemar_p, sign_flip_p

shares = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0])), min_size=1, max_size=40)


@given(shares)
def test_a_share_lies_in_its_interval_within_0_and_1_and_never_has_no_width(items: list[tuple[int, float]]) -> None:
    found = share(items)
    assert found.value == pytest.approx(sum(value for _, value in items) / len(items))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low
    assert found.n == len({cluster for cluster, _ in items})


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40))
def test_repeating_every_item_in_its_cluster_adds_no_certainty(values: list[float]) -> None:
    once = share(enumerate(values))
    thrice = share([(place, value) for place, value in enumerate(values) for _ in range(3)])
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_the_interval_of_a_share_covers_95_percent() -> None:
    rng = random.Random(0)
    for truth in (0.05, 0.5, 0.9):
        covered = 0
        for _ in range(2000):
            found = share((i, float(rng.random() < truth)) for i in range(100))
            covered += found.low <= truth <= found.high
        assert 0.92 < covered / 2000 < 0.98


def test_clusters_widen_the_interval_so_that_it_still_covers() -> None:
    rng = random.Random(1)
    covered = 0
    for _ in range(2000):
        # All ten questions of a base problem are right or wrong together.
        items = [(base, right) for base in range(60) for right in [float(rng.random() < 0.3)] for _ in range(10)]
        found = share(items)
        covered += found.low <= 0.3 <= found.high
    assert 0.92 < covered / 2000 < 0.98


def test_the_interval_over_seeds_covers_95_percent_and_together_for_several() -> None:
    rng = random.Random(2)
    alone = together = 0
    for _ in range(2000):
        arms = [over_seeds([rng.gauss(3, 1) for _ in range(5)], comparisons=3) for _ in range(3)]
        together += all(arm.low <= 3 <= arm.high for arm in arms)
        found = over_seeds([rng.gauss(3, 1) for _ in range(5)])
        alone += found.low <= 3 <= found.high
    assert 0.93 < alone / 2000 < 0.97
    assert together / 2000 > 0.93


def test_one_seed_has_no_interval() -> None:
    assert over_seeds([2.5]) == Estimate(2.5, -math.inf, math.inf, 1)


@pytest.mark.parametrize(
    ("claimed", "low", "high", "expected"),
    [
        (5.5, 0.5, 6.0, Verdict.REPRODUCED),
        (5.5, 0.5, 2.7, Verdict.NOT_REPRODUCED),  # a real difference, but less than half of the claim
        (5.5, -1.0, 2.0, Verdict.NOT_REPRODUCED),
        (5.5, -9.0, -3.0, Verdict.NOT_REPRODUCED),
        (5.5, -1.0, 3.0, Verdict.UNDER_POWERED),
        (5.5, -math.inf, math.inf, Verdict.UNDER_POWERED),
        (-4.0, -6.0, -1.0, Verdict.REPRODUCED),
        (-4.0, -1.0, 3.0, Verdict.NOT_REPRODUCED),
        (-4.0, -3.0, 3.0, Verdict.UNDER_POWERED),
    ],
)
def test_the_verdict_rule(claimed: float, low: float, high: float, expected: Verdict) -> None:
    assert verdict(claimed, Estimate((low + high) / 2, low, high, 5)) is expected


def test_no_measurement_no_verdict_and_no_claim_no_rule() -> None:
    assert verdict(5.5, None) is Verdict.NOT_RUN
    with pytest.raises(ValueError, match="claimed difference of 0"):
        verdict(0, None)
    with pytest.raises(ValueError, match="no items"):
        share([])
    with pytest.raises(ValueError, match="no seeds"):
        over_seeds([])


flips = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(flips)
def test_mcnemars_exact_test_is_scipys(counts: tuple[int, int]) -> None:
    expected = 1.0 if sum(counts) == 0 else binomtest(min(counts), sum(counts), 0.5).pvalue
    assert mcnemar_p(*counts) == pytest.approx(expected, rel=1e-9)


def test_mcnemars_exact_test_by_hand() -> None:
    # One of ten flips goes the other way: 2 * (1 + 10) / 2^10.
    assert mcnemar_p(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar_p(3, 3) == mcnemar_p(0, 0) == 1.0


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_the_sign_flip_test_counts_all_assignments_of_signs(sums: list[int]) -> None:
    totals = [sum(map(math.prod, zip(signs, sums, strict=True))) for signs in product((-1, 1), repeat=len(sums))]
    extreme = sum(abs(total) >= abs(sum(sums)) for total in totals)
    assert sign_flip_p(sums) == pytest.approx(extreme / len(totals))


@given(flips)
def test_sign_flips_of_single_questions_are_mcnemars_test(counts: tuple[int, int]) -> None:
    sums = [-1] * counts[0] + [1] * counts[1] + [0]
    assert sign_flip_p(sums) == pytest.approx(mcnemar_p(*counts), rel=1e-9)


def test_a_comparison_by_hand() -> None:
    found = compare_paired([1, 1, 0, 0, 1], [1, 0, 1, 1, 1], clusters=["x", "x", "x", "y", "z"])
    assert (found.n, found.clusters, found.only_a, found.only_b) == (5, 3, 1, 2)
    assert (found.a.value, found.b.value, found.difference.value) == (3 / 5, 4 / 5, pytest.approx(1 / 5))
    assert found.difference.n == 3
    assert found.mcnemar_p == 1.0
    assert found.p == 1.0  # the flips of x cancel out, and y alone may have either sign
    assert found.difference.low <= 0.2 <= found.difference.high


def test_what_cannot_tell_anything_says_so() -> None:
    same = compare_paired([1, 0, 1], [1, 0, 1], clusters=range(3))
    assert (same.difference.low, same.difference.high, same.p) == (0.0, 0.0, 1.0)
    single = compare_paired([0], [1], clusters=["x"])
    assert (single.difference.value, single.difference.low, single.difference.high, single.p) == (1.0, -1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="no items"):
        compare_paired([], [], [])


def test_counts_of_like_clusters_resample_as_the_clusters_themselves() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 6, size=60)
    sums = np.array([rng.integers(-size, size + 1) for size in sizes])
    chosen = rng.integers(0, 60, size=(20_000, 60))
    expected = np.quantile(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1), [0.025, 0.975])
    assert bootstrap_interval(sums.tolist(), sizes.tolist()) == pytest.approx(tuple(expected), abs=0.01)


def simulated(rng: np.random.Generator, clusters: int, members: int) -> tuple[float, NDArray[np.int64]]:
    """Return the true difference, and for all clusters the differences of their questions, which are much alike."""
    # Of a cluster, A alone has all questions right, or B alone, or there is no difference; then some flip on their own.
    kinds = rng.choice([-1, 0, 1], p=[0.1, 0.6, 0.3], size=clusters)
    own = rng.choice([-1, 0, 1], p=[0.2, 0.6, 0.2], size=(clusters, members))
    alone = rng.random((clusters, members)) < 0.2
    return 0.8 * 0.2, np.where(alone, own, kinds[:, None])


def covered(runs: int, clusters: int, members: int, ignore_clusters: bool = False) -> float:
    """Return the share of simulated comparisons whose interval holds the true difference."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(runs):
        truth, differences = simulated(rng, clusters, members)
        groups = differences.reshape(-1, 1) if ignore_clusters else differences
        low, high = bootstrap_interval(groups.sum(axis=1).tolist(), [groups.shape[1]] * len(groups), resamples=2000)
        hits += low <= truth <= high
    return hits / runs


# Of 400 runs at 95 %, 364 to 393 cover in all but one of a thousand tests.
def test_the_bootstrap_interval_covers_95_percent() -> None:
    assert 364 / 400 <= covered(400, clusters=300, members=1) <= 393 / 400


def test_the_bootstrap_interval_covers_95_percent_of_clustered_questions_and_only_because_it_knows_the_clusters() -> (
    None
):
    assert 364 / 400 <= covered(400, clusters=100, members=10) <= 393 / 400
    assert covered(400, clusters=100, members=10, ignore_clusters=True) < 0.75


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (-0.02, 0.01, Verdict.REPRODUCED),
        (-0.03, 0.01, Verdict.UNDER_POWERED),
        (0.01, 0.09, Verdict.UNDER_POWERED),
        (0.03, 0.09, Verdict.NOT_REPRODUCED),
        (-0.09, -0.03, Verdict.NOT_REPRODUCED),
        (-math.inf, math.inf, Verdict.UNDER_POWERED),
    ],
)
def test_what_is_claimed_to_be_on_par(low: float, high: float, judged: Verdict) -> None:
    assert verdict_on_par(0.0275, Estimate((low + high) / 2 if math.isfinite(low) else 0.0, low, high, 3)) is judged
    assert verdict_on_par(0.0275, None) is Verdict.NOT_RUN
