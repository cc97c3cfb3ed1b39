"""Reading of data files: what `datasets` reads is read, and what it cannot read ends in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from datasets.exceptions import DatasetsError

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking.datasets import dataset_entries

_FILE_SUFFIXES = {".json", ".jsonl", ".csv", ".parquet", ".arrow", ".txt"}


def after_a_look_at_the_files(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that prepares all data: a local file that is not there ends the run with a sentence.

    Other commands, such as `axolotl inference`, need no data.
    """

    @wraps(prepare)
    @one_sentence
    def wrapper(cfg: Any, *args: Any, **kwargs: Any) -> Any:
        for name, entry in dataset_entries(cfg):
            location = str(entry.get("path", ""))
            path = Path(location)
            is_local = path.suffix in _FILE_SUFFIXES or location.startswith(("/", "./", "../", "~"))
            if is_local and "://" not in location and not path.exists():
                raise CoTMaskError(f"{name}.path is {location}, and there is no such file or directory: mend the path")
        return prepare(cfg, *args, **kwargs)

    return wrapper


def in_one_sentence(load_dataset_with_config: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that reads one data set: data that cannot be read end the run with a sentence."""

    @wraps(load_dataset_with_config)
    @one_sentence
    def wrapper(dataset_config: Any, *args: Any, **kwargs: Any) -> Any:
        path = Path(str(dataset_config.get("path")))
        try:
            return load_dataset_with_config(dataset_config, *args, **kwargs)
        except (DatasetsError, ValueError, OSError) as error:
            # What the hub answers, Axolotl asks again.
            if isinstance(error, OSError) and not path.exists():
                raise
            fault = _json_fault(path) if path.suffix in (".json", ".jsonl") else None
            raise CoTMaskError(
                f"{path} cannot be read: {fault or _reason(error)}: mend the data, or what the config says about them"
            ) from error

    return wrapper


def _json_fault(path: Path) -> str | None:
    """Return where a file of JSON values, in lines or otherwise apart by white space, breaks off."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is no UTF-8"
    except OSError:
        return None
    decoder, place = json.JSONDecoder(), 0
    try:
        while place < len(text):
            if text[place].isspace():
                place += 1
            else:
                _, place = decoder.raw_decode(text, place)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: not a complete JSON object ({error.msg})"
    return None


def _reason(error: BaseException) -> str:
    """Return the first line of what an error comes from in the end."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
