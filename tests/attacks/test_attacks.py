"""A small part of the attacks of `nox -s attack`: nothing ends in a traceback, or silently as something else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from attacks import configs, downloads, harness, rows


def test_rows(tmp_path: Path) -> None:
    counts = rows.attack(60, seed=4, directory=tmp_path, model=tmp_path)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["fine"] > 20
    assert counts.ends["sentence"] > 3


def test_configs(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXOLOTL_DATASET_NUM_PROC", "1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    try:
        counts = configs.attack(60, seed=3, directory=tmp_path, model=tiny_model)
    finally:
        logging.disable(logging.NOTSET)
    assert not counts.wrong, "\n".join(counts.wrong)
    assert counts.ends["sentence"] > 30


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
