"""Files and directories that appear whole or not at all, and JSON files whose errors name the place."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError

#: The environment variable that names the file where a training tells how far it is.
PROGRESS_VARIABLE = "COTMASK_PROGRESS"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the directory of ``path``, and rename it to ``path`` when the block ends well.

    The temporary name keeps the suffix, which some writers take the format from. After an error ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


#: What `whole_directory` has in its hidden directory beside the target, where a killed process leaves it.
SCRATCH = frozenset({"new", "replaced"})


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory beside ``path``, and rename it to ``path`` when the block ends well.

    A directory that is there is replaced. After an error ``path`` is as it was, and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        yield new
        if path.exists():
            path.rename(Path(scratch, "replaced"))
        new.rename(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        CoTMaskError: it cannot be read, or is no complete JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CoTMaskError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CoTMaskError(f"{path}: not a complete JSON file: remove it and make it again") from error
    if not isinstance(content, dict):
        raise CoTMaskError(f"{path}: holds a {type(content).__name__}, not a JSON object: make it again")
    return content


class RowError(ValueError):
    """What is wrong with a row, and where in its file; who knows the file adds its name and the mend."""


def numbered_jsonl(path: Path, fields: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, row) of a JSON-lines file; each row is a mapping that has all ``fields``.

    Raises:
        CoTMaskError: a line is no JSON object or lacks a field; the sentence names file, line and field.
    """
    fields = tuple(fields)
    try:
        for number, row in json_lines(path):
            yield number, checked_row(row, f"line {number}", fields)
    except RowError as error:
        raise CoTMaskError(f"{path}, {error}: mend the file") from error


def read_jsonl(path: Path, fields: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON-lines file, each a mapping that has all ``fields``.

    Raises:
        CoTMaskError: a line is no JSON object or lacks a field; the sentence names file, line and field.
    """
    for _, row in numbered_jsonl(path, fields):
        yield row


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, value) of a JSON-lines file.

    Raises:
        RowError: a line is not complete.
    """
    # Bytes, so that a line that is no UTF-8 fails in json.loads, where its number is known.
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise RowError(f"line {number}: not a complete JSON object ({_reason(error)})") from error
            yield number, row


def json_elements(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, value) of a file with one JSON array.

    Raises:
        RowError: the array is not complete.
    """
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise RowError(f"line {line}: not a complete JSON array ({_reason(error)})") from error
    yield from enumerate(rows, start=1)


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def checked_row(row: Any, place: str, fields: Iterable[str]) -> dict[str, Any]:
    """Return ``row``, which is a mapping with all ``fields``.

    Raises:
        RowError: it is not; ``place`` begins the text.
    """
    if not isinstance(row, dict):
        raise RowError(f"{place}: holds a {type(row).__name__}, not a JSON object")
    for field in fields:
        if field not in row:
            raise RowError(f"{place}: the field '{field}' is missing (there are: {', '.join(sorted(row))})")
    return row
