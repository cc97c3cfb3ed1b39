"""The training step: schedule -> selection -> noise -> Axolotl's own loss, on unchanged labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from axolotl.core.trainers import AxolotlTrainer
from torch import Tensor
from torch.nn import functional

from axolotl_cotmask.errors import CoTMaskError, one_sentence
from axolotl_cotmask.marks import IGNORE_INDEX, MASK_WEIGHT, TOKEN_KEY
from axolotl_cotmask.noise.tokens import TokenNoise
from axolotl_cotmask.schedule import MaskSchedule
from axolotl_cotmask.selection import select_positions

#: Enough expected maskings that none happening is no accident: the chance is below exp(-30).
_CERTAIN = 30.0
#: Tokens whose logits are turned to float32 at a time, so that the log needs little memory beside the model's.
_LOGIT_CHUNK = 1024


@dataclass
class Masking:
    """What the step needs to know: when, with what, and the seed of the masks."""

    schedule: MaskSchedule
    noise: TokenNoise
    seed: int


@dataclass
class Totals:
    """Sums since the last log, kept on the device so that no step waits for them."""

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

    def stacked(self) -> Tensor:
        """Return the sums as ``[n]``, in the order of the fields."""
        return torch.stack([getattr(self, name) for name in self.__dataclass_fields__])


class CoTMaskTrainer(AxolotlTrainer):
    """Axolotl's trainer with Masked Thought noise on the inputs of training batches (paper section 3)."""

    masking: Masking | None = None
    _totals: Totals | None = None
    _epoch: int = 0
    _scheduled_ratio: float = 0.0

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # Without packing, the trainer drops every column that the model's forward does not name.
        if MASK_WEIGHT not in self._signature_columns:
            self._signature_columns.append(MASK_WEIGHT)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> Any:
        # `state.epoch` is a fraction that packing can leave on the wrong side of a whole number.
        self._epoch = kwargs["epoch"]
        return super()._run_epoch(*args, **kwargs)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train, and check at the end what was masked since the last log."""
        result = super().train(*args, **kwargs)
        self._take_totals()
        return result

    @one_sentence
    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss on the noised inputs in training, on the inputs as they are in evaluation.

        Raises:
            SystemExit: a training batch came without marks, so that nothing could be masked.
        """
        inputs = dict(inputs)
        mask_weight, token_key = inputs.pop(MASK_WEIGHT, None), inputs.pop(TOKEN_KEY, None)
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self.masking is None or mask_weight is None or token_key is None:
            raise CoTMaskError(
                f"a training batch came without {MASK_WEIGHT}, so nothing would be masked: another plugin or setting "
                "replaces the data collator: take it out"
            )
        seed, epoch = self.masking.seed, self._epoch
        ratio = self.masking.schedule.ratio(self.state.global_step, self.state.max_steps)
        selected = select_positions(mask_weight, token_key, ratio=ratio, seed=seed, epoch=epoch)
        inputs["input_ids"] = self.masking.noise(inputs["input_ids"], selected, token_key, seed=seed, epoch=epoch)
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        self._scheduled_ratio = ratio
        self._count(ratio, mask_weight, selected, inputs["labels"])
        if getattr(outputs, "logits", None) is not None:
            self._count_losses(outputs.logits, inputs["labels"], selected)
        return (loss, outputs) if return_outputs else loss

    @one_sentence
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log ``logs`` with the masking metrics of the steps since the last log."""
        if "loss" in logs:
            self.store_metrics(self._take_totals())
        super().log(logs, start_time)

    @torch.no_grad()
    def _count(self, ratio: float, mask_weight: Tensor, selected: Tensor, labels: Tensor) -> None:
        if self._totals is None:
            self._totals = Totals.zero(selected.device)
        totals = self._totals
        totals.expected += (ratio * mask_weight).sum()
        totals.noised += selected.sum()
        totals.maskable += (mask_weight > 0).sum()
        totals.supervised += (labels != IGNORE_INDEX).sum()
        totals.tokens += labels.numel()

    @torch.no_grad()
    def _count_losses(self, logits: Tensor, labels: Tensor, selected: Tensor) -> None:
        """Add the loss of the predictions made at noised and at clean positions: token i + 1 is predicted at i."""
        assert self._totals is not None
        next_labels = functional.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX).flatten()
        flat_logits, noised = logits.flatten(0, 1), selected.flatten()
        for start in range(0, len(next_labels), _LOGIT_CHUNK):
            part = slice(start, start + _LOGIT_CHUNK)
            loss = functional.cross_entropy(
                flat_logits[part].float(), next_labels[part], ignore_index=IGNORE_INDEX, reduction="none"
            )
            predicts = next_labels[part] != IGNORE_INDEX
            at_noised = predicts & noised[part]
            at_clean = predicts & ~noised[part]
            self._totals.loss_noised += (loss * at_noised).sum()
            self._totals.predicted_noised += at_noised.sum()
            self._totals.loss_clean += (loss * at_clean).sum()
            self._totals.predicted_clean += at_clean.sum()

    def _take_totals(self) -> dict[str, float]:
        """Return the metrics since the last call, over all processes, and begin anew.

        Raises:
            CoTMaskError: there was something to mask and nothing was masked.
        """
        if self._totals is None:
            return {}
        summed = self.accelerator.reduce(self._totals.stacked(), reduction="sum")
        totals = dict(zip(Totals.__dataclass_fields__, summed.tolist(), strict=True))
        self._totals = None
        steps = f"up to step {self.state.global_step}"
        if totals["supervised"] > 0 and totals["maskable"] == 0 and self._scheduled_ratio > 0:
            raise CoTMaskError(
                f"{steps} no token was maskable, so this would be plain SFT: check mask_ratio and protect of the data "
                "sets, or set cotmask.mask_ratio: 0 if that is meant"
            )
        if totals["expected"] > _CERTAIN and totals["noised"] == 0:
            raise CoTMaskError(
                f"{steps} about {totals['expected']:.0f} tokens should have been masked and none was, so this would be "
                "plain SFT: another plugin or setting changes the marks: take it out"
            )
        metrics = {
            "scheduled_ratio": self._scheduled_ratio,
            "realised_ratio": _share(totals["noised"], totals["maskable"]),
            "loss_noised": _share(totals["loss_noised"], totals["predicted_noised"]),
            "loss_clean": _share(totals["loss_clean"], totals["predicted_clean"]),
            "maskable_share": _share(totals["maskable"], totals["tokens"]),
        }
        return {f"cotmask/{name}": value for name, value in metrics.items() if value is not None}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
