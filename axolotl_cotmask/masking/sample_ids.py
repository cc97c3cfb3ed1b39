"""Which sample a token of a batch belongs to: samples are packed into rows, and rows are padded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def sample_numbers(inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the number of each token's sample.

    A sample begins with a row, where the position ids do not go on by one (packing), and where the numbers in the
    attention mask change (Axolotl numbers the samples of a packed row there).

    Args:
        inputs: of the model; ``input_ids`` ``[batch, seq]``, and where they are there ``position_ids`` and
            ``attention_mask`` of the same shape. Without an attention mask (Axolotl drops it from packed batches) the
            padding behind packed samples counts as one more sample; the padding of an unpacked row as part of it.

    Returns:
        ``[batch, seq]`` int64, unique in the batch and in no other way meaningful; -1 for padding.
    """
    ids = inputs["input_ids"]
    begins = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    begins[:, 0] = True
    positions, mask = inputs.get("position_ids"), inputs.get("attention_mask")
    if positions is not None:
        begins[:, 1:] |= positions[:, 1:] != positions[:, :-1] + 1
    if mask is not None:
        begins[:, 1:] |= (mask[:, 1:] != mask[:, :-1]) & (mask[:, 1:] > 0) & (mask[:, :-1] > 0)
    numbers = begins.flatten().cumsum(0).view_as(ids) - 1
    return numbers if mask is None else numbers.masked_fill(mask == 0, -1)


def sample_lengths(sample: Tensor) -> Tensor:
    """Return the number of tokens in each token's sample.

    Args:
        sample: ``[batch, seq]`` int64, from `sample_numbers`.

    Returns:
        ``[batch, seq]`` int64; 0 for padding.
    """
    counts = torch.bincount(sample.flatten() + 1, minlength=1)
    counts[0] = 0
    return counts[sample + 1]
