"""Packed epochs: every row once, as many batches in each epoch, the same on every process and after a resume."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from axolotl.utils.samplers import MultipackBatchSampler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import RandomSampler, SequentialSampler

from axolotl_cotmask.training.epochs import WholeEpochs, filled_up

LENGTHS = np.random.default_rng(0).integers(20, 200, size=157).astype(np.int32)


def sampler(
    *, batch_size: int = 1, processes: int = 1, shuffles: bool = True, seed: int = 1, epochs: int = 3
) -> WholeEpochs:
    base = (RandomSampler if shuffles else SequentialSampler)(LENGTHS)
    packing = MultipackBatchSampler(
        base, batch_size=batch_size, batch_max_len=256, lengths=LENGTHS, bin_size=200, num_processes=1
    )
    return WholeEpochs(packing, seed=seed, epochs=epochs, processes=processes)


def epoch_of(batches: WholeEpochs, epoch: int) -> list[list[list[int]]]:
    batches.set_epoch(epoch)
    return list(batches)


@pytest.mark.parametrize("shuffles", [True, False])
@pytest.mark.parametrize(("batch_size", "processes"), [(1, 1), (2, 1), (1, 8), (4, 3)])
def test_every_row_once_in_whole_batches(batch_size: int, processes: int, shuffles: bool) -> None:
    batches = sampler(batch_size=batch_size, processes=processes, shuffles=shuffles)
    assert len(batches) % processes == 0
    for epoch in range(3):
        found = epoch_of(batches, epoch)
        assert len(found) == len(batches)
        assert {len(batch) for batch in found} == {batch_size}
        assert Counter(row for batch in found for rows in batch for row in rows) == Counter(range(len(LENGTHS)))
        assert all(LENGTHS[rows].sum() <= 256 for batch in found for rows in batch)


def test_few_more_bins_than_a_packing_needs() -> None:
    assert len(sampler()) <= 1.05 * LENGTHS.sum() / 256 / 0.9


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    first = [epoch_of(sampler(), epoch) for epoch in range(3)]
    assert first[0] != first[1] != first[2]
    np.random.default_rng().random()
    np.random.seed(5)
    assert [epoch_of(sampler(), epoch) for epoch in (2, 0)] == [first[2], first[0]]
    assert epoch_of(sampler(seed=2), 0) != first[0]
    # More epochs than were planned, as max_steps can ask for, begin with the first order again.
    assert epoch_of(sampler(), 3) == first[0]


def test_the_order_of_a_sequential_sampler_stays() -> None:
    batches = sampler(shuffles=False)
    assert epoch_of(batches, 0) == epoch_of(batches, 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=6), min_size=1, max_size=8), st.integers(0, 20))
def test_filled_up_keeps_all_rows(bins: list[list[int]], more: int) -> None:
    before = [list(rows) for rows in bins]
    result = filled_up(bins, len(bins) + more)
    assert bins == before, "the argument is not changed"
    assert len(result) == len(bins) + more
    assert all(result)
    rows, wanted = (Counter(row for rows in some for row in rows) for some in (result, bins))
    assert not wanted - rows
    if len(result) <= sum(map(len, bins)):
        assert rows == wanted
