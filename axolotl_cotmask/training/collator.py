"""Pads the marks beside the labels, around whatever collator Axolotl chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.masking.marks import MARKS, MASK_GROUP, MASK_UNIT, MASK_WEIGHT, TOKEN_KEY, UNIT_KEY

Feature = Mapping[str, Any]


@dataclass
class MarkCollator:
    """Runs ``inner`` on the samples without their marks, then adds ``mask_weight`` and ``token_key`` to the batch.

    Both are ``[batch, seq]`` like ``labels`` (float32 and int64) and 0 on padding; so are ``unit_key`` and
    ``mask_group`` (int64), which come where the samples have ``mask_unit`` and ``mask_group``. The keys are made here
    because this is the last place that sees whole samples: whatever the batch does to them (packing, padding on either
    side, a dropped attention mask), a token keeps its key. Where ``inner`` does something else to the samples, no marks
    come, and the trainer stops.

    Args:
        inner: Axolotl's collator, or another plugin's; takes samples, or lists of samples, each packed into one row.
        padding_side: "right" or "left", the tokenizer's.
        marks: whether to add the marks; False for evaluation, where they are only taken away.
    """

    inner: Callable[..., Any]
    padding_side: str
    marks: bool

    def __call__(self, features: list[Any], **kwargs: Any) -> Any:
        """Collate ``features``: samples, or one list of samples per packed row."""
        packed = isinstance(features[0], list)
        rows: list[list[Feature]] = features if packed else [[feature] for feature in features]
        bare = [[{k: v for k, v in sample.items() if k not in MARKS} for sample in row] for row in rows]
        batch = self.inner(bare if packed else [row[0] for row in bare], **kwargs)
        # Samples without marks have them already from a collator around this one, or the trainer stops.
        if self.marks and "labels" in batch and MASK_WEIGHT in rows[0][0]:
            batch.update(self._marks_beside(batch["input_ids"], rows))
        return batch

    def _marks_beside(self, ids: torch.Tensor, rows: list[list[Feature]]) -> dict[str, torch.Tensor]:
        """Return the marks of ``rows``, each like ``ids``, ``[batch, seq]``; none where the rows do not lie there."""
        if len(ids) == 1:
            # Axolotl's `batch_flattening` puts all rows into one.
            rows = [[sample for row in rows for sample in row]]
        lengths = [sum(len(sample["input_ids"]) for sample in row) for row in rows]
        if len(ids) != len(rows) or max(lengths) > ids.shape[1]:
            return {}
        marks = marks_of([sample for row in rows for sample in row])
        tokens = torch.cat([torch.as_tensor(sample["input_ids"]) for row in rows for sample in row]).to(ids.dtype)
        columns = torch.arange(ids.shape[1]).expand(ids.shape)
        counts = torch.tensor(lengths)[:, None]
        filled = columns < counts if self.padding_side == "right" else columns >= ids.shape[1] - counts
        if not torch.equal(ids[filled], tokens):
            return {}
        return {
            name: torch.zeros(ids.shape, dtype=mark.dtype).masked_scatter(filled, mark) for name, mark in marks.items()
        }


def collate_marks(trainer: Any) -> None:
    """Let the collators that ``trainer`` has by now take the marks along; those that do so already stay."""
    side = trainer.processing_class.padding_side
    for name, marks in (("data_collator", True), ("eval_data_collator", False)):
        inner = getattr(trainer, name)
        if inner is not None and not isinstance(inner, MarkCollator):
            setattr(trainer, name, MarkCollator(inner, side, marks))


def marks_of(samples: Sequence[Feature]) -> dict[str, torch.Tensor]:
    """Return the marks of samples as they come into a batch, one sample after the other, each ``[tokens]``, by name."""
    lengths = [len(sample["input_ids"]) for sample in samples]

    def column(name: str, dtype: torch.dtype) -> torch.Tensor:
        # Axolotl's `excess_length_strategy: truncate` cuts the labels and does not know our columns.
        values = [torch.as_tensor(sample[name])[:length] for sample, length in zip(samples, lengths, strict=True)]
        return torch.cat(values).to(dtype)

    keys = token_keys(column("input_ids", torch.int64), lengths)
    marks = {MASK_WEIGHT: column(MASK_WEIGHT, torch.float32), TOKEN_KEY: keys}
    if MASK_UNIT in samples[0]:
        marks[UNIT_KEY] = keys[torch.arange(len(keys)) - column(MASK_UNIT, torch.int64)]
    if MASK_GROUP in samples[0]:
        marks[MASK_GROUP] = column(MASK_GROUP, torch.int64)
    return marks
