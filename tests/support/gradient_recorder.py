"""An Axolotl plugin that keeps the gradient of the first optimizer step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback


class _KeepGradients(TrainerCallback):
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        path = Path(args.output_dir) / "gradients.pt"
        if not path.exists():
            torch.save({name: tensor.grad for name, tensor in model.named_parameters()}, path)


class GradientPlugin(BasePlugin):
    """Writes the gradients to `gradients.pt` in the output directory."""

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[TrainerCallback]:
        return [_KeepGradients()]


GRADIENTS = "support.gradient_recorder.GradientPlugin"
