"""The rows of a run as training prepares them, and how they are masked: what the preview shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute

from axolotl_cotmask.masking.marks import MASK_GROUP
from axolotl_cotmask.masking.step import Masking

#: Rows that are looked through at a time.
_BATCH = 1000


@dataclass(frozen=True)
class PreparedRows:
    """The training data of a run, and how they are masked.

    Args:
        entries: of ``datasets:``, as they were prepared.
        rows: all rows, in the order in which they are prepared, as a `datasets.Dataset`; each token tells its data set.
        tokenizer: the run's.
        masking: at the beginning of the run.
        max_steps: optimizer steps of the run.
        steps_per_epoch: of an epoch; like ``max_steps`` an estimate where rows are ``packed``.
        packed: whether rows are packed.
    """

    entries: Sequence[Any]
    rows: Any
    tokenizer: Any
    masking: Masking
    max_steps: int
    steps_per_epoch: float
    packed: bool

    @property
    def epochs(self) -> int:
        """The epochs that the run begins."""
        return max(1, math.ceil(self.max_steps / self.steps_per_epoch))

    def first_of_each(self, rows: int) -> list[list[int]]:
        """Return for each data set the numbers of its first ``rows`` rows, from 0."""
        first: list[list[int]] = [[] for _ in self.entries]
        start = 0
        for batch in self.rows.select_columns(MASK_GROUP).with_format("arrow").iter(_BATCH):
            for number, group in enumerate(pyarrow.compute.list_element(batch[MASK_GROUP], 0).to_pylist(), start):
                if len(first[group]) < rows:
                    first[group].append(number)
            if all(len(numbers) == rows for numbers in first):
                break
            start += batch.num_rows
        return first
