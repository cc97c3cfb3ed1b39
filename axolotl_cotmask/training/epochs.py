"""Packed epochs that hold every row once, on any number of processes, and are the same after a resume.

Axolotl's own sampler cuts every epoch to the fewest of four packings, on several processes repeats the first packing
in every epoch, and draws its order from the global random state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch.utils.data import BatchSampler, RandomSampler

Bins = list[list[int]]


def train_whole_epochs(cfg: Any, args: Any, rows: int, masks: bool) -> Callable[[int], int] | None:
    """Let transformers count the steps of a run, where Axolotl's own number is an estimate that can cut epochs off.

    Args:
        cfg: the validated config.
        args: the trainer's; they are changed.
        rows: of the training data, packed or not.
        masks: whether the run does; what does not is the run without the plugin.

    Returns:
        How many steps the warm-up of the learning rate has, by the number of all steps; None where Axolotl's own
        numbers hold: the config says ``max_steps``, or nothing is packed and the rows fill all batches or the run does
        not mask.
    """
    batch = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
    are_whole = cfg.batch_size == batch and rows % batch == 0
    if cfg.max_steps or (not cfg.sample_packing and (are_whole or not masks)):
        return None
    args.max_steps = -1
    return partial(_warmup_steps, cfg)


def _warmup_steps(cfg: Any, steps: int) -> int:
    from axolotl.core.builders.base import TrainerBuilderBase

    # transformers would round a share up, and make a warm-up of the one step by which Axolotl's one_cycle divides.
    arguments: dict[str, Any] = {}
    TrainerBuilderBase._configure_warmup_and_logging(SimpleNamespace(cfg=cfg), steps, arguments)
    return arguments["warmup_steps"]


class WholeEpochs(BatchSampler):
    """Batches of bins of row numbers, as Axolotl's ``MultipackBatchSampler`` yields them.

    All epochs have the same number of bins, a multiple of what all processes take at a time: where a packing gives
    fewer, the bins with the most rows are divided. The order of the rows depends on seed and epoch alone.
    """

    def __init__(self, packing: Any, seed: int, epochs: int, processes: int) -> None:
        """Pack every epoch once, to know how many bins are needed.

        Args:
            packing: Axolotl's sampler, from which the lengths and the way of packing come.
            seed: decides the order of the rows.
            epochs: how many orders there are; later epochs begin with the first again.
            processes: how many share the batches, turn by turn.
        """
        super().__init__(packing.sampler, packing.batch_size, drop_last=False)
        self._packing = packing
        # An incomplete last batch is filled here, not dropped.
        packing.drop_last = False
        self._shuffles = isinstance(packing.sampler, RandomSampler)
        self._seed = seed
        self._epochs = max(1, epochs) if self._shuffles else 1
        self._epoch = 0
        together = packing.batch_size * processes
        most = max(len(self._bins(epoch)) for epoch in range(self._epochs))
        self._number = -(-most // together) * together

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, whose batches come next."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of every epoch, over all processes."""
        return self._number // self.batch_size

    def __iter__(self) -> Iterator[Bins]:  # type: ignore[override]  # torch's batches hold row numbers themselves
        """Yield the batches of the epoch."""
        bins = filled_up(self._bins(self._epoch), self._number)
        for start in range(0, len(bins), self.batch_size):
            yield bins[start : start + self.batch_size]

    def _bins(self, epoch: int) -> Bins:
        rows = np.arange(len(self._packing.lengths))
        if self._shuffles:
            rows = np.random.default_rng((self._seed, epoch % self._epochs)).permutation(rows)
        self._packing.sampler = rows.tolist()
        # Forget the last packing.
        self._packing.set_epoch(epoch)
        return [rows for batch in self._packing.generate_batches() for rows in batch]


def filled_up(bins: Bins, number: int) -> Bins:
    """Return ``number`` bins with the same rows: those with the most rows are divided, bins of one row repeated."""
    bins = [list(rows) for rows in bins]
    while len(bins) < number:
        fullest = max(bins, key=len)
        middle = (len(fullest) + 1) // 2
        bins.append(fullest[middle:] or fullest[:])
        del fullest[middle:]
    return bins
