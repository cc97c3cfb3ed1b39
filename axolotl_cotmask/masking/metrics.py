"""What is logged about the masking: sums over batches, kept on the device so that no step waits for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.marks import IGNORE_INDEX

#: Logged: rows of the training data seen so far, the same row counted anew in each epoch.
SAMPLES_SEEN = "cotmask/samples_seen"
#: Enough expected maskings that none happening is no accident: the chance is below exp(-30).
_CERTAIN = 30.0
#: Tokens whose logits are turned to float32 at a time, so that the losses need little memory beside the model's; on a
#: processor as many as its caches hold.
_LOGIT_CHUNK, _LOGIT_CHUNK_CPU = 1024, 64


@dataclass
class Totals:
    """Sums since the last log, each a scalar tensor."""

    expected: Tensor
    noised: Tensor
    maskable: Tensor
    supervised: Tensor
    tokens: Tensor
    loss_noised: Tensor
    predicted_noised: Tensor
    loss_clean: Tensor
    predicted_clean: Tensor

    @classmethod
    def zero(cls, device: torch.device) -> Totals:
        """Return sums of nothing."""
        dtype = torch.float32 if device.type == "mps" else torch.float64
        return cls(*(torch.zeros((), dtype=dtype, device=device) for _ in cls.__dataclass_fields__))

    @torch.no_grad()
    def count(self, ratio: float, mask_weight: Tensor, first: Tensor, selected: Tensor, labels: Tensor) -> None:
        """Add a batch: all ``[batch, seq]``; float32, bool (first token of its unit), bool and int64."""
        self.expected += (ratio * mask_weight * first).sum()
        self.noised += selected.sum()
        self.maskable += (mask_weight > 0).sum()
        self.supervised += (labels != IGNORE_INDEX).sum()
        self.tokens += labels.numel()

    @torch.no_grad()
    def count_losses(self, losses: Tensor, predicts: Tensor, selected: Tensor) -> None:
        """Add the losses of the predictions made at noised and at clean positions.

        Args:
            losses: ``[batch, seq]`` float32, from `token_losses`.
            predicts: ``[batch, seq]`` bool, whether the next token carries a label.
            selected: ``[batch, seq]`` bool.
        """
        at_noised, at_clean = predicts & selected, predicts & ~selected
        self.loss_noised += (losses * at_noised).sum()
        self.predicted_noised += at_noised.sum()
        self.loss_clean += (losses * at_clean).sum()
        self.predicted_clean += at_clean.sum()

    def stacked(self) -> Tensor:
        """Return the sums as ``[n]``, in the order of the fields."""
        return torch.stack([getattr(self, name) for name in self.__dataclass_fields__])


@torch.no_grad()
def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of the prediction made at each position, in nats: token i + 1 is predicted at i.

    Args:
        logits: ``[batch, seq, vocabulary]``, any floating type.
        labels: ``[batch, seq]`` int64.

    Returns:
        ``[batch, seq]`` float32; 0 where the next token carries no label.
    """
    next_labels = functional.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX).flatten()
    of_token, losses = logits.flatten(0, 1), torch.zeros(len(next_labels), device=logits.device)
    for chunk in _chunks(next_labels):
        losses[chunk] = functional.cross_entropy(
            of_token[chunk].float(), next_labels[chunk], ignore_index=IGNORE_INDEX, reduction="none"
        )
    return losses.view_as(labels)


def _chunks(next_labels: Tensor) -> Iterable[slice | Tensor]:
    """Return places that have all labels, in parts; on a processor those with labels alone."""
    if next_labels.device.type == "cpu":
        return (next_labels != IGNORE_INDEX).nonzero().flatten().split(_LOGIT_CHUNK_CPU)
    # To look for them on a GPU would be to wait for it.
    return [slice(begin, begin + _LOGIT_CHUNK) for begin in range(0, len(next_labels), _LOGIT_CHUNK)]


def predicts_label(labels: Tensor) -> Tensor:
    """Return at which positions a token with a label is predicted: ``[batch, seq]`` bool, as ``labels``."""
    return functional.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX) != IGNORE_INDEX


def summarise(stacked: Tensor, scheduled_ratio: float, step: int, certain: bool = True) -> dict[str, float]:
    """Return the metrics of summed `Totals`, by the name under which they are logged.

    Args:
        stacked: ``[n]``, from `Totals.stacked`, summed over processes.
        scheduled_ratio: of the last update.
        step: optimizer steps done.
        certain: whether the rows that were summed must have a token that may be masked.

    Raises:
        CoTMaskError: there was something to mask and nothing was masked.
    """
    totals = dict(zip(Totals.__dataclass_fields__, stacked.tolist(), strict=True))
    if totals["supervised"] > 0 and totals["maskable"] == 0 and scheduled_ratio > 0 and certain:
        raise CoTMaskError(
            f"up to step {step} no token was maskable, though the rows have such tokens, so this would be plain SFT: "
            "another plugin or setting changes the marks: take it out"
        )
    if totals["expected"] > _CERTAIN and totals["noised"] == 0:
        raise CoTMaskError(
            f"up to step {step} about {totals['expected']:.0f} tokens should have been masked and none was, so this "
            "would be plain SFT: another plugin or setting changes the marks: take it out"
        )
    metrics = {
        "scheduled_ratio": scheduled_ratio,
        "realised_ratio": _share(totals["noised"], totals["maskable"]),
        "loss_noised": _share(totals["loss_noised"], totals["predicted_noised"]),
        "loss_clean": _share(totals["loss_clean"], totals["predicted_clean"]),
        "maskable_share": _share(totals["maskable"], totals["tokens"]),
    }
    return {f"cotmask/{name}": value for name, value in metrics.items() if value is not None}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
