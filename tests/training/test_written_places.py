"""A key of a config that names a place where nothing can be written is told before any work, with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.project import Project

from axolotl_cotmask.training.places import place_faults

KEYS = ("output_dir", "dataset_prepared_path")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file, a directory and a link to nothing."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("of somebody")
    Path("directory").mkdir()
    os.symlink("nothing", "link")
    return tmp_path


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "file: is no directory, and one is needed there"),
        ("file/run", "file: is no directory, and one is needed there"),
        ("/dev/null", "/dev/null: is no directory"),
        ("link", "link: is no directory"),
        # Nobody can make a file here, root neither.
        ("/sys/a/b", "/sys: cannot be written to"),
        ("x" * 300, "File name too long: name another place"),
        ("nowhere/" + "x" * 300, "File name too long: name another place"),
        ("nowhere/" * 1000, "File name too long: name another place"),
        ("a\x00b", "embedded null byte: name another place"),
        ("~/run", "Axolotl takes ~ for the name of a directory: write the path in full"),
        ("\ud800", "surrogates not allowed: name another place"),
    ],
)
def test_places_where_nothing_can_be_written(key: str, place: str, reason: str) -> None:
    (fault,) = place_faults({key: place})
    assert fault.key == (key,)
    assert fault.sentence.startswith(f"{key} is {place}, where nothing can be written: ")
    assert reason in fault.sentence


def test_places_that_can_be_written(here: Path) -> None:
    before = sorted(here.iterdir())
    assert not list(place_faults({}))
    for place in ("directory", "directory/a/b", "new", "x" * 255, str(here / "new")):
        assert not list(place_faults(dict.fromkeys(KEYS, place)))
    assert sorted(here.iterdir()) == before


def test_no_place_at_all() -> None:
    (fault,) = place_faults({"output_dir": "", "dataset_prepared_path": ""})
    assert fault.sentence == "output_dir is '', where nothing can be written: name a directory"


def test_the_places_of_no_key(here: Path) -> None:
    Path("model-out").touch()
    Path("last_run_prepared").touch()
    output, prepared = (fault.sentence for fault in place_faults({"dataset_prepared_path": None}))
    assert output.startswith("output_dir is ./model-out, where nothing can be written: ")
    assert prepared.startswith("dataset_prepared_path is last_run_prepared, where nothing can be written: ")
    # A model that is merged needs no rows.
    assert [fault.key for fault in place_faults({"merge_lora": True})] == [("output_dir",)]


def test_commands_tell_before_any_work(project: Project) -> None:
    file = project.directory / "file"
    for key in KEYS:
        config = project.config(**{key: str(file)})
        line = 1 + [text.startswith(f"{key}: ") for text in config.read_text().splitlines()].index(True)
        for command in (("cotmask", "check"), ("train",), ("preprocess",)):
            sentence = project.axolotl(*command, config).sentence()
            assert sentence.startswith(f"{key} is {file}, where nothing can be written: ")
            assert sentence.endswith(f"({config}, line {line})")
    both = dict.fromkeys(KEYS, str(file))
    wrong = project.axolotl("train", project.config(**both, micro_batch_size=True))
    assert "3 things are wrong in the config:" in wrong.output
    # A preview writes nowhere.
    project.axolotl("cotmask", "preview", project.config(**both)).check()
    assert file.read_text() == "of somebody"
    assert not list(project.directory.glob("*/debug.log")), "nothing was begun"
