"""What an installed package brings along."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_recipes_and_tasks_travel_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("recipes", "evaltasks"):
        files = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.suffix in {".yaml", ".py"}]
        assert len(files) >= 5
        assert {f"axolotl_cotmask/{path}" for path in files} <= names
    pages = [
        path.relative_to(ROOT)
        for path in (ROOT / "axolotl_cotmask").rglob("*")
        if path.suffix in {".jinja", ".css", ".js"}
    ]
    assert len(pages) >= 10
    assert set(map(str, pages)) <= names
    assert "axolotl_cotmask/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "bench")) for name in names)


#: Ways in which a program may look for a plugin in a package.
WAYS = {
    "getattr": "axolotl_cotmask.CoTMaskPlugin",
    "vars": "vars(axolotl_cotmask)['CoTMaskPlugin']",
    "dict": "axolotl_cotmask.__dict__['CoTMaskPlugin']",
    "dir": "[getattr(axolotl_cotmask, name) for name in dir(axolotl_cotmask) if name == 'CoTMaskPlugin'][0]",
    "getmembers": "dict(inspect.getmembers(axolotl_cotmask, inspect.isclass))['CoTMaskPlugin']",
    "import": "importlib.import_module('axolotl_cotmask').CoTMaskPlugin",
    "star": "(exec('from axolotl_cotmask import *', names := {}), names['CoTMaskPlugin'])[1]",
}


@pytest.mark.slow
def test_every_way_finds_the_plugin_and_light_modules_come_without_axolotl(tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(
        "import importlib, inspect, os, sys\n"
        "import axolotl_cotmask\n"
        "import axolotl_cotmask.cli, axolotl_cotmask.evaluation.answers, axolotl_cotmask.data.prompts\n"
        "assert not hasattr(axolotl_cotmask, 'CoTMaskPlugins')\n"
        "assert not {'axolotl', 'torch', 'datasets', 'pandas', 'lm_eval'} & set(sys.modules)\n"
        # Each way is the first one in a process of its own, and Axolotl is imported once for all of them.
        "import axolotl.integrations.base\n"
        f"for way in {list(WAYS.values())!r}:\n"
        "    if os.fork() == 0:\n"
        "        plugin = eval(way)\n"
        "        print(plugin.__module__, issubclass(plugin, axolotl.integrations.base.BasePlugin), flush=True)\n"
        "        os._exit(0)\n"
        "    assert os.wait()[1] == 0, way\n",
        encoding="utf-8",
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    found = [line for line in run.stdout.splitlines() if line.startswith("axolotl_cotmask")]
    assert found == ["axolotl_cotmask.training.plugin True"] * len(WAYS)
