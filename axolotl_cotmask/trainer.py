"""The training step: schedule -> selection -> noise -> Axolotl's own loss, on unchanged labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from axolotl.core.trainers import AxolotlTrainer
from axolotl.utils.samplers import MultipackBatchSampler

from axolotl_cotmask.errors import CoTMaskError, one_sentence
from axolotl_cotmask.marks import MASK_WEIGHT, TOKEN_KEY
from axolotl_cotmask.metrics import SAMPLES_SEEN, Totals, summarise
from axolotl_cotmask.noise.tokens import TokenNoise
from axolotl_cotmask.packing import WholeEpochs
from axolotl_cotmask.schedule import MaskSchedule
from axolotl_cotmask.selection import select_positions


@dataclass
class Masking:
    """What the step needs to know: when, with what, and the seed of the masks."""

    schedule: MaskSchedule
    noise: TokenNoise
    seed: int


class CoTMaskTrainer(AxolotlTrainer):
    """Axolotl's trainer with Masked Thought noise on the inputs of training batches (paper section 3)."""

    masking: Masking | None = None
    _totals: Totals | None = None
    _epoch: int = 0
    _packed: WholeEpochs | None = None
    _scheduled_ratio: float = 0.0

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # Without packing, the trainer drops every column that the model's forward does not name.
        if MASK_WEIGHT not in self._signature_columns:
            self._signature_columns.append(MASK_WEIGHT)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        sampler = super()._get_train_sampler(train_dataset)
        if not isinstance(sampler, MultipackBatchSampler):
            return sampler
        self._packed = WholeEpochs(
            sampler,
            seed=self.args.seed,
            epochs=math.ceil(self.args.num_train_epochs),
            processes=self.accelerator.num_processes,
        )
        return self._packed

    def _run_epoch(self, *args: Any, **kwargs: Any) -> Any:
        # `state.epoch` is a fraction that packing can leave on the wrong side of a whole number.
        self._epoch = kwargs["epoch"]
        # With several processes Accelerate does not hand it on.
        if self._packed is not None:
            self._packed.set_epoch(self._epoch)
        return super()._run_epoch(*args, **kwargs)

    @one_sentence
    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train, and check at the end what was masked since the last log."""
        result = super().train(*args, **kwargs)
        self._take_metrics()
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
        if self._totals is None:
            self._totals = Totals.zero(selected.device)
        self._totals.count(ratio, mask_weight, selected, inputs["labels"])
        # Fused losses keep no logits.
        if getattr(outputs, "logits", None) is not None:
            self._totals.count_losses(outputs.logits, inputs["labels"], selected)
        return (loss, outputs) if return_outputs else loss

    @one_sentence
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log ``logs`` with the masking metrics of the steps since the last log, and the samples seen so far."""
        if "loss" in logs:
            # Of the data set's rows, which a packed batch does not count; an epoch has each of them once.
            seen = {SAMPLES_SEEN: float(round((self.state.epoch or 0.0) * len(self.train_dataset)))}
            self.store_metrics({**self._take_metrics(), **seen})
        super().log(logs, start_time)

    def _take_metrics(self) -> dict[str, float]:
        """Return the metrics since the last call, over all processes, and begin anew."""
        if self._totals is None:
            return {}
        stacked = self.accelerator.reduce(self._totals.stacked(), reduction="sum")
        self._totals = None
        return summarise(stacked, self._scheduled_ratio, self.state.global_step)
