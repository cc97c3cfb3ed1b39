"""Which tokens are noised: rates, independence, invariance, and no global randomness."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from axolotl_cotmask.masking.draws import Stream, draw_integers, draw_uniform, select_positions, token_keys

SAMPLES, LENGTH = 400, 256


@pytest.fixture(scope="module")
def keys() -> torch.Tensor:
    """Keys of 400 different samples of 256 tokens, ``[samples, length]``."""
    ids = torch.randint(0, 500, (SAMPLES, LENGTH), generator=torch.Generator().manual_seed(0))
    return torch.stack([token_keys(row) for row in ids])


def uniform(keys: torch.Tensor, seed: int = 0, epoch: int = 0, stream: Stream = Stream.SELECT) -> torch.Tensor:
    return draw_uniform(keys, seed=seed, epoch=epoch, stream=stream)


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.4, 0.9])
@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_rate_is_binomial(keys: torch.Tensor, ratio: float, weight: float) -> None:
    p = ratio * weight
    for epoch in range(5):
        selected = select_positions(torch.full(keys.shape, weight), keys, ratio=ratio, seed=1, epoch=epoch)
        for axis, n in ((None, keys.numel()), (0, SAMPLES), (1, LENGTH)):
            rate = selected.float().mean() if axis is None else selected.float().mean(axis)
            # Six standard deviations: one of the few thousand rates here is outside once in a hundred thousand runs.
            assert ((rate - p).abs() < 6 * (p * (1 - p) / n) ** 0.5 + 1 / n).all()


def test_ratio_zero_selects_nothing_and_one_everything_that_may_be(keys: torch.Tensor) -> None:
    weight = (torch.arange(LENGTH) % 2).float().expand(SAMPLES, LENGTH)
    assert not select_positions(weight, keys, ratio=0.0, seed=0, epoch=0).any()
    assert torch.equal(select_positions(weight, keys, ratio=1.0, seed=0, epoch=0), weight.bool())


def test_a_higher_ratio_only_adds_positions(keys: torch.Tensor) -> None:
    weight = torch.ones(keys.shape)
    low, high = (select_positions(weight, keys, ratio=ratio, seed=0, epoch=0) for ratio in (0.2, 0.4))
    assert (high | ~low).all()
    assert (high & ~low).any()


def test_draws_are_independent(keys: torch.Tensor) -> None:
    base = uniform(keys)
    others = {
        "epoch": uniform(keys, epoch=1),
        "later epoch": uniform(keys, epoch=7),
        "seed": uniform(keys, seed=1),
        "stream": uniform(keys, stream=Stream.TOKEN),
        "other stream": uniform(keys, stream=Stream.KIND),
        "sample": base.roll(1, 0),
        "position": base.roll(1, 1),
        "far position": base.roll(64, 1),
        "seed and epoch exchanged": uniform(keys, seed=1, epoch=2) - uniform(keys, seed=2, epoch=1) + base,
    }
    bound = 6 / keys.numel() ** 0.5
    for name, other in others.items():
        if name == "seed and epoch exchanged":
            assert not torch.equal(other, base)
            continue
        assert abs(np.corrcoef(base.flatten(), other.flatten())[0, 1]) < bound, name


def test_draws_are_uniform(keys: torch.Tensor) -> None:
    draws = uniform(keys).flatten()
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws, bins=64, min=0, max=1)
    expected = draws.numel() / 64
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert 20 < chi_squared < 140, "63 degrees of freedom"


@given(bound=st.integers(1, 2**31 - 1), seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_integers_stay_below_their_bound(bound: int, seed: int, epoch: int) -> None:
    drawn = draw_integers(token_keys(torch.arange(200)), bound, seed=seed, epoch=epoch, stream=Stream.TOKEN)
    assert drawn.min() >= 0
    assert drawn.max() < bound


def test_every_integer_is_drawn_alike(keys: torch.Tensor) -> None:
    drawn = draw_integers(keys, 50, seed=0, epoch=0, stream=Stream.TOKEN)
    counts = torch.bincount(drawn.flatten(), minlength=50).float()
    expected = drawn.numel() / 50
    assert ((counts - expected).abs() < 6 * expected**0.5).all()


@given(
    ids=st.lists(st.integers(0, 200_000), min_size=1, max_size=60),
    place=st.integers(0, 59),
    other=st.integers(0, 200_000),
)
@settings(max_examples=100, deadline=None)
def test_keys_depend_on_every_token_and_its_place(ids: list[int], place: int, other: int) -> None:
    keys = token_keys(torch.tensor(ids))
    assert torch.equal(keys, token_keys(torch.tensor(ids, dtype=torch.int32)))
    assert len(set(keys.tolist())) == len(ids)
    changed = list(ids)
    changed[place % len(ids)] = other
    assert (token_keys(torch.tensor(changed)) == keys).all() == (changed == ids)
    assert not (token_keys(torch.tensor([*ids, 0]))[:-1] == keys).any()
    swapped = [*ids[1:], ids[0]]
    assert (token_keys(torch.tensor(swapped)) == keys).all() == (swapped == ids)


def test_no_global_random_state_is_read_or_moved() -> None:
    def masks() -> torch.Tensor:
        keys = token_keys(torch.arange(100))
        return select_positions(torch.ones(100), keys, ratio=0.5, seed=0, epoch=0)

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first = masks()
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    torch.manual_seed(2), random.seed(2), np.random.seed(2)
    assert torch.equal(first, masks())


def test_the_masks_of_this_version_are_pinned() -> None:
    # Changing these bits changes every run's masks: a new major version, said in the changelog.
    keys = token_keys(torch.arange(10, 26))
    selected = select_positions(torch.ones(16), keys, ratio=0.5, seed=42, epoch=3)
    assert "".join(str(int(bit)) for bit in selected) == PINNED


PINNED = "0100100001000001"


@given(samples=st.lists(st.lists(st.integers(0, 2**31), max_size=9), min_size=1, max_size=6))
@settings(deadline=None)
def test_keys_of_several_samples_are_those_of_each(samples: list[list[int]]) -> None:
    together = token_keys(
        torch.tensor([token for sample in samples for token in sample], dtype=torch.int64),
        [len(sample) for sample in samples],
    )
    apart = [token_keys(torch.tensor(sample, dtype=torch.int64)) for sample in samples]
    assert torch.equal(together, torch.cat(apart))
