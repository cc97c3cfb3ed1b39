"""What is trained beside masking: other losses, embedding noise, adapters, optimizers, compiled models."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from support.project import Project
from support.trained import LORA, OURS

PLUGIN, DFT = "support.gradients.GradientPlugin", "support.gradients.DftPlugin"
#: By name: changes of the config, and the plugin that holds each step against a plain one.
WORKS: dict[str, tuple[dict[str, Any], str]] = {
    "EAFT": ({"use_eaft": True}, PLUGIN),
    "DFT": ({}, DFT),
    "NEFTune, schedule-free": (
        {"neftune_noise_alpha": 5, "optimizer": "schedule_free_adamw", "lr_scheduler": "constant"},
        PLUGIN,
    ),
    "no logits": ({"micro_batch_size": 3}, "support.gradients.WithoutLogitsPlugin"),
    "DoRA, rsLoRA": ({**LORA, "peft_use_dora": True, "peft_use_rslora": True}, PLUGIN),
    "EAFT, NEFTune, packed": ({"use_eaft": True, "neftune_noise_alpha": 5, "sample_packing": True}, PLUGIN),
}
COMPILED = pytest.mark.skipif(shutil.which("g++") is None, reason="torch_compile needs a C++ compiler")


def steps(project: Project, changes: dict[str, Any], plugin: str) -> list[dict[str, float]]:
    block = {"mask_ratio": 0.4, "noise": "random", "warmup_ratio": 0}
    out = project.train("with", **{"cotmask": block, "plugins": [OURS, plugin], "max_steps": 2, **changes})
    return [json.loads(line) for line in (out / "gradients.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", WORKS)
def test_the_gradient_is_that_of_the_labels_on_the_masked_inputs(project: Project, name: str) -> None:
    found = steps(project, *WORKS[name])
    assert len(found) == 2
    for step in found:
        assert step["masked"] > 20
        assert step["elsewhere"] == 0
        assert step["scale"] > 1e-6
        assert step["loss"] < 1e-5, found
        assert step["gradient"] < 1e-4, found


@pytest.mark.slow
@COMPILED
def test_a_compiled_model(project: Project) -> None:
    for step in steps(project, {"torch_compile": True}, DFT):
        assert step["masked"] > 20
        assert step["gradient"] < 1e-3
