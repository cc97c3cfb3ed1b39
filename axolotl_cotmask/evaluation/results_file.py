"""The files that lm-eval writes with ``--output_path``: where they are, which belong together, and that they are whole.

For a directory that is MODEL/results_DATE.json and MODEL/samples_TASK_DATE.jsonl, for ``P/name.json`` it is
P/name_DATE.json and P/samples_TASK_DATE.jsonl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Required

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import parse_json, read_json
from axolotl_cotmask.common.places import check_file

_RESULTS_NAME = re.compile(r"results_.+\.json|.+_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?\.json")
_SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>[^_]+)\.jsonl")
#: The model arguments that say which weights were evaluated.
_WEIGHTS = ("pretrained", "peft", "delta", "revision", "subfolder", "gguf_file")

_SHOWN = 60  # characters of a value in an error


class _Generation(TypedDict, total=False):
    until: str | list[str] | None


class _Metadata(TypedDict, total=False):
    signature: dict[str, Any] | None


class _TaskConfig(TypedDict, total=False):
    generation_kwargs: _Generation | None
    metadata: _Metadata | None


class _Config(TypedDict, total=False):
    model_args: dict[str, Any] | str | None


class _Counts(TypedDict):
    original: int
    effective: int


#: What is read of a results file.
_Content = TypedDict(
    "_Content",
    {
        "results": Required[dict[str, dict[str, Any]]],
        "configs": dict[str, _TaskConfig],
        "config": _Config,
        "n-shot": dict[str, Any],
        "n-samples": dict[str, _Counts],
    },
    total=False,
)


def find_results_files(source: Path) -> list[Path]:
    """Return results files by their date: ``source``, those below it, or those that ``--output_path source`` made.

    Raises:
        CoTMaskError: there are none.
    """
    if source.is_file():
        return [source]
    if source.is_dir():
        files = list(source.rglob("*.json"))
    elif source.suffix == ".json" and not source.exists():
        files = list(source.parent.glob(f"{source.stem}_*.json"))
    else:
        check_file(source)
    # lm-eval puts the date into the name.
    named = sorted((file for file in files if _RESULTS_NAME.fullmatch(file.name)), key=lambda f: (_date(f), f))
    if not named:
        what = "no results_*.json in it" if source.is_dir() else "there is no such file or directory"
        raise CoTMaskError(f"{source}: {what}: give lm_eval this directory as --output_path")
    return named


def samples_path(results: Path, task: str) -> Path:
    """Return where lm-eval writes a task's scored documents with ``--log_samples``; there or not."""
    return results.with_name(f"samples_{task}_{_date(results)}.jsonl")


def results_of_samples(samples: Path) -> tuple[str, Path] | None:
    """Return the task of a samples file and the results file beside it; None where there is none."""
    name = _SAMPLES_NAME.fullmatch(samples.name)
    beside = [] if name is None else sorted(samples.parent.glob(f"*_{name['date']}.json"))
    return (name["task"], beside[0]) if name is not None and beside else None


def holds_answers(path: Path) -> bool:
    """Tell whether a file holds JSON lines, such as lm-eval's samples, and not lm-eval's results.

    Raises:
        CoTMaskError: it is no regular file.
    """
    check_file(path)
    try:
        row = _first_line(path)
    except ValueError:
        # Results fill several lines.
        return path.suffix != ".json"
    return not _are_results(row, path)


def holds_results(path: Path) -> bool:
    """Tell whether a file is one JSON object with ``results``, on a line or on several.

    Raises:
        CoTMaskError: it is no regular file.
    """
    check_file(path)
    try:
        return _are_results(_first_line(path), path)
    except ValueError:
        pass
    try:
        return _are_results(parse_json(path.read_bytes()), path)
    except ValueError:
        return False


def _first_line(path: Path) -> Any:
    """Return the value of the first line that is not empty.

    Raises:
        ValueError: it is no complete JSON.
    """
    with path.open("rb") as lines:
        return parse_json(next((line for line in lines if line.strip()), b""))


def _are_results(content: Any, path: Path) -> bool:
    if not isinstance(content, dict) or "results" not in content:
        return False
    # Rows of somebody else's answers may have a field of this name.
    return path.suffix == ".json" or isinstance(content["results"], dict)


def read_results_file(path: Path) -> dict[str, Any]:
    """Return the content of a results file, whose parts that are read elsewhere are of their kind.

    Raises:
        CoTMaskError: it cannot be read, is not complete, or is not as lm-eval writes it.
    """
    content = read_json(path)
    try:
        _schema().validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place, value = _walk(content, first["loc"])
        raise CoTMaskError(
            f"{path}: {place} holds {json.dumps(value, default=str)[:_SHOWN]} ({first['msg']}), and these are no "
            "results as lm-eval writes them: evaluate again"
        ) from error
    return content


@cache
def _schema() -> TypeAdapter[Any]:
    return TypeAdapter(_Content)


def _walk(content: Any, location: Iterable[Any]) -> tuple[str, Any]:
    """Return the place that a validation error is about, and its value; what it adds about types is no place."""
    names = []
    for part in location:
        try:
            content = content[part]
        except (KeyError, TypeError, IndexError):
            break
        names.append(str(part))
    return f"'{'.'.join(names)}'" if names else "it", content


def model_of(content: Mapping[str, Any]) -> str | None:
    """Return which weights were evaluated, None where the file does not say."""
    arguments = model_arguments(content)
    named = {name: str(arguments[name]) for name in _WEIGHTS if arguments.get(name)}
    return ", ".join(named.values()) or content.get("model_name")


def model_arguments(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's arguments; lm-eval's Python interface also takes ``name=value,...``."""
    arguments = content.get("config", {}).get("model_args")
    if isinstance(arguments, str):
        return dict(pair.split("=", 1) for pair in arguments.split(",") if "=" in pair)
    return dict(arguments or {})


def _date(path: Path) -> str:
    return path.stem.rpartition("_")[2]
