"""What masking does to one micro-batch: schedule -> selection -> noise. Training and the preview both go this way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from axolotl_cotmask.masking.config import CoTMaskConfig
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.draws import select_positions, selection_draws
from axolotl_cotmask.masking.marks import MASK_GROUP, MASK_WEIGHT, TOKEN_KEY, UNIT_KEY
from axolotl_cotmask.masking.noise import Noise, Noised
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from axolotl_cotmask.masking.sample_ids import sample_numbers
from axolotl_cotmask.masking.schedule import MaskSchedule

#: What the collator adds to a batch, each ``[batch, seq]``, by name.
Marks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Masking:
    """When, with what in each data set, and the seed of the masks (paper section 3)."""

    config: CoTMaskConfig
    schedule: MaskSchedule
    noises: Sequence[Noise]
    seed: int

    @classmethod
    def start(cls, run: RunMasking, tokenizer: Any, run_seed: int | None) -> Masking:
        """Return the masking at the beginning of a run.

        Args:
            run: its data sets.
            tokenizer: with the mask token, where one is used.
            run_seed: the config's own ``seed``.

        Raises:
            CoTMaskError: a noise or a token does not fit.
        """
        config = run.config
        schedule = MaskSchedule(
            config.mask_ratio,
            config.warmup_ratio,
            kind=config.schedule,
            warmup_steps=config.warmup_steps,
            start_ratio=config.start_ratio,
            start_steps=config.start_steps,
        )
        return cls(config, schedule, run.noises(tokenizer), config.mask_seed(run_seed))

    @property
    def leaves_out(self) -> bool:
        """Whether the loss leaves out tokens; a ratio of 0 is plain SFT."""
        return self.config.loss_on != "all" and self.config.mask_ratio > 0

    def ratio(self, step: int, max_steps: int, micro_batch: int = 0) -> float:
        """Return p for a micro-batch; arguments as `MaskSchedule.ratio`."""
        return self.schedule.ratio(step, max_steps, seed=self.seed, micro_batch=micro_batch)

    def select(self, marks: Marks, ratio: float, epoch: int) -> Tensor:
        """Return which tokens are noised, ``M_i = 1``: ``[batch, seq]`` bool.

        Args:
            marks: of the micro-batch.
            ratio: from `ratio`.
            epoch: epoch of the run, from 0.
        """
        return select_positions(marks[MASK_WEIGHT], _drawn_by(marks), ratio=ratio, seed=self.seed, epoch=epoch)

    def draws(self, marks: Marks, epoch: int) -> Tensor:
        """Return what `select` compares with ratio times weight, ``[batch, seq]`` float32, multiples of 2**-24."""
        return selection_draws(_drawn_by(marks), seed=self.seed, epoch=epoch)

    @staticmethod
    def begins_unit(marks: Marks) -> Tensor:
        """Return which tokens are a chance of their own, ``[batch, seq]`` bool: a unit's tokens are masked together."""
        return _drawn_by(marks) == marks[TOKEN_KEY]

    @contextmanager
    def noised(
        self, model: nn.Module, inputs: Mapping[str, Tensor], marks: Marks, selected: Tensor, ratio: float, epoch: int
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the inputs under the noise of each data set; the caller runs the model inside.

        Args:
            model: as the trainer has it, in whatever wrappers.
            inputs: of its forward; they do not change.
            marks: of the micro-batch.
            selected: ``[batch, seq]`` bool, from `select`.
            ratio: from `ratio`.
            epoch: epoch of the run, from 0.
        """
        if ratio == 0 and self.schedule.kind != "random":
            # Every process knows that nothing is noised, so that none waits for another's forward.
            yield dict(inputs)
            return
        everywhere = Noised(selected, marks[TOKEN_KEY], sample_numbers(inputs), self.seed, epoch)
        with ExitStack() as applied:
            for noise, of_noise in self._by_noise(marks, selected):
                inputs = applied.enter_context(noise.applied(model, inputs, replace(everywhere, selected=of_noise)))
            yield dict(inputs)

    def replaced(self, input_ids: Tensor, marks: Marks, selected: Tensor, epoch: int) -> Tensor | None:
        """Return the ids that the model would be given, without the model.

        None where a selected position becomes no token (noise on embeddings) or one that the model itself writes.

        Args:
            input_ids: ``[batch, seq]`` int64; they do not change.
            marks: of the batch.
            selected: ``[batch, seq]`` bool, from `select`.
            epoch: epoch of the run, from 0.
        """
        for noise, of_noise in self._by_noise(marks, selected):
            if isinstance(noise, TokenNoise):
                input_ids = noise.replaced(input_ids, of_noise, marks[TOKEN_KEY], seed=self.seed, epoch=epoch)
            elif of_noise.any():
                return None
        return input_ids

    def _by_noise(self, marks: Marks, selected: Tensor) -> Iterator[tuple[Noise, Tensor]]:
        """Yield each noise once, with the selected positions of its data sets."""
        for noise in {id(noise): noise for noise in self.noises}.values():
            if MASK_GROUP not in marks:
                yield noise, selected
                continue
            numbers = [number for number, other in enumerate(self.noises) if other is noise]
            of_noise = torch.isin(marks[MASK_GROUP], torch.tensor(numbers, device=selected.device))
            yield noise, selected & of_noise


def _drawn_by(marks: Marks) -> Tensor:
    """Return the key of each token's draw: tokens of a unit share that of its first one."""
    return marks.get(UNIT_KEY, marks[TOKEN_KEY])
