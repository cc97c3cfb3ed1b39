"""Intervals cover what they say, and the verdict follows its rule."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axolotl_cotmask.statistics import Estimate, Verdict, over_seeds, share, verdict

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
