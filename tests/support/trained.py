"""What runs are trained with in several tests, and what they leave: weights, and the state of the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from support.project import Project, Rows, write_jsonl

OURS = "axolotl_cotmask.CoTMaskPlugin"
GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
#: An adapter on a CPU.
LORA = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True, "lora_mlp_kernel": False,
        "lora_qkv_kernel": False, "lora_o_kernel": False, "lora_embedding_kernel": False}  # fmt: skip


def weights(output_dir: Path) -> dict[str, torch.Tensor]:
    """The saved weights of a model or adapter in one file."""
    file = next(output_dir.glob("*.safetensors"))
    return load_file(file)


def identical(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether all weights are the same to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def alpaca(project: Project, rows: Rows) -> list[dict[str, Any]]:
    """The rows as a data set that a config without the plugin can read, too."""
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in rows]
    return [{"path": str(write_jsonl(project.directory / "alpaca.jsonl", rows)), "type": "alpaca"}]


def last_state(output_dir: Path) -> dict[str, Any]:
    """The trainer's state in the last checkpoint."""
    checkpoint = max(output_dir.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return state
