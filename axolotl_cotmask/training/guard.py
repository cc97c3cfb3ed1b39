"""Stops a run that trains past the trainer's masking step, and keeps the marks out of the model."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking.marks import BATCH_MARKS
from axolotl_cotmask.masking.noise.protocol import base_model


class StepGuard(TrainerCallback):
    """Sees after every micro-batch whether the masking step ran in it.

    Another plugin or callback may replace ``compute_loss`` or ``training_step`` at any time, and call the model itself.
    What wraps the original passes; where nothing is to be masked, everything does.
    """

    def __init__(self) -> None:
        #: Whether every micro-batch has to be masked.
        self.watches = False
        self._ran = False
        self._hooks: list[Any] = []

    def step_ran(self) -> None:
        """Note that the masking step has run in this micro-batch."""
        self._ran = True

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        """Take the marks out of whatever is given to the model from now on."""
        self._ran = False
        inner = base_model(model)
        # The last is the one without the output embedding.
        modules = {id(module): module for module in (model, inner, getattr(inner, "base_model", inner))}
        self._hooks = [
            module.register_forward_pre_hook(_without_marks, prepend=True, with_kwargs=True)
            for module in modules.values()
        ]

    @one_sentence
    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Check a micro-batch within an update.

        Raises:
            SystemExit: it was not masked.
        """
        self._check(state.global_step + 1)

    @one_sentence
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Check the last micro-batch of an update, before anything is saved.

        Raises:
            SystemExit: it was not masked.
        """
        self._check(state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the model as it was."""
        for hook in self._hooks:
            hook.remove()

    def _check(self, step: int) -> None:
        if self.watches and not self._ran:
            raise CoTMaskError(
                f"step {step} trained on inputs that were not masked, so this would be plain SFT: another plugin or "
                "callback replaces the trainer's compute_loss or training_step without calling the original: take it "
                "out, or set cotmask.mask_ratio: 0 if plain SFT is meant"
            )
        self._ran = False


def _without_marks(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return args, {name: value for name, value in kwargs.items() if name not in BATCH_MARKS}
