"""An Axolotl plugin that, before a run begins, tries every combination of where, what and which tokens on its model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin

from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.marks import MASK_WEIGHT, Marking, mark_rows
from axolotl_cotmask.masking.step import Masking

SCOPES = ("target", "source", "all")
SELECTS = ("tokens", "numbers", "operators", "equations", "words", "steps")
NOISES: tuple[Any, ...] = (
    "mask", "random", {"mask": 0.8, "random": 0.2}, {"dropout": {"q": 0.9}}, {"uniform": {"alpha": 5}},
    {"scheduled_sampling": {"tau": 5}},
)  # fmt: skip
#: On top of one combination each.
EXTRAS: tuple[dict[str, Any], ...] = (
    {"hide_from_attention": True}, {"loss_on": "clean"}, {"loss_on": "noised"}, {"schedule": "random"}, {"schedule": "cosine"},
)  # fmt: skip
ROWS = 6


class EveryNoisePlugin(BasePlugin):
    """Named after ours, so that the trainer masks already; writes `every-noise.json` into the output directory."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Two steps of each combination, under bf16 autocast and with gradient checkpointing."""
        model = trainer.model
        model.train()
        model.gradient_checkpointing_enable({"use_reentrant": False})
        if cfg.adapter:
            model.enable_input_require_grads()
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        trainer.state.max_steps, trainer.state.global_step = 100, 90
        found = []
        blocks = [
            {"scope": scope, "select": select, "noise": noise}
            for scope in SCOPES for select in SELECTS for noise in NOISES
        ] + [{"scope": "target", "select": "numbers", "noise": "random", **extra} for extra in EXTRAS]  # fmt: skip
        for block in blocks:
            config = parse_config({"mask_ratio": 0.5, "mask_token": "<pad>", **block})
            self._start(cfg, trainer, config)
            batch = self._batch(cfg, trainer, config)
            trainer._get_num_items_in_batch([batch], torch.device("cpu"))
            losses = []
            for _ in range(2):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = trainer.compute_loss(model, {name: value.clone() for name, value in batch.items()})
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
            totals = trainer._totals
            found.append(
                {"block": block, "losses": losses, "noised": int(totals.noised), "maskable": int(totals.maskable)}
            )
            trainer._totals = None
            assert all(map(math.isfinite, losses)), block
        trainer.state.max_steps = trainer.state.global_step = 0
        self._start(cfg, trainer, parse_config(cfg.cotmask.to_dict()))
        path = Path(cfg.output_dir)
        path.mkdir(parents=True, exist_ok=True)
        (path / "every-noise.json").write_text(json.dumps(found), encoding="utf-8")

    @staticmethod
    def _start(cfg: Any, trainer: Any, config: Any) -> None:
        trainer.start_masking(Masking.start(RunMasking(config, cfg.datasets), trainer.processing_class, run_seed=7))

    @staticmethod
    def _batch(cfg: Any, trainer: Any, config: Any) -> dict[str, torch.Tensor]:
        rows = trainer.train_dataset.select(range(ROWS))
        marking = Marking(weight=1.0, sha256=None, scope=config.scope, select=config.select, group=None)
        marks = mark_rows(rows.to_dict(), marking, trainer.processing_class)
        samples = [{**row, **{name: marks[name][i] for name in marks}} for i, row in enumerate(rows)]
        assert MASK_WEIGHT in samples[0]
        return dict(trainer.data_collator([samples] if cfg.sample_packing else samples))
