"""An Axolotl plugin that writes down what the model is given: one JSON line per forward."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin


class RecorderPlugin(BasePlugin):
    """Records the inputs of every forward to `forwards-<rank>.jsonl` in the output directory."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Hook the model."""
        directory = Path(cfg.output_dir)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"forwards-{os.environ.get('RANK', '0')}.jsonl"

        def record(model: Any, arguments: Any, inputs: dict[str, Any]) -> None:
            row = {name: tensor.tolist() for name, tensor in inputs.items() if hasattr(tensor, "tolist")}
            row |= {
                "training": model.training,
                "epoch": getattr(trainer, "_epoch", 0),
                "step": trainer.state.global_step,
            }
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

        trainer.model.register_forward_pre_hook(record, with_kwargs=True)
