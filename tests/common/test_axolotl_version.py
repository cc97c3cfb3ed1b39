"""Another Axolotl than the tested one ends in a sentence; and docs/axolotl.md names all that the package takes from it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from axolotl_cotmask.common.axolotl_version import ANY, other_version, pinned_version

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "axolotl.md"


@pytest.fixture(autouse=True)
def _nothing_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the suite does not run with another Axolotl."""
    monkeypatch.delenv(ANY, raising=False)


def metadata(folder: Path, number: str) -> Path:
    """A folder that says, before all others on the path, that this Axolotl is installed."""
    info = folder / f"axolotl-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: axolotl\nVersion: {number}\n", encoding="utf-8")
    return folder


def test_the_pinned_version_is_that_of_the_dependencies() -> None:
    [pin] = re.findall(r'"axolotl==([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pinned_version() == pin
    # With another one installed the suite is run on purpose.
    assert (other_version() is None) is (version("axolotl") == pin)


def test_another_version_is_a_sentence_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(metadata(tmp_path, "0.20.1")))
    said = other_version()
    assert said is not None
    assert said.startswith(f"axolotl 0.20.1 is installed, and this axolotl-cotmask was tested with {pinned_version()}")
    assert f"pip install axolotl=={pinned_version()}" in said
    monkeypatch.setenv(ANY, "1")
    assert other_version() is None


#: An Axolotl in which the class that the plugin is made of stands somewhere else.
MOVED = """
import sys, types
for name in ("axolotl", "axolotl.integrations", "axolotl.integrations.base"):
    sys.modules[name] = types.ModuleType(name)
import axolotl_cotmask
axolotl_cotmask.CoTMaskPlugin
"""


@pytest.mark.parametrize("other", ["0.20.1", None])
def test_a_name_that_another_version_has_elsewhere_is_that_sentence(other: str | None, tmp_path: Path) -> None:
    path = [str(metadata(tmp_path, other))] if other else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(ROOT)])}
    run = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 1
    if other:
        assert run.stderr.strip().startswith("axolotl-cotmask: axolotl 0.20.1 is installed")
        assert "Traceback" not in run.stderr
    else:
        assert "ImportError" in run.stderr


def taken() -> Iterator[tuple[str, str]]:
    """Yield the names that the package imports from Axolotl, with the modules that it takes them from."""
    for file in sorted((ROOT / "axolotl_cotmask").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "axolotl":
                yield from ((node.module or "", alias.name) for alias in node.names)


def test_the_page_names_all_that_is_taken_from_axolotl_and_tests_that_are_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = sorted(set(taken()))
    assert len(names) > 15
    for module, name in names:
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", page), f"docs/axolotl.md does not name {module}.{name}"
    patched = re.findall(r'\(\w+, "(\w+)", [\w.]+\)', (ROOT / "axolotl_cotmask/training/preparation.py").read_text())
    assert len(patched) > 10
    for name in patched:
        assert f"{name}`" in page, f"docs/axolotl.md does not name {name}, which is changed"
    tests = re.findall(r"tests/[\w/]+\.py", page)
    assert len(tests) > 15
    assert [test for test in tests if not (ROOT / test).is_file()] == []
