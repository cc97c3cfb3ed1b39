"""A program that watches a training finds in a file how far it is."""

from __future__ import annotations

import json

import pytest
from support.project import Project


@pytest.mark.slow
def test_step_loss_and_time_left_are_in_the_file_that_the_environment_names(project: Project) -> None:
    path = project.directory / "progress.json"
    config = project.config(
        sample_packing=False, micro_batch_size=8, logging_steps=2, save_strategy="steps", save_steps=3
    )
    project.axolotl("train", config, COTMASK_PROGRESS=str(path)).check()
    (log,) = [
        entry
        for entry in json.loads(
            (project.directory / "config" / "checkpoint-6" / "trainer_state.json").read_text(encoding="utf-8")
        )["log_history"]
        if entry["step"] == 6 and "loss" in entry
    ]
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "step": 6, "max_steps": 6, "loss": pytest.approx(log["loss"], abs=1e-3), "seconds_left": 0.0
    }  # fmt: skip
    assert [found.name for found in project.directory.glob(".progress*")] == []


@pytest.mark.slow
def test_batches_in_parts_are_for_one_process(project: Project) -> None:
    sentence = (
        "cotmask.parts_by_length is 2, which is for one process, and this run has 2: take it out, or set "
        "sample_packing: true instead"
    )
    with pytest.raises(AssertionError, match=sentence):
        project.on_two_processes(cotmask={"mask_ratio": 0.4, "noise": "random", "parts_by_length": 2})
