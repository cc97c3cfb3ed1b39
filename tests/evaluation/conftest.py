"""The lm-eval tasks, and data for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager
from support.forked import Axolotl, Run
from support.lm_eval_runs import EVALTASKS


@pytest.fixture(scope="session")
def tasks() -> TaskManager:
    return TaskManager(include_path=str(EVALTASKS), include_defaults=False)


@pytest.fixture(scope="session")
def scripted(axolotl: Axolotl) -> Callable[..., Run]:
    """Run lm-eval's command line with the scripted model and our tasks."""

    def run(*arguments: str | Path) -> Run:
        return axolotl.lm_eval("run", "--model", "scripted", "--include_path", EVALTASKS, *arguments)

    return run


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that COTMASK_DATA_DIR names."""
    directory = tmp_path / "data"
    directory.mkdir()
    monkeypatch.setenv("COTMASK_DATA_DIR", str(directory))
    return directory
