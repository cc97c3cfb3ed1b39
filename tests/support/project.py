"""A directory with data, configs and the real `axolotl` command, and how a command ended."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """How a command ended: exit status and everything that it wrote."""

    status: int
    output: str

    def check(self) -> Run:
        assert self.status == 0, self.output[-6000:]
        return self

    def sentence(self) -> str:
        """The one sentence that a failed run ended with; there is no traceback around it."""
        assert self.status == 1, self.output[-6000:]
        assert "Traceback" not in self.output, self.output[-6000:]
        lines = [line for line in self.output.splitlines() if line.startswith(("axolotl-cotmask: ", "Error: "))]
        assert len(lines) == 1, self.output[-6000:]
        return lines[0].split(": ", 1)[1]


def axolotl_main(arguments: list[str], directory: str, environment: dict[str, str], output: str) -> None:
    """Run the `axolotl` command in a forked process; ``output`` gets all that it writes."""
    import sys

    os.chdir(directory)
    # The process that this one was forked from keeps the variables of its own start.
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["axolotl", *arguments]
    # As in a process that the shell started: this one was forked with another start method for its own children.
    multiprocessing.set_start_method("fork", force=True)
    from axolotl.cli.main import main

    main()


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass
class Project:
    """A directory with data and the means to write configs and run them."""

    directory: Path
    model: Path
    run: Callable[..., Run]

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

    def axolotl(self, *arguments: str | Path, **environment: str) -> Run:
        """Run the `axolotl` command in the directory."""
        return self.run(*arguments, cwd=self.directory, **environment)

    def train(self, name: str = "config", /, **changes: Any) -> Path:
        """Train with a changed config; return the output directory."""
        self.axolotl("train", self.config(name, **changes)).check()
        return self.directory / name
