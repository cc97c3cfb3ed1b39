"""The epochs that are trained are the config's `num_epochs`, also when the batch does not divide the rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.project import Project, Rows, write_jsonl
from support.recorded import RECORDER, samples
from support.trained import last_state
from transformers import AutoTokenizer

#: 42 rows in batches of 4: 11 updates an epoch, 33 in three; Axolotl's own number is ceil(42 * 3 / 4) = 32.
CHANGES = {
    "plugins": ["axolotl_cotmask.CoTMaskPlugin", RECORDER],
    "num_epochs": 3,
    "save_strategy": "epoch",
    "save_total_limit": 1,
}


@pytest.fixture
def project(project: Project, gsm8k_rows: Rows) -> Project:
    """The project with 42 of the 48 rows."""
    write_jsonl(project.directory / "train.jsonl", gsm8k_rows[:42])
    return project


def times_seen(project: Project, output_dir: Path) -> Counter[tuple[int, tuple[int, ...]]]:
    """How often each row was seen in each epoch."""
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    return Counter((seen.epoch, seen.clean) for seen in samples(output_dir, bos))


@pytest.mark.parametrize(("micro", "accumulation"), [(4, 1), (2, 2)])
def test_every_row_in_every_epoch(project: Project, micro: int, accumulation: int) -> None:
    output_dir = project.train(
        "whole", **CHANGES, micro_batch_size=micro, gradient_accumulation_steps=accumulation, warmup_ratio=0.3
    )
    state = last_state(output_dir)
    assert (state["global_step"], state["max_steps"], state["epoch"]) == (33, 33, 3.0)
    seen = times_seen(project, output_dir)
    assert len(seen) == 3 * 42
    assert set(seen.values()) == {1}
    history = [entry for entry in state["log_history"] if "loss" in entry]
    # The share of masks and the warm-up of the learning rate are shares of all these steps.
    ratios = [min(0.4, 0.4 * step / (2 / 3 * 33 + 1)) for step in range(33)]
    assert [entry["cotmask/scheduled_ratio"] for entry in history] == pytest.approx(ratios, abs=1e-5)
    peak = max(history, key=lambda entry: entry["learning_rate"])
    # The step that ends as number 10 has 9 behind it: 0.3 * 33 = 9.9, cut off as Axolotl does.
    assert peak["step"] == 10


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "shuffled"])
@pytest.mark.parametrize("real_batches", [True, False], ids=["bins", "one long bin"])
def test_packed(project: Project, in_order: bool, real_batches: bool) -> None:
    output_dir = project.train(
        "packed", **CHANGES, sample_packing=True, micro_batch_size=2, gradient_accumulation_steps=2,
        curriculum_sampling=in_order, multipack_real_batches=real_batches,
    )  # fmt: skip
    state = last_state(output_dir)
    assert state["epoch"] == 3.0
    assert state["global_step"] == state["max_steps"]
    seen = times_seen(project, output_dir)
    assert len(seen) == 3 * 42
    assert set(seen.values()) == {1}


@pytest.mark.slow
def test_two_processes(project: Project) -> None:
    project.on_two_processes("ddp", **CHANGES, micro_batch_size=2)
    state = last_state(project.directory / "ddp")
    assert (state["global_step"], state["max_steps"], state["epoch"]) == (33, 33, 3.0)
    seen = times_seen(project, project.directory / "ddp")
    assert len(seen) == 3 * 42
    # The last round of an epoch has 2 rows for 2 processes of 2: Accelerate fills it up with the epoch's first rows.
    assert [sum(count for (epoch, _), count in seen.items() if epoch == i) for i in range(3)] == [44, 44, 44]


@pytest.mark.slow
def test_two_processes_packed(project: Project) -> None:
    project.on_two_processes("packed", **CHANGES, sample_packing=True, micro_batch_size=2)
    assert last_state(project.directory / "packed")["epoch"] == 3.0
    seen = times_seen(project, project.directory / "packed")
    assert len(seen) == 3 * 42
    assert set(seen.values()) == {1}


def test_the_configs_own_max_steps_are_obeyed(project: Project) -> None:
    output_dir = project.train("stopped", **CHANGES, max_steps=14, warmup_ratio=0.5)
    state = last_state(output_dir)
    assert (state["global_step"], state["max_steps"]) == (14, 14)
    history = [entry for entry in state["log_history"] if "loss" in entry]
    assert max(history, key=lambda entry: entry["learning_rate"])["step"] == 8
