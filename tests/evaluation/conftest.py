"""The lm-eval tasks, data for them, and what programs run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager
from support.forked import Axolotl, Run
from support.lm_eval_runs import EVALTASKS
from support.sandboxes import need, nothing_left

from axolotl_cotmask.evaluation.sandbox import Isolation


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


@pytest.fixture(params=list(Isolation))
def level(request: pytest.FixtureRequest) -> Isolation:
    """Each level that works here."""
    return need(request.param)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs get their directories; at the end nothing is left of any."""
    with nothing_left(tmp_path / "temporary", monkeypatch) as directory:
        yield directory
