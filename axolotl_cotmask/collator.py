"""Pads the marks beside the labels, around whatever collator Axolotl chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from axolotl_cotmask.marks import MASK_WEIGHT, TOKEN_KEY
from axolotl_cotmask.selection import token_keys

Feature = Mapping[str, Any]


@dataclass
class MarkCollator:
    """Runs ``inner`` on the samples without their marks, then adds ``mask_weight`` and ``token_key`` to the batch.

    Both are ``[batch, seq]`` like ``labels`` (float32 and int64) and 0 on padding. The keys are made here because this
    is the last place that sees whole samples: whatever the batch does to them (packing, padding on either side, a
    dropped attention mask), a token keeps its key.

    Args:
        inner: Axolotl's collator; takes samples, or lists of samples that are packed into one row each.
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
        bare = [[{k: v for k, v in sample.items() if k != MASK_WEIGHT} for sample in row] for row in rows]
        batch = self.inner(bare if packed else [row[0] for row in bare], **kwargs)
        if self.marks:
            shape = batch["labels"].shape
            batch[MASK_WEIGHT] = torch.zeros(shape, dtype=torch.float32)
            batch[TOKEN_KEY] = torch.zeros(shape, dtype=torch.int64)
            for index, row in enumerate(rows):
                weights, keys = _marks_of_row(row)
                start = 0 if self.padding_side == "right" else shape[1] - len(weights)
                batch[MASK_WEIGHT][index, start : start + len(weights)] = weights
                batch[TOKEN_KEY][index, start : start + len(weights)] = keys
        return batch


def _marks_of_row(row: list[Feature]) -> tuple[torch.Tensor, torch.Tensor]:
    weights, keys = [], []
    for sample in row:
        ids = torch.as_tensor(sample["input_ids"], dtype=torch.int64)
        # Axolotl's `excess_length_strategy: truncate` cuts the labels and does not know our column.
        weights.append(torch.as_tensor(sample[MASK_WEIGHT], dtype=torch.float32)[: len(ids)])
        keys.append(token_keys(ids))
    return torch.cat(weights), torch.cat(keys)
