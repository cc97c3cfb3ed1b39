"""Tells a program that watches how far a training is, in a file of its own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from axolotl_cotmask.common.files import PROGRESS_VARIABLE, whole_file


class WritesProgress(TrainerCallback):
    """Writes ``{"step", "max_steps", "loss", "seconds_left"}`` at each log into the file that the environment names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: tuple[int, float] | None = None

    @classmethod
    def wanted(cls) -> list[TrainerCallback]:
        """Return the callback if the environment names a file, and else nothing."""
        path = os.environ.get(PROGRESS_VARIABLE)
        return [cls(Path(path))] if path else []

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Remember when and at which step this process began."""
        self._begun = state.global_step, time.monotonic()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Write how far it is; logs of an evaluation, and of the end, have no loss of the training."""
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        if self._begun is None or state.global_step <= self._begun[0]:
            return
        first, started = self._begun
        pace = (time.monotonic() - started) / (state.global_step - first)
        content = {
            "step": state.global_step,
            "max_steps": state.max_steps,
            "loss": float(logs["loss"]),
            "seconds_left": round(pace * (state.max_steps - state.global_step), 1),
        }
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")


class ProgressPlugin(BasePlugin):
    """Tells how far a training is that `CoTMaskPlugin` has no part in, such as DPO; it does nothing else."""

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """Return the callback, where the environment names a file."""
        return WritesProgress.wanted()
