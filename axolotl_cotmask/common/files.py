"""Files and directories that appear whole or not at all, and JSON files whose errors name the place."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.places import check_file, check_place

#: The environment variable that names the file where a training tells how far it is.
PROGRESS_VARIABLE = "COTMASK_PROGRESS"
#: How a system says that there is no room.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the directory of ``path``, and rename it to ``path`` when the block ends well.

    The temporary name keeps the suffix, which some writers take the format from. After an error ``path`` is as it was.

    Raises:
        CoTMaskError: there is no directory for ``path``, or it is something else than a file, such as a device; or the
            disk is full.
    """
    check_place(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with _room_for(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """Make a sentence of a disk that is full: the system says not of which file."""
    try:
        yield
    except OSError as error:
        # A tree that is copied tells all that it met.
        told = error.args[0][-1][-1] if isinstance(error, shutil.Error) else error.strerror
        if error.errno in _FULL or isinstance(error, shutil.Error):
            raise CoTMaskError(
                f"{path}: cannot be written ({told}): make room for it, or name another place"
            ) from error
        raise


#: What `whole_directory` has in its hidden directory beside the target, where a killed process leaves it.
SCRATCH = frozenset({"new", "replaced"})


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory beside ``path``, and rename it to ``path`` when the block ends well.

    A directory that is there is replaced. After an error ``path`` is as it was, and nothing is left beside it.

    Raises:
        CoTMaskError: something else than a directory is there, or the disk is full.
    """
    if path.exists() and not path.is_dir():
        raise CoTMaskError(f"{path}: is no directory, and one is needed there: move it away, or name another place")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _room_for(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        yield new
        if path.exists():
            path.rename(Path(scratch, "replaced"))
        new.rename(path)


@contextmanager
def whole_model(path: Path) -> Iterator[Path]:
    """Yield a new directory to save a model in, as `whole_directory` does; only what is written is to fail within.

    Raises:
        CoTMaskError: it cannot be written.
    """
    try:
        with whole_directory(path) as built:
            yield built
    # A full disk is an exception of its own to safetensors, and a bare one to tokenizers.
    except Exception as error:
        told = error.__cause__ if isinstance(error, CoTMaskError) else error
        if told is None:
            raise
        reason = told.strerror if isinstance(told, OSError) and told.strerror else told
        raise CoTMaskError(f"{path}: cannot write a model there ({reason})") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_there(path: str) -> bool:
    """Return whether something is at a path that a user wrote; not where it can be no path, such as one too long."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def is_writable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: half a character, as JSON may hold it, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        CoTMaskError: it cannot be read, or is no complete JSON object, or a key of an object comes twice.
    """
    check_file(path)
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise CoTMaskError(f"{path}: cannot be read ({error.strerror}): mend its permissions") from error
    except json.JSONDecodeError as error:
        if holds_json_lines(path):
            raise CoTMaskError(f"{path}: holds JSON lines, and one JSON object is needed: name another file") from error
        raise CoTMaskError(f"{path}: not a complete JSON file: remove it and make it again") from error
    except ValueError as error:
        raise CoTMaskError(f"{path}: {error}: make it again") from error
    if not isinstance(content, dict):
        raise CoTMaskError(f"{path}: holds {json_kind(content)}, not a JSON object: make it again")
    return content


def holds_json_lines(path: Path) -> bool:
    """Tell whether the first line of a file that is not empty is a whole JSON object, and another line follows."""
    with path.open("rb") as file:
        lines = (line for line in file if line.strip())
        try:
            return isinstance(parse_json(next(lines, b"")), dict) and next(lines, None) is not None
        except ValueError:
            return False


#: Lists and objects within each other; what is nested more deeply is no data.
_DEEPEST = 100
_TOO_DEEP = f"lists and objects are nested more than {_DEEPEST} deep"


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; bytes may begin with a byte order mark.

    Raises:
        ValueError: it is not complete, or a key of an object comes twice, or it is nested too deeply; all but the first
            are no JSONDecodeError, and their text says what is wrong.
    """
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object of its keys and values.

    Raises:
        ValueError: a key comes twice.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice}' comes twice in an object")
    return value


def _children(value: Any) -> Iterable[Any]:
    """Return what lies in a list or object; nothing for what is neither."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def json_kind(value: Any) -> str:
    """Return what JSON calls a value, such as ``a list`` or ``null``."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names[type(value)]


class RowError(ValueError):
    """What is wrong with a row, and where in its file; who knows the file adds its name and the mend."""


def numbered_jsonl(path: Path, fields: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, row) of a JSON-lines file; each row is a mapping that has all ``fields``.

    Raises:
        CoTMaskError: a line is no JSON object or lacks a field; the sentence names file, line and field.
    """
    fields = tuple(fields)
    check_file(path)
    try:
        for number, row in json_lines(path):
            yield number, checked_row(row, f"line {number}", fields)
    except RowError as error:
        raise CoTMaskError(f"{path}, {error}: mend the file") from error
    except OSError as error:
        raise CoTMaskError(f"{path}: cannot be read ({error.strerror}): mend its permissions") from error


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
    # Bytes, so that a line that is no UTF-8 fails in the parser, where its number is known.
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise RowError("line 1: the file is UTF-16, which has no lines of bytes: save it as UTF-8")
            try:
                row = parse_json(line)
            except ValueError as error:
                raise RowError(f"line {number}: {_reason(error, 'object')}") from error
            yield number, row


def json_elements(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, value) of a file with one JSON array.

    Raises:
        RowError: the array is not complete.
    """
    try:
        rows = parse_json(path.read_bytes())
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise RowError(f"line {line}: {_reason(error, 'array')}") from error
    yield from enumerate(rows, start=1)


def _reason(error: ValueError, kind: str) -> str:
    """Return what is wrong with a text that is to be a JSON object or array."""
    if isinstance(error, json.JSONDecodeError):
        return f"not a complete JSON {kind} ({error.msg})"
    return f"not a complete JSON {kind} ({error})" if isinstance(error, UnicodeDecodeError) else str(error)


def checked_row(row: Any, place: str, fields: Iterable[str]) -> dict[str, Any]:
    """Return ``row``, which is a mapping with all ``fields``.

    Raises:
        RowError: it is not; ``place`` begins the text.
    """
    if not isinstance(row, dict):
        raise RowError(f"{place}: holds {json_kind(row)}, not a JSON object")
    for field in fields:
        if field not in row:
            raise RowError(f"{place}: the field '{field}' is missing (there are: {', '.join(sorted(row))})")
    return row
