"""What a test sees of the machine and of its user: imported by tests/conftest.py before anything that reads variables."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

#: Keeps what the user's COTMASK_DATA_DIR was: tests see that variable only where they set it.
_REAL_DATA = "COTMASK_TESTS_REAL_DATA"
#: They change what commands write, or where they look.
_OF_THE_USER = (
    "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "LANGUAGE", "LC_ALL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "CUDA_VISIBLE_DEVICES",
    "OPENAI_API_KEY",
)  # fmt: skip

#: Variables that decide what our code does, and how the libraries reach the hub.
_OURS = ("COTMASK_", "AXOLOTL_DO", "HF_HUB", "HF_HOME", "RANK", "LOCAL_RANK", "WORLD_SIZE")


def begin() -> None:
    """Set the variables that all tests rely on; workers inherit them."""
    # Axolotl on a CPU, offline, silent.
    os.environ.update(
        ACCELERATE_USE_CPU="true", AXOLOTL_DO_NOT_TRACK="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false"
    )
    # The models are so small that threads only wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["LANG"] = "C.UTF-8"
    for name in _OF_THE_USER:
        os.environ.pop(name, None)
    if (data := os.environ.pop("COTMASK_DATA_DIR", None)) is not None:
        os.environ[_REAL_DATA] = data
    if "PYTEST_XDIST_WORKER" not in os.environ:
        caches = tempfile.mkdtemp(prefix="cotmask-tests-")
        atexit.register(shutil.rmtree, caches, ignore_errors=True)
        os.environ.update(HF_HOME=f"{caches}/huggingface", XDG_CACHE_HOME=caches)


def left_to_others() -> dict[str, Any]:
    """Return what a test must leave as it was: each of the next ones would see it, on whichever worker it runs."""
    return {
        "directory": os.getcwd(),
        "variables": {name: value for name, value in os.environ.items() if name.startswith(_OURS)},
        "logging, disabled up to": logging.root.manager.disable,
        "silent": sorted(
            name
            for name, logger in list(logging.root.manager.loggerDict.items())
            if name.startswith("axolotl_cotmask") and isinstance(logger, logging.Logger)
            if logger.disabled or not logger.propagate
        ),
    }


class RealData(type(Path())):  # type: ignore[misc]
    """The directory of the user's data sets: a test that needs a file that is not there is skipped."""

    def __truediv__(self, name: str) -> RealData:
        path = super().__truediv__(name)
        if not path.exists():
            pytest.skip(f"{path} is not there: it is real data to test with")
        return path

    def needs(self, *names: str) -> None:
        """Skip the test if one of the files is not there."""
        for name in names:
            self / name


def real_data() -> RealData:
    """Return the directory that COTMASK_DATA_DIR named when the tests were started; skip the test if it named none."""
    if not os.environ.get(_REAL_DATA):
        pytest.skip("COTMASK_DATA_DIR is not set, so there is no real data to test with")
    return RealData(os.environ[_REAL_DATA]).absolute()


def user_data(name: str) -> Path | None:
    """Return the user's file of that name, for tests that otherwise make one."""
    path = Path(os.environ.get(_REAL_DATA) or "/nowhere", name).absolute()
    return path if path.is_file() else None
