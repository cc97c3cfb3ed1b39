"""Recipes travel with the package, and what code makes of them is up to date."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import pytest
from support import recipe_files as recipes
from support.project import Project

from axolotl_cotmask.reproduction.paper.facts import RUNS


def test_fetch_copies_recipes_and_tasks(project: Project) -> None:
    project.axolotl("cotmask", "fetch", "recipes", "mine").check()
    copied = {path.relative_to(project.directory / "mine") for path in (project.directory / "mine").rglob("*.yaml")}
    assert copied == {path.relative_to(recipes.RECIPES) for path in recipes.RECIPES.rglob("*.yaml")}
    assert "mine exists already" in project.axolotl("cotmask", "fetch", "recipes", "mine").sentence()
    output = project.axolotl("cotmask", "tasks-path").check().output
    assert Path(output.splitlines()[-1], "cotmask_gsm8k", "cotmask_gsm8k.yaml").is_file()


def test_the_recipes_page_is_in_step_with_the_table() -> None:
    page = (recipes.RECIPES / "README.md").read_text(encoding="utf-8")
    with_table = runpy.run_path(str(recipes.RECIPES / "made.py"))["with_table"]
    assert with_table(page) == page, "run `nox -s tables`"
    for run in RUNS:
        assert f"[{run.name}]({run.name}.yaml)" in page
    with pytest.raises(ValueError, match="needs the lines"):
        with_table("# Recipes")


@pytest.mark.parametrize("name", ["README.md", "ablations/table3.sweep.yaml", "smollm2-135m/gsm8k-mft.yaml"])
def test_a_check_says_whether_written_files_are_stale(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes"
    shutil.copytree(recipes.RECIPES, folder)

    def make(*options: str) -> None:
        monkeypatch.setattr(sys, "argv", ["made.py", *options])
        runpy.run_path(str(folder / "made.py"), run_name="__main__")

    make("--check")
    written = folder / name
    before = written.read_text(encoding="utf-8")
    written.write_text(
        before.replace("47.1", "47.2").replace("mask_ratio: 0.4  ", "mask_ratio: 0.5  "), encoding="utf-8"
    )
    stale = written.read_bytes()
    with pytest.raises(SystemExit, match=f"{written.name}: not what is made from code: run `nox -s tables`"):
        make("--check")
    assert written.read_bytes() == stale, "a check writes nothing"
    make()
    assert written.read_text(encoding="utf-8") == before
