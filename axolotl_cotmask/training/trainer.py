"""Axolotl's trainer with Masked Thought noise on its training batches: `masking.step`, then Axolotl's own loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from axolotl.core.trainers import AxolotlTrainer
from axolotl.utils.samplers import MultipackBatchSampler
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking import attention
from axolotl_cotmask.masking.loss import (
    counted_batches,
    labels_for,
    token_count,
    weighted_by_tokens,
    zero_without_labels,
)
from axolotl_cotmask.masking.marks import BATCH_MARKS, MARKS, MASK_WEIGHT, TOKEN_KEY
from axolotl_cotmask.masking.metrics import SAMPLES_SEEN, Totals, predicts_label, summarise, token_losses
from axolotl_cotmask.masking.step import Marks, Masking
from axolotl_cotmask.training.collator import collate_marks
from axolotl_cotmask.training.epochs import WholeEpochs
from axolotl_cotmask.training.guard import StepGuard
from axolotl_cotmask.training.parts import mean_of_parts, split_by_length


class CoTMaskTrainer(AxolotlTrainer):
    """Masks in training, never in evaluation; labels stay as they are (paper section 3)."""

    _masking: Masking | None = None
    _guard: StepGuard | None = None
    _totals: Totals | None = None
    _micro_batch: int = 0
    _usual_count: Tensor | None = None
    _epoch: int = 0
    _packed: WholeEpochs | None = None
    _scheduled_ratio: float = 0.0
    #: Of the training data, those without any token that may be masked.
    unmaskable_rows: int = 0
    #: The last epoch, from 0, with a token that may be masked, or the last before training began.
    _maskable_epoch: int | None = None
    #: The steps of the learning rate's warm-up by those of the run, where `train_whole_epochs` has it counted anew.
    warmup_steps: Callable[[int], int] | None = None

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # Without packing, the trainer drops every column that the model's forward does not name.
        self._signature_columns += [name for name in MARKS if name not in self._signature_columns]

    def _get_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        # Another plugin may have set collators of its own, and `axolotl evaluate` calls no plugin when it has made the
        # trainer.
        collate_marks(self)
        return super()._get_dataloader(*args, **kwargs)

    def start_masking(self, masking: Masking) -> None:
        """Mask from now on.

        Raises:
            CoTMaskError: batches are to be split, and several processes would wait for each other at each part.
        """
        if masking.config.parts_by_length > 1 and self.accelerator.num_processes > 1:
            raise CoTMaskError(
                f"cotmask.parts_by_length is {masking.config.parts_by_length}, which is for one process, and this run "
                f"has {self.accelerator.num_processes}: take it out, or set sample_packing: true instead"
            )
        self._masking = masking
        if self._guard is None:
            self._guard = StepGuard()
            self.add_callback(self._guard)
        self._guard.watches = masking.config.mask_ratio > 0

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

    def set_initial_training_values(self, *args: Any, **kwargs: Any) -> Any:
        """Return transformers' numbers of a run, the last of them that of its steps, and round the warm-up by them."""
        values = super().set_initial_training_values(*args, **kwargs)
        if self.warmup_steps is not None:
            self.args.warmup_steps = self.warmup_steps(values[-1])
        return values

    def _run_epoch(self, *args: Any, **kwargs: Any) -> Any:
        masking, steps = self._masking, self.state.max_steps
        if masking is not None and masking.config.mask_ratio and masking.schedule.starts_too_late(steps):
            raise CoTMaskError(
                f"the run has {steps} steps, and by cotmask.start_ratio or start_steps nothing is noised "
                "before its end, so it would be plain SFT: let it start earlier"
            )
        if self._maskable_epoch is None:
            # A resumed run may begin within an epoch.
            self._maskable_epoch = kwargs["epoch"] - (0 if self.state.global_step else 1)
        # `state.epoch` is a fraction that packing can leave on the wrong side of a whole number.
        self._epoch = kwargs["epoch"]
        # With several processes Accelerate does not hand it on.
        if self._packed is not None:
            self._packed.set_epoch(self._epoch)
        return super()._run_epoch(*args, **kwargs)

    def _save_rng_state(self, output_dir: Any) -> None:
        """Save it, and wait for the others: the first process writes its last file when all have written theirs."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

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
            SystemExit: a training batch came without marks or labels, so that nothing could be masked.
        """
        inputs = dict(inputs)
        marks = {name: inputs.pop(name) for name in BATCH_MARKS if name in inputs}
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        masking, guard = self._masking, self._guard
        there = {MASK_WEIGHT: _has_marks(marks), "labels": "labels" in inputs}
        missing = next((name for name, is_there in there.items() if not is_there), None)
        if guard is not None and not guard.watches and missing:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if masking is None or guard is None or missing:
            raise CoTMaskError(
                f"a training batch came without {missing or MASK_WEIGHT}, so nothing would be masked: another plugin "
                "or setting replaces the data collator or the data loader, or takes columns out of the batch: take it "
                "out"
            )
        guard.step_ran()
        ratio = self._ratio(masking, self._micro_batch)
        self._micro_batch += 1
        # The outputs are those of the whole batch.
        parts = split_by_length(inputs, marks, 1 if return_outputs else masking.config.parts_by_length)
        losses, counts, outputs = [], [], None
        for of_part, its_marks in parts:
            loss, counted, outputs = self._noised_loss(masking, model, of_part, its_marks, ratio, num_items_in_batch)
            losses.append(loss)
            counts.append(token_count(counted))
        # With items, the model itself divides by how many the update has.
        loss = mean_of_parts(losses, counts) if num_items_in_batch is None else torch.stack(losses).sum()
        if masking.leaves_out and self._usual_count is not None:
            loss = weighted_by_tokens(loss, torch.stack(counts).sum(), self._usual_count)
        return (loss, outputs) if return_outputs else loss

    def _noised_loss(
        self, masking: Masking, model: Any, inputs: Marks, marks: Marks, ratio: float, num_items_in_batch: Any
    ) -> tuple[Tensor, Tensor, Any]:
        """Return the loss on the noised inputs, the labels that it counts, and the model's outputs."""
        labels = inputs["labels"]
        selected = masking.select(marks, ratio, self._epoch)
        with masking.noised(model, inputs, marks, selected, ratio, self._epoch) as noised:
            if masking.config.hide_from_attention:
                noised = attention.hidden(noised, selected, self.model.config._attn_implementation)
            noised["labels"] = counted = labels_for(labels, selected, masking.config.loss_on)
            loss, outputs = super().compute_loss(model, noised, True, num_items_in_batch)
        if masking.leaves_out:
            loss = zero_without_labels(loss, counted)
        self._count(masking, marks, selected, labels, ratio, getattr(outputs, "logits", None))
        return loss, counted, outputs

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """Return the micro-batches of an update, and over how many tokens the model is to take the mean, if it can."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._micro_batch = 0
        masking = self._masking
        # compute_loss stops where marks are missing, with a sentence.
        if masking is None or not masking.leaves_out or not all(map(_has_marks, batches)):
            return batches, items
        ratios = iter([self._ratio(masking, number) for number in range(len(batches))])

        def select(batch: Marks) -> Tensor:
            return masking.select(batch, next(ratios), self._epoch)

        counted = counted_batches(batches, select, masking.config.loss_on)
        # Early in the warm-up maybe no token of the update is noised.
        if items is not None:
            return batches, self._get_num_items_in_batch(counted, device).clamp(min=1)
        # Axolotl 0.19 has every model take the mean over a micro-batch, and the mean of those over the update.
        total = torch.as_tensor(sum(token_count(batch["labels"]) for batch in counted), device=device)
        micro_batches = len(batches) * self.accelerator.num_processes
        self._usual_count = self.accelerator.reduce(total, reduction="sum").clamp(min=1) / micro_batches
        return batches, None

    def _ratio(self, masking: Masking, micro_batch: int) -> float:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        return masking.ratio(self.state.global_step, self.state.max_steps, micro_batch * processes + process)

    def _count(
        self, masking: Masking, marks: Marks, selected: Tensor, labels: Tensor, ratio: float, logits: Tensor | None
    ) -> None:
        """Add what is logged of a micro-batch; fused losses keep no logits."""
        self._scheduled_ratio = ratio
        if self._totals is None:
            self._totals = Totals.zero(selected.device)
        self._totals.count(ratio, marks[MASK_WEIGHT], masking.begins_unit(marks), selected, labels)
        if logits is not None:
            self._totals.count_losses(token_losses(logits, labels), predicts_label(labels), selected)

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
        # Where not every row has such a token, only a whole epoch has one for sure.
        whole_epochs = self._epoch - (self._epoch if self._maskable_epoch is None else self._maskable_epoch) - 1
        certain = self.unmaskable_rows == 0 or whole_epochs > 0
        metrics = summarise(stacked, self._scheduled_ratio, self.state.global_step, certain)
        if metrics.get("cotmask/maskable_share"):
            self._maskable_epoch = self._epoch
        return metrics


def _has_marks(batch: Marks) -> bool:
    return MASK_WEIGHT in batch and TOKEN_KEY in batch
