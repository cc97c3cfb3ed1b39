"""Where a command is to write: what is in the way, takes no files or has no room ends in a sentence, before any work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support.full_disk import no_file_above
from support.project import write_jsonl

from axolotl_cotmask.cli.analyze.length import length
from axolotl_cotmask.cli.analyze.unanimous import unanimous
from axolotl_cotmask.cli.augment.prompts import prompts
from axolotl_cotmask.cli.augment.sample import sample
from axolotl_cotmask.cli.base_model import base_model
from axolotl_cotmask.cli.compare import compare
from axolotl_cotmask.cli.execute import execute
from axolotl_cotmask.cli.preview import preview
from axolotl_cotmask.cli.repro import repro
from axolotl_cotmask.cli.resources import fetch
from axolotl_cotmask.cli.score import score
from axolotl_cotmask.cli.tiny_model import tiny_model
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_directory, whole_file, whole_model
from axolotl_cotmask.common.places import check_new_directory, check_new_file

Command = tuple[click.Command, Callable[[str], list[str]]]
#: Nobody can make a file here, root neither.
READ_ONLY = "/sys"
FILES: dict[str, Command] = {
    "compare": (compare, lambda place: ["nowhere", "nowhere", "--html", place]),
    "preview": (preview, lambda place: ["input.html", "--html", place]),
    "execute": (execute, lambda place: ["input.html", place, "--rule", "gsm8k_hash", "--confirm_run_unsafe_code"]),
    "augment prompts": (prompts, lambda place: ["gsm8k_train", "-o", place]),
    "unanimous": (unanimous, lambda place: ["A=nowhere", "B=nowhere", "--page", place]),
    "length": (length, lambda place: ["A=nowhere", "--tokenizer", "x", "--plot", place]),
}
DIRECTORIES: dict[str, Command] = {
    "tiny-model": (tiny_model, lambda place: [place]),
    "base-model": (base_model, lambda place: ["smollm2", place]),
    "fetch": (fetch, lambda place: ["recipes", place]),
    "augment sample": (sample, lambda place: ["model", "--task", "cotmask_sample_gsm8k", "-o", place]),
    "repro": (repro, lambda place: ["demo", "--output", place]),
}


def sentence(command: click.Command, arguments: list[str]) -> str:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file and a directory in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.html").write_text("{}")
    (tmp_path / "directory.html").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_places_where_no_file_can_be_written(name: str) -> None:
    command, arguments = FILES[name]
    assert f"{READ_ONLY}: cannot be written to (Permission denied)" in sentence(command, arguments("/sys/page.html"))
    assert "directory.html: is a directory: name a file in it" in sentence(command, arguments("directory.html"))
    assert "there is no directory input.html" in sentence(command, arguments("input.html/page.html"))
    assert "there is no directory nowhere" in sentence(command, arguments("nowhere/page.html"))
    assert "File name too long" in sentence(command, arguments("x" * 3000 + ".html"))


@pytest.mark.parametrize("name", DIRECTORIES)
def test_places_where_no_directory_can_be_made(name: str) -> None:
    command, arguments = DIRECTORIES[name]
    assert f"{READ_ONLY}: cannot be written to (Permission denied)" in sentence(command, arguments("/sys/a/b"))
    # What is there already, a base model is not written over.
    for place in ("input.html", "input.html/a/b")[name == "base-model" :]:
        assert "input.html: is no directory, and one is needed there" in sentence(command, arguments(place))
    os.symlink("nothing", "link")
    assert "link: is no directory, and one is needed there" in sentence(command, arguments("link/a"))
    assert "File name too long" in sentence(command, arguments("x" * 3000))


def test_a_name_to_read_that_is_too_long() -> None:
    arguments = ["--rule", "gsm8k_hash", "--prediction-field", "a", "--gold-field", "b"]
    assert "File name too long" in sentence(score, ["x" * 3000, *arguments])


def test_a_full_disk(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(here / "gsm8k_train.jsonl", [{"question": f"{n} " * 40, "answer": "#### 1"} for n in range(90)])
    write_jsonl(here / "gsm8k_test.jsonl", [{"question": "of a test", "answer": "#### 1"}])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(here))
    before = sorted(os.listdir())
    with no_file_above(2000):
        for command, arguments in (FILES["augment prompts"], DIRECTORIES["fetch"]):
            assert "new.html: cannot" in (said := sentence(command, arguments("new.html")))
            assert "File too large" in said
        with (
            pytest.raises(CoTMaskError, match=r"page: cannot be written \(File too large\)"),
            whole_file(Path("page")) as new,
        ):
            new.write_text(json.dumps("x" * 5000))
    assert sorted(os.listdir()) == before, "nothing is left"


def test_a_file_is_not_taken_for_a_directory_that_is_replaced(here: Path) -> None:
    for whole in (whole_directory, whole_model):
        with pytest.raises(CoTMaskError, match="is no directory"), whole(here / "input.html"):
            pass
    assert (here / "input.html").read_text() == "{}"


def test_what_can_be_written(here: Path) -> None:
    check_new_file(here / "input.html")
    check_new_directory(here / "directory.html")
    check_new_directory(here / "a" / "b")
    assert not (here / "a").exists()
