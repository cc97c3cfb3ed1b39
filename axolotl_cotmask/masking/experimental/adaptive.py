"""A mask ratio per data set that follows the gap between the losses at noised and at clean positions.

The paper names a ratio that adapts to mixed data as an open problem (Limitations). docs/schedules.md has the reasons,
and where it fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.experimental.config import AdaptiveConfig
from axolotl_cotmask.masking.marks import MASK_GROUP, MASK_WEIGHT
from axolotl_cotmask.masking.schedule import MaskSchedule

#: Where a checkpoint's ``trainer_state.json`` keeps the ratios, under ``stateful_callbacks``.
STATE_KEY = "cotmask_adaptive"
#: Rises when the saved state changes in meaning.
_FORMAT = 1


@dataclass
class _Dataset:
    """One data set: where its ratio began, where it is, and its decayed sums in the order of `loss_sums`."""

    start: float
    ratio: float
    sums: list[float]
    updates: int

    @property
    def gap(self) -> float | None:
        loss_noised, noised, loss_clean, clean = self.sums
        return loss_noised / noised - loss_clean / clean if noised and clean else None


class AdaptiveRatios:
    """One controller per data set, fed with the losses of each update.

    With the gap between the averaged losses at noised and at clean positions,
    ``ratio *= exp(rate * clip((target_gap - gap) / target_gap, -1, 1))``, between ``min_ratio`` and ``max_ratio``. The
    averages are weighted by tokens and forget earlier updates at ``4 * rate`` per update, fast enough that the ratio
    does not swing as long as the gap grows at most in proportion to it. An update without both kinds of positions, or
    with a loss that is not finite, changes nothing for its data set. Deterministic: the same sums give the same ratios.

    Not covered: a gap that falls when the ratio rises, as it does where the model learns to bear the noise, drives the
    ratio to one of its bounds.
    """

    def __init__(self, config: AdaptiveConfig, start: Mapping[str, float]) -> None:
        """Begin at each data set's own mask ratio.

        Args:
            config: the options.
            start: name of each data set -> its mask ratio, in the order of their numbers; one at 0 is never masked.

        Raises:
            CoTMaskError: a ratio that is not 0 lies outside of the bounds.
        """
        for name, ratio in start.items():
            if ratio and not config.min_ratio <= ratio <= config.max_ratio:
                raise CoTMaskError(
                    f"the mask_ratio of {name} is {ratio:g}, outside of cotmask.adaptive's min_ratio "
                    f"{config.min_ratio:g} and max_ratio {config.max_ratio:g}: move it in between, or give 0 to leave "
                    "that data set unmasked"
                )
        self._config = config
        self._datasets = {name: _Dataset(ratio, ratio, [0.0] * 4, 0) for name, ratio in start.items()}

    @property
    def ratios(self) -> list[float]:
        """The present mask ratio of each data set, before the schedule."""
        return [dataset.ratio for dataset in self._datasets.values()]

    @property
    def factors(self) -> list[float]:
        """The present ratio of each data set over its first one: what ``mask_weight`` is multiplied with."""
        return [dataset.ratio / dataset.start if dataset.start else 1.0 for dataset in self._datasets.values()]

    def update(self, windows: Sequence[Sequence[float]], *, hold: bool = False) -> None:
        """Take in the losses of one update.

        Args:
            windows: per data set what `loss_sums` gives, summed over micro-batches and processes.
            hold: average the losses and leave the ratios: while the schedule still rises, a gap at a part of the ratio
                says nothing about the whole one.
        """
        kept = 1 - 4 * self._config.rate
        for dataset, window in zip(self._datasets.values(), windows, strict=True):
            _, noised, _, clean = window
            sums = [kept * old + new for old, new in zip(dataset.sums, window, strict=True)]
            if not (noised > 0 and clean > 0 and all(map(math.isfinite, sums))):
                continue
            dataset.sums = sums
            dataset.updates += 1
            if dataset.gap is not None and dataset.start and not hold:
                short_of_target = 1 - dataset.gap / self._config.target_gap
                ratio = dataset.ratio * math.exp(self._config.rate * max(-1.0, min(1.0, short_of_target)))
                dataset.ratio = self._bounded(ratio)

    def metrics(self) -> dict[str, float]:
        """Return, by the name under which it is logged, each data set's ratio, gap (nats per token) and updates."""
        metrics: dict[str, float] = {}
        for name, dataset in self._datasets.items():
            metrics[f"cotmask/adaptive_ratio/{name}"] = dataset.ratio
            metrics[f"cotmask/adaptive_updates/{name}"] = float(dataset.updates)
            if dataset.gap is not None:
                metrics[f"cotmask/gap/{name}"] = dataset.gap
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, as plain data for JSON."""
        datasets = {
            name: {"ratio": dataset.ratio, "sums": list(dataset.sums), "updates": dataset.updates}
            for name, dataset in self._datasets.items()
        }
        return {"format": _FORMAT, "datasets": datasets}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`; data sets are found by name, and the present bounds hold.

        Raises:
            CoTMaskError: the state has another format or belongs to other data sets.
        """
        if state["format"] != _FORMAT:
            raise CoTMaskError(
                f"the checkpoint holds adaptive mask ratios in format {state['format']}, and this version of "
                f"axolotl-cotmask reads format {_FORMAT}: resume with the version that saved it, or begin a new run"
            )
        saved = state["datasets"]
        if saved.keys() != self._datasets.keys():
            raise CoTMaskError(
                f"the checkpoint holds adaptive mask ratios for the data sets {', '.join(saved)}, and the config has "
                f"{', '.join(self._datasets)}: resume with the data sets of the checkpoint, or begin a new run"
            )
        for name, dataset in self._datasets.items():
            dataset.ratio = self._bounded(saved[name]["ratio"]) if dataset.start else 0.0
            dataset.sums = list(saved[name]["sums"])
            dataset.updates = saved[name]["updates"]

    def _bounded(self, ratio: float) -> float:
        return max(self._config.min_ratio, min(self._config.max_ratio, ratio))


def loss_sums(loss: Tensor, noised: Tensor, clean: Tensor, dataset: Tensor, datasets: int) -> Tensor:
    """Return per data set the losses of the predictions made at noised and at clean positions, and how many they are.

    A loss that is not finite reaches the sums of its own data set only.

    Args:
        loss: ``[n]`` floating, in nats: of the prediction made at each position.
        noised: ``[n]`` bool, noised positions that predict a token with a label.
        clean: ``[n]`` bool, maskable and not noised positions that do.
        dataset: ``[n]`` int64, number of the data set; any other number is left out.
        datasets: how many there are.

    Returns:
        ``[datasets, 4]``, the type of ``loss``: loss at noised positions, their number, the same for clean ones.
    """
    member = dataset == torch.arange(datasets, device=dataset.device)[:, None]
    columns = []
    for positions in (member & noised, member & clean):
        columns += [torch.where(positions, loss, 0).sum(-1), positions.sum(-1).to(loss.dtype)]
    return torch.stack(columns, dim=-1)


class LossTally:
    """The `loss_sums` of an update, added up over its micro-batches."""

    def __init__(self, datasets: int) -> None:
        self._datasets = datasets
        self._sums: Tensor | None = None

    def add(self, losses: Tensor | None, predicts: Tensor, selected: Tensor, marks: Mapping[str, Tensor]) -> None:
        """Add a micro-batch; all tensors are ``[batch, seq]``.

        Args:
            losses: float32, of the prediction made at each position; None where the model gave no logits.
            predicts: bool, where a token with a label is predicted.
            selected: bool, the noised positions.
            marks: of the micro-batch.

        Raises:
            CoTMaskError: there are no losses.
        """
        if losses is None:
            raise CoTMaskError(
                "cotmask.adaptive follows losses that are taken from the model's logits, and a fused loss keeps "
                "none: take out the fused loss (Liger, Cut Cross Entropy), or adaptive"
            )
        clean = predicts & (marks[MASK_WEIGHT] > 0) & ~selected
        sums = loss_sums(
            losses.flatten(),
            (predicts & selected).flatten(),
            clean.flatten(),
            marks[MASK_GROUP].flatten(),
            self._datasets,
        )
        self._sums = sums if self._sums is None else self._sums + sums

    def take(self) -> Tensor:
        """Return the sums, ``[datasets, 4]``, and forget them; at least one micro-batch was added."""
        sums, self._sums = self._sums, None
        assert sums is not None
        return sums


class AdaptiveState(TrainerCallback):
    """Feeds the ratios after each optimizer step, and keeps them in checkpoints.

    They are part of ``trainer_state.json``, which one process writes and every process reads on a resume: a checkpoint
    has them or is none. An `ExportableState` would be in the same file, but comes back only under an option that
    brings back other callbacks too.
    """

    def __init__(self, ratios: AdaptiveRatios, schedule: MaskSchedule, take_sums: Callable[[], Tensor]) -> None:
        """Begin at the state of ``ratios``.

        Args:
            ratios: what is fed and kept.
            schedule: the ratios move only when it has risen to its whole.
            take_sums: returns the `loss_sums` of the update, ``[datasets, 4]``, over all processes, and forgets them;
                called once after each optimizer step, on every process.
        """
        self._ratios = ratios
        self._schedule = schedule
        self._take_sums = take_sums
        self._first_state = ratios.state_dict()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the ratios of the checkpoint, or the first ones.

        Raises:
            CoTMaskError: the checkpoint has none, or those of other data sets.
        """
        saved = state.stateful_callbacks.get(STATE_KEY)
        if saved is None and state.global_step > 0:
            raise CoTMaskError(
                "the checkpoint holds no adaptive mask ratios, it was saved by a run without cotmask.adaptive: take "
                "cotmask.adaptive out, or begin a new run"
            )
        # A new attempt after too large a batch begins again at the first step.
        self._ratios.load_state_dict(saved or self._first_state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Feed the ratios with the update that has just been made, before anything is logged or saved."""
        share = self._schedule.share(state.global_step - 1, state.max_steps)
        self._ratios.update(self._take_sums().tolist(), hold=share < 1)
        state.stateful_callbacks[STATE_KEY] = self._ratios.state_dict()
