"""`axolotl cotmask preview`: what is shown is what a run masks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.project import Project
from support.recorded import RECORDER, forwards, samples
from transformers import AutoTokenizer

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"


def preview(project: Project, config: Path, *options: str) -> dict[str, Any]:
    output = project.axolotl("cotmask", "preview", config, "--json", *options).check().output
    return json.loads(next(line for line in output.splitlines() if line.startswith('{"epoch"')))


def test_shows_what_training_masks(project: Project) -> None:
    constant = {"mask_ratio": 0.4, "noise": "random", "warmup_ratio": 0}
    # Batches of nine do not divide the 48 rows: an epoch has 6 steps.
    changes = {"cotmask": constant, "num_epochs": 2, "micro_batch_size": 9}
    config = project.config("shown", **changes, plugins=["axolotl_cotmask.CoTMaskPlugin", RECORDER])
    shown = preview(project, config, "--rows", "48", "--epoch", "1")
    assert not (project.directory / "shown").joinpath("model.safetensors").exists()
    project.axolotl("train", config).check()
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    seen = {
        "".join(view(tokenizer, seen.input_ids)): sum(a != b for a, b in zip(seen.input_ids, seen.clean, strict=True))
        for seen in samples(project.directory / "shown", tokenizer.bos_token_id)
        if seen.epoch == 1
    }
    [dataset] = shown["datasets"]
    texts = {"".join(t["becomes"] or t["text"] for t in row["tokens"]) for row in dataset["rows"]}
    assert texts == seen.keys()
    assert dataset["noised"] >= sum(seen.values()) > 0.35 * dataset["maskable"]
    assert dataset["realised_ratio"] == dataset["noised"] / dataset["maskable"]
    assert (shown["epoch"], shown["scheduled_ratio"], shown["max_steps"]) == (1, 0.4, 12)
    assert max(forward["step"] for forward in forwards(project.directory / "shown")) == 11


def view(tokenizer: Any, ids: tuple[int, ...]) -> list[str]:
    from axolotl_cotmask.training.preview import _text

    return [_text(tokenizer, token) for token in ids]


def test_kinds_of_tokens_steps_and_data_sets(project: Project) -> None:
    path = str(project.directory / "train.jsonl")
    datasets = [
        {"path": path, "type": GSM8K, "protect": ["final_answer"]},
        {"path": path, "type": GSM8K, "mask_ratio": 0.1},
    ]
    config = project.config("kinds", cotmask={"mask_ratio": 0.4, "noise": "mask"}, datasets=datasets)
    shown = preview(project, config, "--rows", "3", "--step", "8")
    ratio = 0.4 * 8 / (2 / 3 * 24 + 1)
    assert shown["max_steps"] == 24
    assert [round(d["scheduled_ratio"], 6) for d in shown["datasets"]] == [round(ratio, 6), round(ratio / 4, 6)]
    for row in shown["datasets"][0]["rows"]:
        kinds = [token["kind"] for token in row["tokens"]]
        assert kinds.count("protected") >= 2
        prompt = "".join(token["text"] for token in row["tokens"] if token["kind"] == "prompt")
        assert prompt.startswith("<s>Below is an instruction")
        assert prompt.endswith("### Response:")
        assert all((token["becomes"] == "<mask>") == (token["kind"] == "masked") for token in row["tokens"])
    assert not any(t["kind"] == "protected" for row in shown["datasets"][1]["rows"] for t in row["tokens"])


def test_works_without_weights(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(project.model, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    output = project.axolotl("cotmask", "preview", project.config("bare", base_model=str(bare))).check().output
    assert "row 2 of " in output
    assert "0.400" in output


def test_a_wrong_config_is_one_sentence(project: Project) -> None:
    config = project.config("wrong", cotmask={"mask_ratio": 2})
    assert project.axolotl("cotmask", "preview", config).sentence().startswith("cotmask.mask_ratio is 2")
    without = project.config("without", plugins=None, datasets=[{"path": "x", "type": "alpaca"}])
    assert "does not name the plugin" in project.axolotl("cotmask", "preview", without).sentence()


@pytest.mark.slow
def test_the_command_for_scripts_prints_nothing_but_the_result(project: Project) -> None:
    def result(*options: str) -> str:
        command = [str(Path(sys.executable).parent / "axolotl-cotmask"), "preview", str(project.config()), *options]
        colour = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=600, cwd=project.directory, check=True, env=colour
        ).stdout

    assert json.loads(result("--json"))["datasets"][0]["rows"]
    assert "\x1b[1;37;41m" in result(), "masked tokens are white on red"


def test_scope_selector_and_noise_without_tokens(project: Project) -> None:
    block = {
        "mask_ratio": 1.0,
        "schedule": "constant",
        "scope": "all",
        "select": "numbers",
        "noise": {"dropout": {"q": 0.9}},
    }
    [dataset] = preview(project, project.config("numbers", cotmask=block), "--rows", "8")["datasets"]
    tokens = [token for row in dataset["rows"] for token in row["tokens"]]
    masked = [token for token in tokens if token["kind"] == "masked"]
    assert len(masked) == dataset["noised"] == dataset["maskable"] > 50
    assert all(any(c.isdigit() for c in token["text"]) and token["becomes"] is None for token in masked)
    digits = [token for token in tokens if any(c.isdigit() for c in token["text"])]
    assert len(digits) == len(masked)
