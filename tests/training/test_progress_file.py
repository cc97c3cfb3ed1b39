"""A program that watches a training finds in a file how far it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.project import Project, Rows, write_jsonl
from support.trained import last_state

from axolotl_cotmask.reproduction.stages import watched, without_own


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
def test_a_preference_stage_of_the_harness_tells_it_too(project: Project, gsm8k_rows: Rows, tmp_path: Path) -> None:
    pairs = [{"prompt": row["question"], "chosen": " 1 + 1 = 2", "rejected": " 3"} for row in gsm8k_rows[:8]]
    fields = {f"field_{name}": name for name in ("prompt", "chosen", "rejected")}
    data = {"path": str(write_jsonl(tmp_path / "pairs.jsonl", pairs)), "ds_type": "json", "split": "train"}
    planned = project.config("dpo", plugins=None, cotmask=None, rl="dpo", datasets=[data | {"type": fields}])
    config = watched(yaml.safe_load(planned.read_text(encoding="utf-8")) | {"save_strategy": "epoch"})
    planned.write_text(yaml.safe_dump(config), encoding="utf-8")
    path = tmp_path / "progress.json"
    project.axolotl("train", planned, COTMASK_PROGRESS=str(path)).check()
    *_, log = [entry for entry in last_state(tmp_path / "dpo")["log_history"] if "rewards/margins" in entry]
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "step": 2, "max_steps": 2, "loss": pytest.approx(log["loss"], abs=1e-3), "seconds_left": 0.0
    }  # fmt: skip


@pytest.mark.parametrize("plugins", [None, [], ["axolotl.integrations.spectrum.SpectrumPlugin"]])
def test_who_watches_makes_no_other_recipe(plugins: list[str] | None) -> None:
    planned = {"seed": 1, "plugins": plugins} if plugins is not None else {"seed": 1}
    trained = watched(planned)
    assert trained["plugins"][:-1] == (plugins or [])
    assert watched({"plugins": ["axolotl_cotmask.CoTMaskPlugin"]})["plugins"] == ["axolotl_cotmask.CoTMaskPlugin"]
    assert without_own(trained | {"output_dir": "elsewhere"}) == without_own(planned)
    assert without_own(trained) != without_own(planned | {"seed": 2})


@pytest.mark.slow
def test_batches_in_parts_are_for_one_process(project: Project) -> None:
    sentence = (
        "cotmask.parts_by_length is 2, which is for one process, and this run has 2: take it out, or set "
        "sample_packing: true instead"
    )
    with pytest.raises(AssertionError, match=sentence):
        project.on_two_processes(cotmask={"mask_ratio": 0.4, "noise": "random", "parts_by_length": 2})
