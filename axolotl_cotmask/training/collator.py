"""Pads the marks beside the labels, around whatever collator Axolotl chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        if len(ids) != len(rows):
            return {}
        padded: dict[str, torch.Tensor] = {}
        for index, row in enumerate(rows):
            tokens = torch.cat([torch.as_tensor(sample["input_ids"]) for sample in row])
            start = 0 if self.padding_side == "right" else max(0, ids.shape[1] - len(tokens))
            place = (index, slice(start, start + len(tokens)))
            if not torch.equal(ids[place], tokens):
                return {}
            samples = [marks_of(sample) for sample in row]
            for name in samples[0]:
                marks = torch.cat([sample[name] for sample in samples])
                padded.setdefault(name, torch.zeros(ids.shape, dtype=marks.dtype))[place] = marks
        return padded


def collate_marks(trainer: Any) -> None:
    """Let the collators that ``trainer`` has by now take the marks along; those that do so already stay."""
    side = trainer.processing_class.padding_side
    for name, marks in (("data_collator", True), ("eval_data_collator", False)):
        inner = getattr(trainer, name)
        if inner is not None and not isinstance(inner, MarkCollator):
            setattr(trainer, name, MarkCollator(inner, side, marks))


def marks_of(sample: Feature) -> dict[str, torch.Tensor]:
    """Return the marks of one sample as they come into a batch, each ``[length]``, by name."""
    ids = torch.as_tensor(sample["input_ids"], dtype=torch.int64)
    # Axolotl's `excess_length_strategy: truncate` cuts the labels and does not know our columns.
    kept = slice(len(ids))
    keys = token_keys(ids)
    marks = {MASK_WEIGHT: torch.as_tensor(sample[MASK_WEIGHT], dtype=torch.float32)[kept], TOKEN_KEY: keys}
    if MASK_UNIT in sample:
        marks[UNIT_KEY] = keys[torch.arange(len(ids)) - torch.as_tensor(sample[MASK_UNIT], dtype=torch.int64)[kept]]
    if MASK_GROUP in sample:
        marks[MASK_GROUP] = torch.as_tensor(sample[MASK_GROUP], dtype=torch.int64)[kept]
    return marks
