"""Computes a micro-batch in parts of rows of like length: less padding goes through the model, for the same loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Batch = Mapping[str, Tensor]


def split_by_length(inputs: Batch, marks: Batch, parts: int) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Return a micro-batch in parts, the shortest rows first, each without the padding that only longer rows need.

    A batch that has no padding mask, or holds something else than one value per token, stays whole.

    Args:
        inputs: of the model's forward, each ``[batch, seq]``; padding is where ``attention_mask`` is 0.
        marks: each ``[batch, seq]``.
        parts: how many; fewer where the batch has fewer rows.

    Returns:
        Inputs and marks of each part, each ``[rows, its longest row]``. Left padding stays, at its full length.
    """
    mask = inputs.get("attention_mask")
    everything = (*inputs.values(), *marks.values())
    if parts == 1 or mask is None or mask.ndim != 2 or any(tensor.shape != mask.shape for tensor in everything):
        return [(dict(inputs), dict(marks))]
    lengths = (mask.ne(0) * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(dim=1)

    def part_of(batch: Batch, rows: Tensor) -> dict[str, Tensor]:
        longest = int(lengths[rows[-1]])
        return {name: each[rows, :longest] for name, each in batch.items()}

    ordered = lengths.argsort(stable=True).tensor_split(min(parts, len(lengths)))
    return [(part_of(inputs, rows), part_of(marks, rows)) for rows in ordered]


def mean_of_parts(losses: list[Tensor], counts: list[Tensor]) -> Tensor:
    """Return the mean loss of a micro-batch, a scalar.

    Args:
        losses: of each part the mean over its counted tokens, a scalar.
        counts: of each part how many tokens those are, a scalar int64.
    """
    if len(losses) == 1:
        # To the bit.
        return losses[0]
    total = torch.stack(counts).sum().clamp(min=1)
    return torch.stack([loss * (count / total) for loss, count in zip(losses, counts, strict=True)]).sum()
