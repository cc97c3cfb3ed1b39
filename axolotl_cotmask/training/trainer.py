"""The training step: schedule -> selection -> noise -> Axolotl's own loss, on unchanged labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from axolotl.core.trainers import AxolotlTrainer
from axolotl.utils.samplers import MultipackBatchSampler
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking import attention
from axolotl_cotmask.masking import datasets as masking
from axolotl_cotmask.masking.adaptive import AdaptiveRatios, AdaptiveState, loss_sums
from axolotl_cotmask.masking.config import CoTMaskConfig
from axolotl_cotmask.masking.draws import select_positions
from axolotl_cotmask.masking.loss import (
    counted_batches,
    labels_for,
    token_count,
    weighted_by_tokens,
    zero_without_labels,
)
from axolotl_cotmask.masking.marks import BATCH_MARKS, IGNORE_INDEX, MARKS, MASK_GROUP, MASK_WEIGHT, TOKEN_KEY, UNIT_KEY
from axolotl_cotmask.masking.metrics import SAMPLES_SEEN, Totals, summarise, token_losses
from axolotl_cotmask.masking.noise import Noise, Noised
from axolotl_cotmask.masking.sample_ids import sample_numbers
from axolotl_cotmask.masking.schedule import MaskSchedule
from axolotl_cotmask.training.epochs import WholeEpochs

Marks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Masking:
    """What the step needs to know: when, with what in each data set, how strongly by now, and the seed of the masks."""

    config: CoTMaskConfig
    schedule: MaskSchedule
    noises: Sequence[Noise]
    adaptive: AdaptiveRatios | None
    seed: int

    @property
    def leaves_out(self) -> bool:
        """Whether the loss leaves out tokens; a ratio of 0 is plain SFT."""
        return self.config.loss_on != "all" and self.config.mask_ratio > 0


class CoTMaskTrainer(AxolotlTrainer):
    """Axolotl's trainer with Masked Thought noise on the inputs of training batches (paper section 3)."""

    _masking: Masking | None = None
    _totals: Totals | None = None
    _loss_sums: Tensor | None = None
    _micro_batch: int = 0
    _usual_count: Tensor | None = None
    _epoch: int = 0
    _packed: WholeEpochs | None = None
    _scheduled_ratio: float = 0.0

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # Without packing, the trainer drops every column that the model's forward does not name.
        self._signature_columns += [name for name in MARKS if name not in self._signature_columns]

    def start_masking(self, config: CoTMaskConfig, entries: list[Mapping[str, Any]], seed: int) -> None:
        """Mask from now on.

        Args:
            config: the ``cotmask:`` block.
            entries: of ``datasets:``.
            seed: of the masks.

        Raises:
            CoTMaskError: a noise, a token or a ratio does not fit.
        """
        schedule = masking.schedule(config)
        adaptive = None
        if config.adaptive is not None:
            start = {group.name: group.ratio for group in masking.groups(entries, config)}
            adaptive = AdaptiveRatios(config.adaptive, start)
            self.add_callback(AdaptiveState(adaptive, schedule, self._take_loss_sums))
        noises = masking.noises(entries, config, self.processing_class)
        self._masking = Masking(config, schedule, noises, adaptive, seed)

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
        current = self._masking
        steps = self.state.max_steps
        if current is not None and current.config.mask_ratio and current.schedule.starts_too_late(steps):
            raise CoTMaskError(
                f"the run has {steps} steps, and by cotmask.start_ratio or start_steps nothing is noised "
                "before its end, so it would be plain SFT: let it start earlier"
            )
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
        marks = {name: inputs.pop(name) for name in BATCH_MARKS if name in inputs}
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self._masking is None or MASK_WEIGHT not in marks or TOKEN_KEY not in marks:
            raise CoTMaskError(
                f"a training batch came without {MASK_WEIGHT}, so nothing would be masked: another plugin or setting "
                "replaces the data collator: take it out"
            )
        config, labels = self._masking.config, inputs["labels"]
        ratio = self._ratio(self._masking, self._micro_batch)
        self._micro_batch += 1
        weight = self._weight(self._masking, marks)
        selected = self._select(self._masking, weight, marks, ratio)
        with self._noised(self._masking, model, inputs, marks, selected, ratio) as inputs:
            if config.hide_from_attention:
                inputs = attention.hidden(inputs, selected, self.model.config._attn_implementation)
            inputs["labels"] = labels_for(labels, selected, config.loss_on)
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if self._masking.leaves_out:
            loss = zero_without_labels(loss, inputs["labels"])
            if self._usual_count is not None:
                loss = weighted_by_tokens(loss, inputs["labels"], self._usual_count)
        self._count(self._masking, ratio, weight, marks, selected, labels, getattr(outputs, "logits", None))
        return (loss, outputs) if return_outputs else loss

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """Return the micro-batches of an update, and over how many tokens the model is to take the mean, if it can."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._micro_batch = 0
        current = self._masking
        # compute_loss stops where marks are missing, with a sentence.
        if (
            current is None
            or not current.leaves_out
            or not all({MASK_WEIGHT, TOKEN_KEY} <= set(batch) for batch in batches)
        ):
            return batches, items
        ratios = iter([self._ratio(current, number) for number in range(len(batches))])

        def select(batch: Marks) -> Tensor:
            return self._select(current, self._weight(current, batch), batch, next(ratios))

        counted = counted_batches(batches, select, current.config.loss_on)
        # Early in the warm-up maybe no token of the update is noised.
        if items is not None:
            return batches, self._get_num_items_in_batch(counted, device).clamp(min=1)
        # Axolotl 0.19 has every model take the mean over a micro-batch, and the mean of those over the update.
        total = torch.as_tensor(sum(token_count(batch["labels"]) for batch in counted), device=device)
        micro_batches = len(batches) * self.accelerator.num_processes
        self._usual_count = self.accelerator.reduce(total, reduction="sum").clamp(min=1) / micro_batches
        return batches, None

    def _ratio(self, current: Masking, micro_batch: int) -> float:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        return current.schedule.ratio(
            self.state.global_step,
            self.state.max_steps,
            seed=current.seed,
            micro_batch=micro_batch * processes + process,
        )

    @staticmethod
    def _weight(current: Masking, marks: Marks) -> Tensor:
        weight = marks[MASK_WEIGHT]
        if current.adaptive is None:
            return weight
        return weight * torch.tensor(current.adaptive.factors, device=weight.device)[marks[MASK_GROUP]]

    def _select(self, current: Masking, weight: Tensor, marks: Marks, ratio: float) -> Tensor:
        key = marks.get(UNIT_KEY, marks[TOKEN_KEY])
        return select_positions(weight, key, ratio=ratio, seed=current.seed, epoch=self._epoch)

    @contextmanager
    def _noised(
        self, current: Masking, model: Any, inputs: dict[str, Any], marks: Marks, selected: Tensor, ratio: float
    ) -> Iterator[dict[str, Any]]:
        """Yield the inputs under the noise of each data set."""
        everywhere = Noised(selected, marks[TOKEN_KEY], sample_numbers(inputs), current.seed, self._epoch)
        if ratio == 0 and current.schedule.kind != "random":
            # Every process knows that nothing is noised, so that none waits for another's forward.
            yield dict(inputs)
            return
        with ExitStack() as applied:
            for noise in {id(noise): noise for noise in current.noises}.values():
                noised = everywhere
                if MASK_GROUP in marks:
                    mine = [number for number, other in enumerate(current.noises) if other is noise]
                    of_mine = torch.isin(marks[MASK_GROUP], torch.tensor(mine, device=selected.device))
                    noised = replace(everywhere, selected=selected & of_mine)
                inputs = applied.enter_context(noise.applied(model, inputs, noised))
            yield dict(inputs)

    def _count(
        self,
        current: Masking,
        ratio: float,
        weight: Tensor,
        marks: Marks,
        selected: Tensor,
        labels: Tensor,
        logits: Tensor | None,
    ) -> None:
        """Add what is logged of a micro-batch, and what the adaptive ratios follow."""
        self._scheduled_ratio = ratio
        if self._totals is None:
            self._totals = Totals.zero(selected.device)
        # Tokens of a unit are masked together: only its first one is a chance of its own.
        first = marks[UNIT_KEY] == marks[TOKEN_KEY] if UNIT_KEY in marks else torch.ones_like(selected)
        self._totals.count(ratio, weight, first, selected, labels)
        # Fused losses keep no logits.
        if logits is None:
            if current.adaptive is not None:
                raise CoTMaskError(
                    "cotmask.adaptive follows losses that are taken from the model's logits, and a fused loss keeps "
                    "none: take out the fused loss (Liger, Cut Cross Entropy), or adaptive"
                )
            return
        losses = token_losses(logits, labels)
        predicts = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX) != IGNORE_INDEX
        self._totals.count_losses(losses, predicts, selected)
        if current.adaptive is not None:
            maskable = marks[MASK_WEIGHT] > 0
            sums = loss_sums(
                losses.flatten(),
                (predicts & selected).flatten(),
                (predicts & maskable & ~selected).flatten(),
                marks[MASK_GROUP].flatten(),
                len(current.noises),
            )
            self._loss_sums = sums if self._loss_sums is None else self._loss_sums + sums

    def _take_loss_sums(self) -> Tensor:
        sums, self._loss_sums = self._loss_sums, None
        assert sums is not None
        return self.accelerator.reduce(sums, reduction="sum")

    @one_sentence
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log ``logs`` with the masking metrics of the steps since the last log, and the samples seen so far."""
        if "loss" in logs:
            # Of the data set's rows, which a packed batch does not count; an epoch has each of them once.
            seen = {SAMPLES_SEEN: float(round((self.state.epoch or 0.0) * len(self.train_dataset)))}
            adaptive = self._masking.adaptive if self._masking else None
            self.store_metrics({**self._take_metrics(), **(adaptive.metrics() if adaptive else {}), **seen})
        super().log(logs, start_time)

    def _take_metrics(self) -> dict[str, float]:
        """Return the metrics since the last call, over all processes, and begin anew."""
        if self._totals is None:
            return {}
        stacked = self.accelerator.reduce(self._totals.stacked(), reduction="sum")
        self._totals = None
        return summarise(stacked, self._scheduled_ratio, self.state.global_step)
