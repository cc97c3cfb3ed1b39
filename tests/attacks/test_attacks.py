"""A small part of the attacks of `nox -s attack`: nothing ends in a traceback, or silently as something else."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from support.forked import Axolotl
from support.killed_training import train_and_kill
from support.project import Project
from support.trained import identical, weights

from attacks import configs, downloads, harness, kills, rows, sandbox


def test_rows(tmp_path: Path) -> None:
    counts = rows.attack(60, seed=4, directory=tmp_path, model=tmp_path)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["fine"] > 20
    assert counts.ends["sentence"] > 3


def test_configs(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXOLOTL_DATASET_NUM_PROC", "1")
    monkeypatch.setenv("AXOLOTL_TEE_STDOUT", "0")
    monkeypatch.setattr("time.sleep", lambda _: None)
    try:
        counts = configs.attack(60, seed=3, directory=tmp_path, model=tiny_model)
    finally:
        logging.disable(logging.NOTSET)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["sentence"] > 30


def test_programs(tmp_path: Path) -> None:
    counts = sandbox.attack(10, seed=6, directory=tmp_path, model=tmp_path)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["fine"] == 10 * len(sandbox.levels())


def test_downloads(tmp_path: Path) -> None:
    counts = downloads.attack(60, seed=5, directory=tmp_path, model=tmp_path)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["fine"] > 30
    assert counts.ends["sentence"] > 30


def test_harness(tmp_path: Path) -> None:
    counts = harness.attack(25, seed=8, directory=tmp_path, model=tmp_path)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["fine"] > 8
    assert counts.ends["sentence"] > 3


@pytest.mark.slow
def test_a_kill(tmp_path: Path, tiny_model: Path, axolotl: Axolotl) -> None:
    killer, mode = kills.Killer(axolotl, tiny_model), kills.MODES["stripped"]
    assert killer.run(mode, tmp_path / "whole", None)[0] == 0
    # Eight milliseconds after it has begun to write a checkpoint.
    assert killer.run(mode, tmp_path / "killed", kills.Moment(0.008, "run/checkpoint-6"))[0] is None
    status, said = killer.run(mode, tmp_path / "killed", None)
    assert status == 0, said
    assert identical(weights(tmp_path / "killed" / "run"), weights(tmp_path / "whole" / "run"))


@pytest.mark.slow
def test_ten_kills(project: Project, axolotl: Axolotl) -> None:
    config = project.config(
        "run",
        cotmask={"mask_ratio": 0.4, "noise": "mask", "strip_mask_token": True},
        save_strategy="steps",
        save_steps=3,
        save_total_limit=2,
        auto_resume_from_checkpoints=True,
    )
    log = project.directory / "log"
    assert axolotl.apart(train_and_kill, config, 10, 1, log) == 0, log.read_text(errors="replace")[-6000:]
    moments = json.loads((project.directory / "kills.json").read_text())
    assert len(moments) == 10
    assert moments.count("not at all") < 3, moments
    whole = project.directory / "case-0"
    for number, moment in enumerate(moments, start=1):
        case = project.directory / f"case-{number}"
        assert identical(weights(case), weights(whole)), moment
        # What was being written stays under safetensors' own name for it.
        left = {name for name in kills.names(case) if not name.startswith(".tmp")}
        assert left == kills.names(whole), moment
