"""A run that should mask does not train past the masking step, whoever else takes part in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Rows
from support.recorded import RECORDER, forwards
from support.trained import LORA, OURS, alpaca, identical, weights

#: By name of the plugin: the step in which it is found out, and what the run is like.
PAST_THE_STEP: dict[str, tuple[int, dict[str, Any]]] = {
    "Plain": (1, {}),
    "Chosen": (1, {}),
    "OfTheClass": (1, {}),
    "Inner": (1, {}),
    "Step": (1, {}),
    "Subclass": (1, {}),
    "OtherClass": (1, {"sample_packing": True}),
    "InEvaluationMode": (1, {}),
    "Sometimes": (2, {}),
    "AfterTheFirstStep": (2, {}),
    "AtTheLastStep": (12, {}),
    "InTheMiddleOfAnUpdate": (2, {"micro_batch_size": 2, "gradient_accumulation_steps": 2}),
}


def replacer(name: str) -> str:
    return f"support.loss_replacers.{name}"


def marks_reached_the_model(output_dir: Path) -> bool:
    """Of the whole model, whose forwards are recorded."""
    seen = forwards(output_dir)
    assert seen, "no forward was recorded"
    return any({"mask_weight", "token_key", "unit_key", "mask_group"} & row.keys() for row in seen)


@pytest.mark.parametrize("name", PAST_THE_STEP)
def test_a_loss_that_is_not_ours_stops_the_run(project: Project, name: str) -> None:
    step, changes = PAST_THE_STEP[name]
    # Logged seldom: it does not wait for a log.
    config = project.config("past", plugins=[OURS, replacer(name), RECORDER], logging_steps=50, **changes)
    sentence = project.axolotl("train", config).sentence()
    assert sentence.startswith(f"step {step} trained on inputs that were not masked, so this would be plain SFT")
    assert "replaces the trainer's compute_loss or training_step" in sentence
    assert not list((project.directory / "past").glob("**/*.safetensors"))
    # `Inner` calls the model inside, of which no forward is recorded, and looks itself.
    assert name == "Inner" or not marks_reached_the_model(project.directory / "past")


def test_it_stops_after_a_resume(project: Project) -> None:
    first = project.train("first", save_strategy="steps", save_steps=6)
    config = project.config(
        "resumed", plugins=[OURS, replacer("Plain")], resume_from_checkpoint=str(first / "checkpoint-6")
    )
    assert project.axolotl("train", config).sentence().startswith("step 7 trained on inputs that were not masked")


def test_it_stops_with_an_adapter(project: Project) -> None:
    config = project.config("lora", plugins=[OURS, replacer("Plain"), RECORDER], **LORA)
    assert "were not masked" in project.axolotl("train", config).sentence()
    assert not marks_reached_the_model(project.directory / "lora")


@pytest.mark.parametrize(
    ("name", "packing"), [("Wraps", False), ("Wraps", True), ("WrapsWithACopy", False), ("WrapsTheStep", True)]
)
def test_a_loss_that_wraps_ours_trains(project: Project, name: str, packing: bool) -> None:
    changes = {"sample_packing": packing, "val_set_size": 8, "evals_per_epoch": 2, "micro_batch_size": 2}
    plain = project.train("plain", **changes)
    wrapped = project.train("wrapped", plugins=[OURS, replacer(name), RECORDER], **changes)
    assert identical(weights(plain), weights(wrapped))
    assert not marks_reached_the_model(wrapped)


def test_a_loss_that_wraps_ours_and_takes_the_labels_away_stops_the_run(project: Project) -> None:
    config = project.config("past", plugins=[OURS, replacer("WrapsWithoutLabels")])
    sentence = project.axolotl("train", config).sentence()
    assert sentence.startswith("a training batch came without labels, so nothing would be masked: another plugin")


@pytest.mark.parametrize("name", ["Plain", "Inner", "Step"])
def test_plain_sft_may_have_any_loss(project: Project, name: str) -> None:
    zero = project.train("zero", cotmask={"mask_ratio": 0}, plugins=[OURS, replacer(name), RECORDER])
    assert weights(zero)
    assert name == "Inner" or not marks_reached_the_model(zero)


@pytest.mark.parametrize("packing", [False, True], ids=["unpacked", "packed"])
def test_a_data_loader_without_marks_stops_the_run(project: Project, packing: bool) -> None:
    config = project.config("loader", plugins=[OURS, replacer("Loader")], sample_packing=packing)
    sentence = project.axolotl("train", config).sentence()
    assert sentence.startswith("a training batch came without mask_weight, so nothing would be masked")
    assert "data loader" in sentence
    assert not list((project.directory / "loader").glob("**/*.safetensors"))


def test_a_data_loader_and_a_loss_that_are_not_ours_stop_the_run(project: Project) -> None:
    config = project.config("loader", plugins=[OURS, replacer("LoaderAndLoss")])
    assert project.axolotl("train", config).sentence().startswith("step 1 trained on inputs that were not masked")


def test_plain_sft_may_have_any_data_loader(project: Project, gsm8k_rows: Rows) -> None:
    datasets = alpaca(project, gsm8k_rows)
    zero = project.train("zero", cotmask={"mask_ratio": 0}, datasets=datasets, plugins=[OURS, replacer("Loader")])
    without = project.train("without", cotmask=None, datasets=datasets, plugins=[replacer("Loader")])
    assert identical(weights(zero), weights(without))


def launched(project: Project, name: str, plugin: str, *launcher: str) -> subprocess.CompletedProcess[str]:
    """Train on two processes that a launcher starts."""
    config = project.config(name, plugins=[OURS, replacer(plugin), RECORDER], micro_batch_size=2)
    command = ["axolotl", "train", str(config), "--launcher", *launcher]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=500, env={**os.environ, "PATH": path},
    )  # fmt: skip


#: `accelerate launch` starts several processes on a CPU only where it is told that there are several devices.
TORCHRUN = ("torchrun", "--", "--standalone", "--nproc_per_node=2")
ACCELERATE = ("accelerate", "--", "--multi_gpu", "--num_processes", "2", "--main_process_port", "29617")


@pytest.mark.slow
def test_it_stops_on_two_processes(project: Project) -> None:
    done = launched(project, "two", "Plain", *TORCHRUN)
    assert done.returncode != 0
    assert "axolotl-cotmask: step 1 trained on inputs that were not masked" in done.stderr, done.stderr[-6000:]
    assert not list((project.directory / "two").glob("**/*.safetensors"))
    assert {file.name for file in (project.directory / "two").glob("forwards-*")} == {
        "forwards-0.jsonl",
        "forwards-1.jsonl",
    }
    assert not marks_reached_the_model(project.directory / "two")


@pytest.mark.slow
def test_two_processes_that_wrap_ours_train(project: Project) -> None:
    done = launched(project, "two", "Wraps", *ACCELERATE)
    assert done.returncode == 0, done.stderr[-6000:]
    assert weights(project.directory / "two")
    assert not marks_reached_the_model(project.directory / "two")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch_compile needs a C++ compiler")
@pytest.mark.parametrize("name", ["Plain", "Inner", "Step"])
def test_it_stops_with_a_compiled_model(project: Project, name: str) -> None:
    config = project.config("compiled", plugins=[OURS, replacer(name)], torch_compile=True)
    assert "were not masked" in project.axolotl("train", config).sentence()
