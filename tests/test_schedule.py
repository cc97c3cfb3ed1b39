"""The mask ratio by optimizer step against the paper's formula."""

import itertools

import pytest

from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.schedule import MaskSchedule


@pytest.mark.parametrize("max_steps", [1, 2, 117, 1170, 123_000])
def test_linear_warm_up_is_the_papers_formula(max_steps: int) -> None:
    schedule = MaskSchedule(0.4, 2 / 3)
    for step in {0, 1, max_steps // 3, (2 * max_steps) // 3, max_steps - 1, max_steps}:
        assert schedule.ratio(step, max_steps) == pytest.approx(
            min(0.4, 0.4 * step / (2 / 3 * max_steps + 1)), abs=1e-15
        )


def test_starts_at_zero_rises_and_stays() -> None:
    ratios = [MaskSchedule(0.2, 0.5).ratio(step, 100) for step in range(101)]
    assert ratios[0] == 0
    assert all(a < b for a, b in itertools.pairwise(ratios[:52]))
    assert set(ratios[51:]) == {0.2}


def test_no_warm_up_is_constant_from_the_first_step_and_needs_no_number_of_steps() -> None:
    assert [MaskSchedule(0.3, 0).ratio(step, -1) for step in (0, 1, 1000)] == [0.3, 0.3, 0.3]


@pytest.mark.parametrize("max_steps", [0, -1])
def test_a_warm_up_without_a_number_of_steps_says_so(max_steps: int) -> None:
    with pytest.raises(CoTMaskError, match=rf"max_steps is {max_steps}\): set max_steps, or cotmask.warmup_ratio: 0"):
        MaskSchedule(0.4, 2 / 3).ratio(0, max_steps)
