"""Hides noised positions from attention, in every layer (an ablation of the paper, on par with masking the input)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.sample_ids import sample_numbers

#: The implementations that take a mask of queries by keys.
_CAN_HIDE = ("sdpa", "eager")


def check(attn_implementation: str, sliding_window: int | None, sequence_len: int) -> None:
    """Check that the model's attention can hide positions.

    Not covered, and not seen here: layers that are no softmax attention (state space models, linear attention), and
    layers that attend in chunks.

    Args:
        attn_implementation: the model's, such as ``sdpa``.
        sliding_window: tokens in the window of the model's sliding layers; None without them.
        sequence_len: longest sample, in tokens.

    Raises:
        CoTMaskError: it cannot.
    """
    if attn_implementation not in _CAN_HIDE:
        raise CoTMaskError(
            f"cotmask.hide_from_attention needs a mask of queries by keys, and attn_implementation is "
            f"{attn_implementation}, which takes none: set attn_implementation: sdpa, or take hide_from_attention out"
        )
    if sliding_window is not None and sequence_len > sliding_window:
        raise CoTMaskError(
            f"cotmask.hide_from_attention replaces the model's sliding window of {sliding_window} tokens, and "
            f"sequence_len is {sequence_len}: set sequence_len to {sliding_window} or less, or take "
            "hide_from_attention out"
        )


def hidden(inputs: Mapping[str, Tensor], selected: Tensor, attn_implementation: str) -> dict[str, Tensor]:
    """Return ``inputs`` with an attention mask that hides the selected positions from every other position.

    A query sees the earlier clean tokens of its own sample, and itself: a hidden position still predicts its next
    token, and a query that saw nothing would have no attention at all. (The authors' released code hides a masked
    position from itself as well.)

    Args:
        inputs: of the model, as `sample_numbers` takes them; the attention mask is ``[batch, seq]`` or missing.
        selected: ``[batch, seq]`` bool.
        attn_implementation: ``sdpa`` or ``eager``, see `check`.

    Returns:
        A copy with ``attention_mask`` ``[batch, 1, seq, seq]``: for sdpa bool, True where a query (third dimension)
        sees a key (fourth); for eager float32, to be added.
    """
    sample = sample_numbers(inputs)
    length = sample.shape[1]
    ones = torch.ones(length, length, dtype=torch.bool, device=sample.device)
    seen = ones.tril() & (sample[:, :, None] == sample[:, None, :]) & ~selected[:, None, :]
    seen |= torch.eye(length, dtype=torch.bool, device=sample.device)
    mask = seen.unsqueeze(1)
    if attn_implementation == "eager":
        # Not -inf: transformers' own masks take the least number, too.
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.finfo(torch.float32).min)
    return {**inputs, "attention_mask": mask}
