"""The mask ratio by optimizer step, against the paper's formula and the others written out."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.schedule import MaskSchedule, ScheduleKind

KINDS: list[ScheduleKind] = ["linear", "constant", "cosine", "random"]
RISING: list[ScheduleKind] = ["linear", "cosine"]


@pytest.mark.parametrize("max_steps", [1, 2, 117, 1170, 123_000])
def test_linear_warm_up_is_the_papers_formula(max_steps: int) -> None:
    schedule = MaskSchedule(0.4, 2 / 3)
    for step in {0, 1, max_steps // 3, (2 * max_steps) // 3, max_steps - 1, max_steps}:
        # To the bit: a run that was begun with an earlier version goes on as it was.
        assert schedule.ratio(step, max_steps) == 0.4 * min(1.0, step / (2 / 3 * max_steps + 1))
        assert schedule.ratio(step, max_steps) == pytest.approx(
            min(0.4, 0.4 * step / (2 / 3 * max_steps + 1)), abs=1e-15
        )


def test_starts_at_zero_rises_and_stays() -> None:
    ratios = [MaskSchedule(0.2, 0.5).ratio(step, 100) for step in range(101)]
    assert ratios[0] == 0
    assert all(a < b for a, b in itertools.pairwise(ratios[:52]))
    assert set(ratios[51:]) == {0.2}


@pytest.mark.parametrize("kind", RISING)
def test_no_warm_up_is_constant_from_the_first_step_and_needs_no_number_of_steps(kind: ScheduleKind) -> None:
    assert [MaskSchedule(0.3, 0, kind).ratio(step, -1) for step in (0, 1, 1000)] == [0.3, 0.3, 0.3]


def test_constant_and_random_have_no_warm_up() -> None:
    assert [MaskSchedule(0.3, 2 / 3, "constant").ratio(step, -1) for step in (0, 1, 1000)] == [0.3, 0.3, 0.3]
    assert [MaskSchedule(0.3, 2 / 3, "random").share(step, -1) for step in (0, 1, 1000)] == [1, 1, 1]


def test_cosine_point_by_point() -> None:
    schedule = MaskSchedule(0.4, 0.39, "cosine")
    assert [schedule.ratio(step, 100) for step in (0, 10, 20, 30, 40, 99)] == pytest.approx(
        [0, 0.4 * (1 - math.sqrt(0.5)) / 2, 0.2, 0.4 * (1 + math.sqrt(0.5)) / 2, 0.4, 0.4]
    )
    assert schedule.ratio(40, 100) == 0.4


@pytest.mark.parametrize("kind", RISING)
def test_a_number_of_steps_is_the_same_as_its_share(kind: ScheduleKind) -> None:
    by_share = MaskSchedule(0.4, 0.25, kind, start_ratio=0.1)
    by_number = MaskSchedule(0.4, 2 / 3, kind, warmup_steps=50, start_steps=20)
    assert [by_share.ratio(step, 200) for step in range(201)] == [by_number.ratio(step, 200) for step in range(201)]
    assert by_number.ratio(40, -1) == by_number.ratio(40, 200)


@pytest.mark.parametrize("kind", KINDS)
def test_a_late_start_moves_the_whole_schedule(kind: ScheduleKind) -> None:
    at_once, late = MaskSchedule(0.4, 0.3, kind), MaskSchedule(0.4, 0.3, kind, start_steps=7)
    assert [late.ratio(step, 100) for step in range(7)] == [0] * 7
    assert [late.share(step + 7, 100) for step in range(93)] == [at_once.share(step, 100) for step in range(93)]


def test_a_share_starts_at_the_nearest_step() -> None:
    # 0.1 * 30 is 3.0000000000000004.
    assert [MaskSchedule(0.4, 0, start_ratio=0.1).ratio(step, 30) for step in (2, 3)] == [0, 0.4]
    assert [MaskSchedule(0.4, 0, start_ratio=0.5).ratio(step, 7) for step in (3, 4)] == [0, 0.4]


schedules = st.builds(
    MaskSchedule,
    max_ratio=st.floats(0, 1),
    warmup_ratio=st.floats(0, 1),
    kind=st.sampled_from(KINDS),
    warmup_steps=st.none() | st.integers(0, 300),
    start_ratio=st.floats(0, 1),
    start_steps=st.none() | st.integers(0, 300),
)


@given(schedules, st.integers(1, 200), st.integers(0, 2**31), st.integers(0, 63))
def test_bounds_and_monotony(schedule: MaskSchedule, max_steps: int, seed: int, micro_batch: int) -> None:
    shares = [schedule.share(step, max_steps) for step in range(max_steps + 1)]
    assert all(0 <= a <= b <= 1 for a, b in itertools.pairwise(shares))
    for step, share in enumerate(shares):
        ratio = schedule.ratio(step, max_steps, seed=seed, micro_batch=micro_batch)
        if schedule.kind == "random":
            assert 0 <= ratio <= schedule.max_ratio * share
        else:
            assert ratio == schedule.max_ratio * share


@pytest.mark.parametrize(
    ("schedule", "max_steps", "late"),
    [
        (MaskSchedule(0.4, 0, start_steps=99), 100, False),
        (MaskSchedule(0.4, 0, start_steps=100), 100, True),
        (MaskSchedule(0.4, 0.1, start_ratio=1), 100, True),
        (MaskSchedule(0.4, 0.1, start_ratio=0.98), 100, False),
        (MaskSchedule(0.4, 2 / 3), 1, False),
        (MaskSchedule(0.4, 0, start_steps=100), -1, False),
    ],
)
def test_starts_too_late(schedule: MaskSchedule, max_steps: int, late: bool) -> None:
    assert schedule.starts_too_late(max_steps) is late
    if late:
        assert {schedule.ratio(step, max_steps) for step in range(max_steps)} == {0.0}


@pytest.mark.parametrize("max_steps", [0, -1])
@pytest.mark.parametrize("name", ["warmup", "start"])
def test_a_share_of_an_unknown_number_of_steps_says_so(name: str, max_steps: int) -> None:
    schedule = MaskSchedule(0.4, 2 / 3) if name == "warmup" else MaskSchedule(0.4, 0, start_ratio=2 / 3)
    with pytest.raises(CoTMaskError) as error:
        schedule.ratio(0, max_steps)
    assert str(error.value) == (
        f"cotmask.{name}_ratio is 0.666667, a share of the run, and the run's number of steps is not known "
        f"(max_steps is {max_steps}): set max_steps, or give cotmask.{name}_steps instead"
    )


def draws(schedule: MaskSchedule, seed: int, steps: int = 500, micro_batches: int = 8) -> list[float]:
    return [
        schedule.ratio(step, steps, seed=seed, micro_batch=index)
        for step in range(steps)
        for index in range(micro_batches)
    ]


def test_random_draws_are_uniform_and_independent() -> None:
    schedule = MaskSchedule(0.4, 0, "random")
    first, other_seed = draws(schedule, seed=1), draws(schedule, seed=2)
    assert len(set(first + other_seed)) == len(first) + len(other_seed)
    # Five standard deviations of 4000 draws; their shares of ten equal bins.
    for part in (first, other_seed):
        bins = [sum(k <= p / 0.04 < k + 1 for p in part) / len(part) for k in range(10)]
        assert bins == pytest.approx([0.1] * 10, abs=5 * (0.09 / 4000) ** 0.5)
    for shifted in (first[1:], first[8:], other_seed):
        assert abs(statistics.correlation(first[: len(shifted)], shifted)) < 5 / 4000**0.5


def test_random_draws_need_no_state_and_move_none() -> None:
    schedule, state = MaskSchedule(0.4, 0, "random"), random.getstate()
    at_once = draws(schedule, seed=3, steps=20)
    resumed = [schedule.ratio(step, 20, seed=3, micro_batch=index) for step in range(10, 20) for index in range(8)]
    assert at_once[80:] == resumed
    assert random.getstate() == state


def test_random_draws_are_pinned() -> None:
    # A run that was begun with an earlier version goes on as it was, on any machine.
    assert MaskSchedule(1.0, 0, "random").ratio(7, 10, seed=42, micro_batch=3) == 0.672978038075164
