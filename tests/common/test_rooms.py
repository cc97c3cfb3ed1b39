"""Which rooms need Axolotl: none of those that lm-eval's tasks use, so that these run where there is none (vLLM)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import axolotl_cotmask

ROOT = Path(__file__).parents[2]
WITHOUT_AXOLOTL = ("common", "data", "masking", "evaluation", "augmentation")

CODE = """
import importlib, pkgutil, sys

class NoAxolotl:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "axolotl":
            raise ImportError("there is no Axolotl here")

sys.meta_path.insert(0, NoAxolotl())
# The bench for one GPU needs these no more.
missing = dict.fromkeys(("datasets", "lm_eval"))
sys.modules.update(missing)
print(importlib.import_module("bench.gpu.__main__").__name__)
for name in missing:
    del sys.modules[name]
import axolotl_cotmask
for room in sys.argv[1:]:
    package = importlib.import_module(f"axolotl_cotmask.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        # A program of its own, which serves its standard input.
        if not module.name.endswith(".verifier_process"):
            importlib.import_module(module.name)
            print(module.name)
try:
    axolotl_cotmask.CoTMaskPlugin
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_rooms_of_evaluation_masking_and_augmentation_need_no_axolotl() -> None:
    result = subprocess.run(
        [sys.executable, "-c", CODE, *WITHOUT_AXOLOTL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    folder = Path(axolotl_cotmask.__file__).parent
    modules = {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        for room in WITHOUT_AXOLOTL
        for path in (folder / room).rglob("*.py")
        if path.stem not in ("__init__", "verifier_process")
    }
    assert {*modules, "bench.gpu.__main__"} <= set(result.stdout.split("\n"))
    assert result.stdout.endswith("there is no Axolotl here\n"), "the plugin does"


def test_there_are_ten_rooms() -> None:
    folder = Path(axolotl_cotmask.__file__).parent
    rooms = {path.name for path in folder.iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    assert rooms == {
        *("common", "data", "masking", "evaluation", "prompt_strategies", "training"),
        *("analysis", "augmentation", "reproduction", "cli"),
    }
    assert {path.name for path in folder.glob("*.py")} == {"__init__.py", "__main__.py"}
