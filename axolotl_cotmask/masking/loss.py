"""Which predictions the loss counts: the paper counts all; an ablation leaves out those made at noised positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from axolotl_cotmask.masking.marks import IGNORE_INDEX

LossOn = Literal["all", "clean", "noised"]


def labels_for(labels: Tensor, selected: Tensor, loss_on: LossOn) -> Tensor:
    """Return the labels with those that the loss leaves out set to -100.

    The term ``-log p(w_t | s_1 .. s_{t-1})`` goes by the position where the prediction is made: ``clean`` counts it
    where ``M_{t-1} = 0``, as the logged loss_clean does. The paper (section 3.3: 45.0 on GSM8K) says "non-noisy
    tokens", which may also mean ``M_t = 0``, and its code has no such option; its reason, that predicting the next
    token *at* a masked position is harder, and its appendix K are about the position.

    Args:
        labels: ``[batch, seq]`` int64, each token's own id or -100, as models take them; not changed.
        selected: ``[batch, seq]`` bool, ``M_i = 1``.
        loss_on: all, clean or noised.

    Returns:
        ``[batch, seq]`` int64.
    """
    if loss_on == "all":
        return labels
    predicted_at_noised = functional.pad(selected[:, :-1], (1, 0))
    left_out = predicted_at_noised if loss_on == "clean" else ~predicted_at_noised
    return labels.masked_fill(left_out, IGNORE_INDEX)


def counted_batches(
    batches: Sequence[Mapping[str, Any]], select: Callable[[Mapping[str, Any]], Tensor], loss_on: LossOn
) -> list[dict[str, Any]]:
    """Return shallow copies of an update's micro-batches, with the labels that the loss counts.

    They have to be counted before the first forward: the selection is keyed, so it can be told in advance.

    Args:
        batches: the micro-batches, each with ``labels`` ``[batch, seq]`` int64.
        select: gives a micro-batch's ``[batch, seq]`` bool selection.
        loss_on: all, clean or noised.
    """
    return [{**batch, "labels": labels_for(batch["labels"], select(batch), loss_on)} for batch in batches]


def token_count(labels: Tensor) -> Tensor:
    """Return over how many tokens a causal model takes its loss: nothing predicts the first one of a row.

    Args:
        labels: ``[batch, seq]`` int64.
    """
    return (labels[:, 1:] != IGNORE_INDEX).sum()


def weighted_by_tokens(loss: Tensor, count: Tensor, usual_count: Tensor) -> Tensor:
    """Return a micro-batch's mean loss, weighted so that each counted token of the update has the same weight.

    How many tokens count is up to the masks: a plain mean would make those of a micro-batch that has few count more.

    Args:
        loss: scalar, the mean over the micro-batch's counted tokens.
        count: scalar, how many tokens those are, from `token_count`.
        usual_count: scalar, the mean of `token_count` over the update's micro-batches in all processes.
    """
    return loss * (count / usual_count)


def zero_without_labels(loss: Tensor, labels: Tensor) -> Tensor:
    """Return ``loss``, or 0 where no token of the micro-batch counts: a mean over none of them is not a number.

    Args:
        loss: scalar.
        labels: ``[batch, seq]`` int64, that the loss was taken on.
    """
    return torch.where(token_count(labels) > 0, loss, torch.zeros_like(loss))
