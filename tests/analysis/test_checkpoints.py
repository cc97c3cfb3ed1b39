"""Accuracy by samples seen: from checkpoints that `axolotl train` saved and the real lm-eval scored."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.programs import Programs
from support.project import Project, Rows, write_jsonl

from axolotl_cotmask.analysis.checkpoints import SCORES, EvaluationSettings, find_checkpoints, results_directory
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.metrics import SAMPLES_SEEN

LORA = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True, "lora_mlp_kernel": False,
        "lora_qkv_kernel": False, "lora_o_kernel": False, "lora_embedding_kernel": False}  # fmt: skip


@pytest.fixture
def base_model(project: Project, tmp_path: Path) -> Path:
    """The tiny model with room for a prompt and the 512 tokens that the task may generate."""
    directory = tmp_path / "roomy"
    shutil.copytree(project.model, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 1024
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def analyze(programs: Programs, project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    data = {**os.environ, "COTMASK_DATA_DIR": str(project.directory)}
    command = [str(programs.python), "-m", "axolotl_cotmask", "analyze", "samples", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=project.directory, env=data)


def state(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_checkpoints_are_scored_once(project: Project, programs: Programs, base_model: Path, gsm8k_rows: Rows) -> None:
    write_jsonl(project.directory / "gsm8k_test.jsonl", gsm8k_rows[:3])
    # Packed rows may take a few steps more than Axolotl reckons, and so leave a checkpoint of a second epoch's start.
    changes = {"base_model": str(base_model), "save_strategy": "epoch", "save_total_limit": 1}
    whole = project.train("whole", **changes)
    lora = project.train("lora", sample_packing=True, micro_batch_size=1, logging_steps=5, **changes, **LORA)
    [of_whole], [of_lora] = find_checkpoints(whole), find_checkpoints(lora)
    assert (of_whole.step, of_whole.samples) == (12, 48)
    assert of_lora.step < 40, "rows are packed"
    assert of_lora.samples == pytest.approx(48 * state(of_lora.path)["epoch"], abs=0.5)

    settings = EvaluationSettings("cotmask_gsm8k", 16, 2)
    (of_lora.path / "adapter_model.safetensors").rename(lora / "hidden")
    broken = analyze(programs, project, "MFT=whole", "LoRA=lora", "--limit", "2")
    assert broken.returncode == 1
    place = of_lora.path.relative_to(project.directory)
    assert broken.stderr.splitlines()[-1].startswith(f"Error: {place}: lm_eval ended with status ")
    assert list((of_lora.path / SCORES).iterdir()) == [], "no half result is left"

    # A model of random weights would never get a 1: it shows that what is there is used again.
    [samples] = results_directory(of_whole.path, settings).rglob("samples_*.jsonl")
    samples.write_text(samples.read_text(encoding="utf-8").replace('"exact_match": 0.0', '"exact_match": 1.0'))
    (lora / "hidden").rename(of_lora.path / "adapter_model.safetensors")
    done = analyze(programs, project, "MFT=whole", "LoRA=lora", "--limit", "2", "--json", "--plot", "figure.png")
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    expected = {"MFT": (of_whole, 1.0), "LoRA": (of_lora, 0.0)}
    assert found.keys() == expected.keys()
    for label, (checkpoint, accuracy) in expected.items():
        [point] = found[label]
        assert (point["step"], point["samples"]) == (checkpoint.step, checkpoint.samples)
        assert (point["accuracy"]["value"], point["accuracy"]["n"]) == (accuracy, 2)
    assert f"[1/1] scoring {place}" in done.stderr
    assert (project.directory / "figure.png").read_bytes().startswith(b"\x89PNG")
    [results] = results_directory(of_lora.path, settings).rglob("results_*.json")
    arguments = json.loads(results.read_text(encoding="utf-8"))["config"]["model_args"]
    assert (arguments["pretrained"], arguments["peft"]) == (str(base_model), str(place))


def fake_checkpoint(run: Path, step: int, content: dict[str, Any] | None) -> None:
    """A directory as the trainer makes it, as far as it says how much was seen."""
    directory = run / f"checkpoint-{step}"
    directory.mkdir(parents=True)
    if content is not None:
        (directory / "trainer_state.json").write_text(json.dumps(content), encoding="utf-8")


def test_samples_come_from_the_epoch(tmp_path: Path) -> None:
    early = {"epoch": 0.02, "step": 4, SAMPLES_SEEN: 149}
    late = {"epoch": 1.6, "step": 320, SAMPLES_SEEN: 11957}
    # 149 / 0.02 would be 7450 rows; the first checkpoint was saved before anything was logged.
    fake_checkpoint(tmp_path, 100, {"epoch": 0.5, "global_step": 100, "log_history": [early]})
    fake_checkpoint(tmp_path, 20, {"epoch": 0.1, "global_step": 20, "log_history": []})
    fake_checkpoint(tmp_path, 400, {"epoch": 2.0, "global_step": 400, "log_history": [early, {"epoch": 2.0}, late]})
    (tmp_path / "checkpoint-final").mkdir()
    assert [(found.step, found.samples) for found in find_checkpoints(tmp_path)] == [
        (20, 747),
        (100, 3737),
        (400, 14946),
    ]


def test_runs_that_cannot_be_read_stop(tmp_path: Path) -> None:
    with pytest.raises(
        CoTMaskError, match="there are no checkpoints: train with save_strategy: epoch and a save_total"
    ):
        find_checkpoints(tmp_path)
    fake_checkpoint(tmp_path, 2, {"epoch": 1.0, "global_step": 2, "log_history": [{"epoch": 1.0, "loss": 2.0}]})
    with pytest.raises(CoTMaskError, match="did not log cotmask/samples_seen: train with the plugin"):
        find_checkpoints(tmp_path)
    fake_checkpoint(tmp_path, 4, None)
    with pytest.raises(CoTMaskError, match="checkpoint-4: not a complete checkpoint"):
        find_checkpoints(tmp_path)


def test_results_by_other_generation_arguments_are_others(tmp_path: Path) -> None:
    settings = [
        EvaluationSettings("task", limit=limit, generation=generation)
        for limit in (None, 2)
        for generation in (None, "max_gen_toks=100", "max_gen_toks=100,temperature=0.5")
    ]
    directories = {results_directory(tmp_path, one) for one in settings}
    assert len(directories) == len(settings)
    assert {directory.parent.parent for directory in directories} == {tmp_path}
