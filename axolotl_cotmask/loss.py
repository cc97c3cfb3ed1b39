"""Which tokens the loss counts: the paper counts all of them; an ablation leaves out the noised ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from axolotl_cotmask.marks import IGNORE_INDEX

LossOn = Literal["all", "clean", "noised"]


def labels_for(labels: Tensor, selected: Tensor, loss_on: LossOn) -> Tensor:
    """Return the labels with those that the loss leaves out set to -100.

    The term ``-log p(w_t | s_1 .. s_{t-1})`` goes by token t itself: ``clean`` counts it where ``M_t = 0``, whatever
    the input before it is, as a masked language model goes by the tokens that it has to fill in. (The paper says "loss
    on un-noised positions only", 45.0 on GSM8K, and its code has no such option. The logged loss_noised and loss_clean
    go by the position where the prediction is made, which is one earlier.)

    Args:
        labels: ``[batch, seq]`` int64, each token's own id or -100, as models take them; not changed.
        selected: ``[batch, seq]`` bool, ``M_i = 1``.
        loss_on: all, clean or noised.

    Returns:
        ``[batch, seq]`` int64.
    """
    match loss_on:
        case "all":
            return labels
        case "clean":
            return labels.masked_fill(selected, IGNORE_INDEX)
        case "noised":
            return labels.masked_fill(~selected, IGNORE_INDEX)


def counted_batches(
    batches: Sequence[Mapping[str, Any]], select: Callable[[Mapping[str, Any]], Tensor], loss_on: LossOn
) -> list[dict[str, Any]]:
    """Return shallow copies of an accumulation window's batches, with the labels that the loss counts.

    For ``Trainer._get_num_items_in_batch``, which counts the labels of a window before its first forward, over all
    processes: the selection is keyed, so it can be told in advance.

    Args:
        batches: the micro-batches, each with ``labels`` ``[batch, seq]`` int64.
        select: gives a micro-batch's ``[batch, seq]`` bool selection.
        loss_on: all, clean or noised.
    """
    return [{**batch, "labels": labels_for(batch["labels"], select(batch), loss_on)} for batch in batches]


def zero_without_labels(loss: Tensor, labels: Tensor) -> Tensor:
    """Return ``loss``, or 0 where no token of the micro-batch counts: a mean over none of them is not a number.

    Args:
        loss: scalar.
        labels: ``[batch, seq]`` int64, that the loss was taken on.
    """
    counts = (labels[:, 1:] != IGNORE_INDEX).any()
    return torch.where(counts, loss, torch.zeros_like(loss))
