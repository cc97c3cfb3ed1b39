"""An Axolotl plugin that keeps what the trained model says, to compare it with the saved one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin

#: What the models are asked: base tokens, none of them special.
IDS = torch.arange(20, 60).view(2, 20)


class LogitsPlugin(BasePlugin):
    """Writes the logits on `IDS` to `logits.pt` in the output directory."""

    def post_train(self, cfg: Any, model: Any) -> None:
        """Axolotl calls this at the end of the training, and once more after the model was saved."""
        path = Path(cfg.output_dir) / "logits.pt"
        if path.exists():
            return
        training = model.training
        with torch.no_grad():
            torch.save(model.eval()(IDS).logits, path)
        model.train(training)


class ShardsPlugin(BasePlugin):
    """Has the model saved in several files."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Change what `save_pretrained` does by default."""
        trainer.model.save_pretrained = partial(trainer.model.save_pretrained, max_shard_size="40KB")


SHARDS = "support.logits_recorder.ShardsPlugin"
