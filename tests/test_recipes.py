"""The recipes hold the paper's hyper-parameters, pass Axolotl's validation, and the tiny ones train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Project, Rows, write_jsonl

import axolotl_cotmask
from axolotl_cotmask.resources import directory

RECIPES = directory("recipes")
#: arXiv 2403.02178, Table 8; the LR warm-up is the scripts'. GSM8K: lr, epochs, batch, p_max, noise, LR warm-up.
PAPER = {
    "llama2-7b/gsm8k-sft": (1e-5, 3, 64, 0, None, 0.03),
    "llama2-7b/gsm8k-mft": (1e-5, 10, 64, 0.4, "random", 0.01),
    "mistral-7b/gsm8k-sft": (1e-6, 3, 64, 0, None, 0.03),
    "mistral-7b/gsm8k-mft": (1e-6, 10, 64, 0.2, "random", 0.01),
}
GPUS = 8


def recipe(name: str) -> dict[str, Any]:
    return yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAPER)
def test_hyper_parameters_are_the_papers(name: str) -> None:
    config, (lr, epochs, batch, ratio, noise, warmup) = recipe(name), PAPER[name]
    assert config["learning_rate"] == lr
    assert config["num_epochs"] == epochs
    assert config["micro_batch_size"] * config["gradient_accumulation_steps"] * GPUS == batch
    assert config["cotmask"]["mask_ratio"] == ratio
    assert config["cotmask"].get("noise") == noise
    assert config["cotmask"].get("warmup_ratio", 2 / 3) == pytest.approx(2 / 3, abs=1e-4)
    assert config["warmup_ratio"] == warmup
    assert (config["weight_decay"], config["lr_scheduler"], config["sequence_len"]) == (0, "cosine", 512)


@pytest.mark.parametrize("base", ["llama2-7b", "mistral-7b", "tiny"])
def test_sft_and_mft_differ_in_what_the_paper_changes_only(base: str) -> None:
    sft, mft = recipe(f"{base}/gsm8k-sft"), recipe(f"{base}/gsm8k-mft")
    assert sft["cotmask"] == {"mask_ratio": 0}
    allowed = {"cotmask", "output_dir"} | (set() if base == "tiny" else {"num_epochs", "warmup_ratio"})
    assert {key for key in sft | mft if sft.get(key) != mft.get(key)} == allowed


LAPTOP = {
    "sft": {"mask_ratio": 0},
    "mft-mask-0.2": {"mask_ratio": 0.2, "warmup_ratio": 0.6667, "noise": "mask"},
    "mft-random-0.1": {"mask_ratio": 0.1, "warmup_ratio": 0.6667, "noise": "random"},
    "mft-random-0.2": {"mask_ratio": 0.2, "warmup_ratio": 0.6667, "noise": "random"},
}


def test_the_arms_of_the_laptop_reproduction_differ_in_the_masking_only() -> None:
    assert {path.stem for path in (RECIPES / "laptop").glob("*.yaml")} == set(LAPTOP)
    sft = recipe("laptop/sft")
    for name, masking in LAPTOP.items():
        arm = recipe(f"laptop/{name}")
        assert arm["cotmask"] == masking
        assert {key for key in sft | arm if sft.get(key) != arm.get(key)} <= {"cotmask", "output_dir"}


def test_the_demonstration_is_a_part_of_the_laptop_reproduction() -> None:
    folder = Path(axolotl_cotmask.__file__).parent / "laptop"
    whole, quick = (
        yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")) for name in ("laptop", "quick")
    )
    assert set(whole["runs"]["copying"]) == set(LAPTOP)
    assert min(whole["runs"]["copying"].values()) >= 5
    assert quick["runs"].keys() == quick["bases"].keys() == {"copying"}
    assert set(quick["runs"]["copying"]) < set(LAPTOP)
    assert quick["bases"]["copying"] == whole["bases"]["copying"]
    for key in ("data", "common", "epochs"):
        assert quick[key] == whole[key]


@pytest.mark.parametrize("name", [*PAPER, "tiny/gsm8k-sft", "tiny/gsm8k-mft"])
def test_axolotl_accepts_and_trains_them(project: Project, gsm8k_rows: Rows, name: str) -> None:
    """Two steps on a CPU, with the base model swapped for a tiny one and the data found in COTMASK_DATA_DIR."""
    write_jsonl(project.directory / "gsm8k_train.jsonl", gsm8k_rows)
    config = recipe(name)
    for key in ("fsdp_version", "fsdp_config"):
        config.pop(key, None)
    config |= {
        "base_model": str(project.model), "output_dir": str(project.directory / "out"), "max_steps": 2,
        "dataset_prepared_path": str(project.directory / "prepared"), "dataset_num_proc": 1, "logging_steps": 1,
        "bf16": False, "tf32": False, "fp16": False, "attn_implementation": "sdpa", "optimizer": "adamw_torch",
    }  # fmt: skip
    path = project.directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    run = project.axolotl("train", path, COTMASK_DATA_DIR=str(project.directory)).check()
    assert "cotmask/scheduled_ratio" in run.output
    state = json.loads(next(Path(project.directory, "out").glob("checkpoint-*/trainer_state.json")).read_text())
    assert [entry["step"] for entry in state["log_history"] if "loss" in entry] == [1, 2]


def test_fetch_copies_recipes_and_tasks(project: Project) -> None:
    project.axolotl("cotmask", "fetch", "recipes", "mine").check()
    copied = {path.relative_to(project.directory / "mine") for path in (project.directory / "mine").rglob("*.yaml")}
    assert copied == {path.relative_to(RECIPES) for path in RECIPES.rglob("*.yaml")}
    assert "mine exists already" in project.axolotl("cotmask", "fetch", "recipes", "mine").sentence()
    output = project.axolotl("cotmask", "tasks-path").check().output
    assert Path(output.splitlines()[-1], "cotmask_gsm8k", "cotmask_gsm8k.yaml").is_file()
