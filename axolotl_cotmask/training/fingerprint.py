"""Which local files a data set's prepared rows are made of, and one hash of all their bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.files import is_there, read_json, sha256

#: What a tokenizer is made of, in a directory that also holds a model.
_TOKENIZER_SUFFIXES = {".json", ".model", ".txt", ".jinja", ".tiktoken", ".py"}
#: Files of a directory that tell `datasets` how to read the others.
_DATASET_CARDS = ("README.md", ".huggingface.yaml", "dataset_infos.json")

Files = Mapping[str, Path]


def fingerprint(*parts: Files) -> str | None:
    """Return a hash of names and bytes of the files of all ``parts``, in hex; None where there are none."""
    hashes = [[(name, sha256(path)) for name, path in files.items()] for files in parts]
    if not any(hashes):
        return None
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def data_files(entry: Mapping[str, Any]) -> Files:
    """Return the local files that an entry of ``datasets:`` is read from, by name, in the order of reading.

    None of a data set from elsewhere, and none where there is nothing to read: who reads it says what is wrong.
    """
    path = Path(str(entry.get("path")))
    if _is_file(str(path)):
        return {"": path}
    if not is_there(str(path)) or not path.is_dir():
        return {}
    files = [*_saved_files(path)] if not entry.get("data_files") else []
    return {_name(file, path): file for file in files or _loaded_files(path, entry)}


def _saved_files(directory: Path) -> Iterator[Path]:
    """Yield the files of what ``save_to_disk`` wrote; others beside them are caches."""
    if (splits := directory / "dataset_dict.json").is_file():
        yield splits
        for split in read_json(splits)["splits"]:
            yield from _saved_files(directory / split)
    elif (state := directory / "state.json").is_file():
        yield from (state, directory / "dataset_info.json")
        yield from (directory / file["filename"] for file in read_json(state)["_data_files"])


def _loaded_files(directory: Path, entry: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files that ``load_dataset`` reads, as Axolotl calls it for a directory."""
    from axolotl.utils.data.shared import get_dataset_type
    from axolotl.utils.dict import DictDefault
    from datasets import load_dataset_builder

    chosen = entry.get("data_files")
    path = get_dataset_type(DictDefault(entry)) if chosen else str(directory)
    names = entry.get("name")
    try:
        for name in names if isinstance(names, list) else [names]:
            for files in load_dataset_builder(path, name, data_files=chosen).config.data_files.values():
                yield from (Path(file) for file in files if Path(file).is_file())
    except (OSError, ValueError, RuntimeError):
        # The reading itself says what is wrong.
        return
    if not chosen:
        yield from (directory / card for card in _DATASET_CARDS if (directory / card).is_file())


def _name(file: Path, directory: Path) -> str:
    return str(file.relative_to(directory.resolve()) if file.is_relative_to(directory.resolve()) else file)


def tokenizer_files(cfg: Mapping[str, Any]) -> Files:
    """Return the local files that decide how a run of this config splits a text: its tokenizer and chat template."""
    directory = Path(str(cfg.get("tokenizer_config") or cfg.get("base_model_config") or cfg.get("base_model")))
    found = sorted(directory.glob("*")) if is_there(str(directory)) and directory.is_dir() else []
    files = {file.name: file for file in found if file.suffix in _TOKENIZER_SUFFIXES and file.is_file()}
    return {**files, **template_file(cfg)}


def template_file(part: Mapping[str, Any]) -> Files:
    """Return the file of the chat template that a config or a data set names, if it does not hold the text itself."""
    template = part.get("chat_template_jinja")
    return {"chat template": Path(template)} if isinstance(template, str) and _is_file(template) else {}


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        # No name of a file: a template.
        return False
