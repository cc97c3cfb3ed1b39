"""Prepared data are made again when any local file that they were made of changes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, load_from_disk
from support.project import Project, Rows, write_jsonl
from transformers import AutoTokenizer

from axolotl_cotmask.training.fingerprint import data_files, fingerprint, template_file, tokenizer_files

ROWS = [{"question": f"How many is {number}?", "answer": f"It is {number}.\n#### {number}"} for number in range(10, 30)]


def of(entry: dict[str, Any]) -> str | None:
    return fingerprint(data_files(entry))


def rewritten(path: Path) -> None:
    """Change one letter, and neither size nor time."""
    times = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"many", b"much", 1))
    assert path.stat().st_size == times.st_size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files, one of them further down; the current directory is the one above, as in a config's paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "more").mkdir(parents=True)
    write_jsonl(tmp_path / "data" / "a.jsonl", ROWS[:10])
    write_jsonl(tmp_path / "data" / "more" / "b.jsonl", ROWS[10:])
    return tmp_path / "data"


def linked(directory: Path) -> None:
    """Have the second file lie elsewhere, behind a link of its directory."""
    (directory / "more").rename(directory.parent / "elsewhere")
    (directory / "more").symlink_to(directory.parent / "elsewhere")


def linked_file(directory: Path) -> None:
    """Have the second file be a link."""
    (directory / "more" / "b.jsonl").rename(directory.parent / "b")
    (directory / "more" / "b.jsonl").symlink_to(directory.parent / "b")


ENTRIES: dict[str, tuple[dict[str, Any], Callable[[Path], None] | None]] = {
    "file": ({"path": "data/more/b.jsonl"}, None),
    "file behind a link": ({"path": "data/more/b.jsonl"}, linked_file),
    "directory": ({"path": "data"}, None),
    "directory with a link": ({"path": "data"}, linked_file),
    "absolute directory": ({"path": "/absolute"}, None),
    "one of data_files": ({"path": "data", "data_files": "data/more/b.jsonl"}, None),
    "list": ({"path": "data", "data_files": ["data/a.jsonl", "data/more/b.jsonl"]}, None),
    "mapping": ({"path": "data", "data_files": {"train": ["data/a.jsonl"], "test": "data/more/b.jsonl"}}, None),
    "pattern": ({"path": "data", "data_files": "data/**/*.jsonl"}, None),
    "pattern in a list": ({"path": "data", "data_files": ["data/a.*", "data/more/*.jsonl"]}, None),
    "pattern behind a link": ({"path": "data", "data_files": "data/more/*.jsonl"}, linked),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_file_counts(directory: Path, name: str) -> None:
    entry, change = ENTRIES[name]
    if entry["path"] == "/absolute":
        entry = {"path": str(directory)}
    if change is not None:
        change(directory)
    before = of(entry)
    assert before is not None
    assert of(entry) == before
    rewritten(directory / "more" / "b.jsonl")
    assert of(entry) != before


@pytest.mark.parametrize("entry", [{"path": "data"}, {"path": "data", "data_files": "data/**/*.jsonl"}])
def test_files_that_come_go_and_change_places(directory: Path, entry: dict[str, Any]) -> None:
    seen = {of(entry)}
    write_jsonl(directory / "c.jsonl", ROWS[:1])
    seen.add(of(entry))
    (directory / "a.jsonl").unlink()
    seen.add(of(entry))
    (directory / "c.jsonl").rename(directory / "d.jsonl")
    seen.add(of(entry))
    assert len(seen) == 4


def test_what_is_not_read_does_not_count(directory: Path) -> None:
    chosen: dict[str, Any] = {"path": "data", "data_files": ["data/a.jsonl"]}
    before, whole = of(chosen), of({"path": "data"})
    rewritten(directory / "more" / "b.jsonl")
    assert of(chosen) == before
    (directory / ".hidden.jsonl").write_text("{}")
    (directory / "last_run_prepared").mkdir()
    (directory / "last_run_prepared" / "data-00000-of-00001.arrow").write_bytes(b"many")
    rewritten(directory / "last_run_prepared" / "data-00000-of-00001.arrow")
    rewritten_back = (directory / "more" / "b.jsonl").read_bytes().replace(b"much", b"many")
    (directory / "more" / "b.jsonl").write_bytes(rewritten_back)
    assert of({"path": "data"}) == whole


def test_the_card_of_a_directory_says_which_files_are_read(directory: Path) -> None:
    card = "---\nconfigs:\n- config_name: one\n  data_files: {}\n---\n"
    (directory / "README.md").write_text(card.format("a.jsonl"))
    one = of({"path": "data", "name": "one"})
    rewritten(directory / "more" / "b.jsonl")
    assert of({"path": "data", "name": "one"}) == one
    (directory / "README.md").write_text(card.format("more/*.jsonl"))
    assert of({"path": "data", "name": "one"}) not in (one, None)


@pytest.mark.parametrize("splits", [False, True], ids=["one", "with splits"])
def test_saved_data_sets(tmp_path: Path, splits: bool) -> None:
    rows = Dataset.from_list(ROWS)
    saved = tmp_path / "saved"
    (DatasetDict({"train": rows, "test": rows}) if splits else rows).save_to_disk(saved)
    before = of({"path": str(saved)})
    assert before is not None
    # Tokenising leaves its cache beside the data.
    loaded = load_from_disk(saved)
    (loaded["train"] if splits else loaded).map(lambda row: {"length": len(row["answer"])})
    assert list(saved.glob("**/cache-*.arrow"))
    assert of({"path": str(saved)}) == before
    rewritten(next(saved.glob("**/data-*.arrow")))
    assert of({"path": str(saved)}) != before


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in ("openai/gsm8k", "https://somewhere/rows.jsonl", str(tmp_path / "nowhere"), str(tmp_path / "empty")):
        assert of({"path": path}) is None
    assert of({"path": str(tmp_path / "empty"), "data_files": str(tmp_path / "none-*.jsonl")}) is None


def test_tokenizer_and_template_count(tiny_model: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages }} many")
    cfg = {"base_model": str(base), "chat_template_jinja": str(template)}
    before = fingerprint(tokenizer_files(cfg))
    (base / "model.safetensors").write_bytes(b"other weights")
    assert fingerprint(tokenizer_files(cfg)) == before
    rewritten(template)
    second = fingerprint(tokenizer_files(cfg))
    assert second != before
    content = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    (base / "tokenizer_config.json").write_text(json.dumps({**content, "clean_up_tokenization_spaces": True}))
    assert fingerprint(tokenizer_files(cfg)) not in (before, second)
    assert template_file({"chat_template_jinja": "{{ a template }}" * 1000}) == {}
    assert tokenizer_files({"base_model": "some/where"}) == {}


@pytest.mark.parametrize("kind", ["file", "directory", "saved"])
@pytest.mark.slow
def test_the_rows_are_the_new_ones(project: Project, gsm8k_rows: Rows, kind: str) -> None:
    """Also where size and time of the file are the old ones, by which `datasets` knows it."""
    data = project.directory / "data"
    file = data / "rows.jsonl"

    def write(first: str) -> None:
        rows = [{**gsm8k_rows[0], "question": f"{first} many apples?"}, *gsm8k_rows[1:]]
        if kind == "saved":
            shutil.rmtree(data, ignore_errors=True)
            Dataset.from_list(rows).save_to_disk(data)
            return
        data.mkdir(exist_ok=True)
        write_jsonl(file, rows)
        os.utime(file, (1_700_000_000, 1_700_000_000))

    entry = {"path": str(file if kind == "file" else data), "type": "axolotl_cotmask.prompt_strategies.gsm8k"}
    config = project.config("anew", datasets=[entry])
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    for number, word in enumerate(("How", "Any"), start=1):
        write(word)
        project.axolotl("preprocess", config).check()
        prepared = sorted((project.directory / "anew-prepared").glob("*/state.json"), key=os.path.getmtime)
        assert len(prepared) == number
        texts = [tokenizer.decode(row["input_ids"]) for row in load_from_disk(prepared[-1].parent)]
        assert sum(f"{word} many apples?" in text for text in texts) == 1
    assert "Loading prepared dataset from disk" in project.axolotl("train", config).check().output
