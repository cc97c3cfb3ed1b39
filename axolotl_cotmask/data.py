"""Where the data sets live: on the hub, at a raw URL, or in the directory that ``COTMASK_DATA_DIR`` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.errors import CoTMaskError

if TYPE_CHECKING:
    from datasets import Dataset

ENV_VAR = "COTMASK_DATA_DIR"


@dataclass(frozen=True)
class Source:
    """One data set: its file name under ``COTMASK_DATA_DIR``, its remote home, and the fields that its rows must have.

    ``remote`` holds the arguments of ``datasets.load_dataset`` that load it when no local directory is set. A field
    may be null in a row only when ``nullable`` names it.
    """

    file: str
    remote: Mapping[str, str]
    fields: tuple[str, ...]
    nullable: tuple[str, ...] = ()


_GSM_IC_URL = "https://raw.githubusercontent.com/google-research-datasets/GSM-IC/main/"
_GSM_IC_FIELDS = ("original_question", "new_question", "answer", "n_steps")
# Copies of GSM-IC without these two fields get them by matching texts, and a few rows find no match.
_GSM_IC_NULLABLE = ("original_question", "n_steps")

SOURCES: Mapping[str, Source] = {
    "gsm8k_train": Source(
        "gsm8k_train.jsonl", {"path": "openai/gsm8k", "name": "main", "split": "train"}, ("question", "answer")
    ),
    "gsm8k_test": Source(
        "gsm8k_test.jsonl", {"path": "openai/gsm8k", "name": "main", "split": "test"}, ("question", "answer")
    ),
    "gsm_ic_2step": Source(
        "gsm_ic_2step_1k.jsonl",
        {"path": "json", "data_files": _GSM_IC_URL + "GSM-IC_2step.json", "split": "train"},
        _GSM_IC_FIELDS,
        _GSM_IC_NULLABLE,
    ),
    "gsm_ic_mstep": Source(
        "gsm_ic_mstep_1k.jsonl",
        {"path": "json", "data_files": _GSM_IC_URL + "GSM-IC_mstep.json", "split": "train"},
        _GSM_IC_FIELDS,
        _GSM_IC_NULLABLE,
    ),
}


def data_dir() -> Path | None:
    """Return the directory that ``COTMASK_DATA_DIR`` names, or None when it is unset or empty.

    Raises:
        CoTMaskError: it is set, but there is no such directory.
    """
    value = os.environ.get(ENV_VAR, "")
    if not value:
        return None
    directory = Path(value).expanduser()
    if not directory.is_dir():
        raise CoTMaskError(
            f"{ENV_VAR} is {value}, and there is no such directory: create it, or unset {ENV_VAR} to use the hub"
        )
    return directory.resolve()


def local_file(source: Source) -> Path | None:
    """Return the file of ``source`` under ``COTMASK_DATA_DIR``, or None when that is unset.

    Raises:
        CoTMaskError: the directory or the file in it is missing.
    """
    directory = data_dir()
    if directory is None:
        return None
    path = directory / source.file
    if not path.is_file():
        raise CoTMaskError(
            f"{ENV_VAR} is {directory}, and {source.file} is not in it: put it there, or unset {ENV_VAR} to use the hub"
        )
    return path


def numbered_jsonl(path: Path, fields: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, row) of a JSON-lines file; each row is a mapping that has all ``fields``.

    Raises:
        CoTMaskError: a line is no JSON object or lacks a field; the sentence names file, line and field.
    """
    fields = tuple(fields)
    # Bytes, so that a line that is no UTF-8 fails in json.loads, where its number is known.
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise CoTMaskError(
                    f"{path}, line {number}: not a complete JSON object ({reason}): mend or remove the line"
                ) from error
            if not isinstance(row, dict):
                raise CoTMaskError(f"{path}, line {number}: holds a {type(row).__name__}, not a JSON object: mend it")
            for field in fields:
                if field not in row:
                    raise CoTMaskError(
                        f"{path}, line {number}: the field '{field}' is missing (there are: {', '.join(sorted(row))})"
                    )
            yield number, row


def read_jsonl(path: Path, fields: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON-lines file, each a mapping that has all ``fields``.

    Raises:
        CoTMaskError: a line is no JSON object or lacks a field; the sentence names file, line and field.
    """
    for _, row in numbered_jsonl(path, fields):
        yield row


def load(name: str) -> Dataset:
    """Load the data set ``name`` (a key of `SOURCES`) with one row per example and at least the source's fields.

    Raises:
        CoTMaskError: the local directory, file, a line or a field is missing, empty or broken, or the remote home
            does not answer.
    """
    source = SOURCES[name]
    path = local_file(source)
    return _load_remote(name, source) if path is None else _load_local(path, source)


def _load_local(path: Path, source: Source) -> Dataset:
    import pyarrow
    from datasets import Dataset

    rows = []
    for number, row in numbered_jsonl(path, source.fields):
        for field in source.fields:
            if row[field] is None and field not in source.nullable:
                raise CoTMaskError(f"{path}, line {number}: the field '{field}' is null: give it a value")
        rows.append(row)
    if not rows:
        raise CoTMaskError(f"{path} holds no rows: put the data set there, or unset {ENV_VAR} to use the hub")
    try:
        return Dataset.from_list(rows)
    except pyarrow.ArrowException as error:
        raise CoTMaskError(f"{path}: a field changes its type between rows ({error}): give it one type") from error


def _load_remote(name: str, source: Source) -> Dataset:
    from datasets import load_dataset

    home = source.remote.get("data_files", source.remote["path"])
    try:
        dataset = load_dataset(**source.remote)
    except Exception as error:  # offline, the hub's client raises anything from OSError to RuntimeError
        raise CoTMaskError(
            f"{home} could not be loaded ({type(error).__name__}: {error}): check the network, or set {ENV_VAR} "
            f"to a directory that holds {source.file}"
        ) from error
    missing = [field for field in source.fields if field not in dataset.column_names]
    if missing:
        raise CoTMaskError(
            f"{home} has no field {', '.join(missing)} (there are: {', '.join(dataset.column_names)}): "
            f"{name} needs {', '.join(source.fields)}"
        )
    return dataset
