"""A directory with data, configs and the real `axolotl` command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.forked import Axolotl, Run

Rows = list[dict[str, Any]]


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass
class Project:
    """A directory with data and the means to write configs and run them."""

    directory: Path
    model: Path
    run: Axolotl

    def config(self, name: str = "config", /, **changes: Any) -> Path:
        """Write a config; a key that is changed to None goes away."""
        config: dict[str, Any] = {
            "base_model": str(self.model),
            "plugins": ["axolotl_cotmask.CoTMaskPlugin"],
            "cotmask": {"mask_ratio": 0.4, "noise": "random"},
            "datasets": [
                {"path": str(self.directory / "train.jsonl"), "type": "axolotl_cotmask.prompt_strategies.gsm8k"}
            ],
            "dataset_prepared_path": str(self.directory / f"{name}-prepared"),
            "output_dir": str(self.directory / name),
            "dataset_num_proc": 1,
            "sequence_len": 256,
            "micro_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "num_epochs": 1,
            "max_steps": None,
            "learning_rate": 1e-3,
            "optimizer": "adamw_torch",
            "lr_scheduler": "cosine",
            "logging_steps": 1,
            "save_strategy": "no",
            "attn_implementation": "sdpa",
            "bf16": False,
            "fp16": False,
            "tf32": False,
            "seed": 7,
        }
        config.update(changes)
        path = self.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in config.items() if v is not None}), encoding="utf-8")
        return path

    def axolotl(self, *arguments: str | Path, typed: str = "", **environment: str) -> Run:
        """Run the `axolotl` command in the directory."""
        return self.run(*arguments, cwd=self.directory, typed=typed, **environment)

    def train(self, name: str = "config", /, **changes: Any) -> Path:
        """Train with a changed config; return the output directory."""
        self.axolotl("train", self.config(name, **changes)).check()
        return self.directory / name

    def on_two_processes(self, name: str = "config", /, **changes: Any) -> Path:
        """Train with a changed config as two ranks; return the output directory."""
        self.run.on_two_processes("train", self.config(name, **changes), cwd=self.directory)
        return self.directory / name
