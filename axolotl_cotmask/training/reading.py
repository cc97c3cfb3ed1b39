"""Reading of data files: what `datasets` reads is read, and what it cannot read ends in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from axolotl.utils.logging import get_logger
from datasets import Dataset
from multiprocess.pool import RemoteTraceback

from axolotl_cotmask.common.errors import CoTMaskError, Fault, key_name, one_sentence
from axolotl_cotmask.common.files import is_there
from axolotl_cotmask.common.json_rows import json_fault
from axolotl_cotmask.data import sources
from axolotl_cotmask.masking.datasets import dataset_entries
from axolotl_cotmask.training.fingerprint import data_files

LOG = get_logger(__name__)
_FILE_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet", ".arrow", ".txt")


def after_a_look_at_the_files(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that prepares all data: a local file that is not there ends the run with a sentence.

    Other commands, such as `axolotl inference`, need no data.
    """

    @wraps(prepare)
    @one_sentence
    def wrapper(cfg: Any, *args: Any, **kwargs: Any) -> Any:
        for fault in missing_files(cfg):
            raise CoTMaskError(fault.sentence)
        return prepare(cfg, *args, **kwargs)

    return wrapper


def missing_files(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the local data files and directories that are not there."""
    for key, entry in dataset_entries(cfg):
        location = str(entry.get("path", ""))
        is_local = location.endswith(_FILE_SUFFIXES) or location.startswith(("/", "./", "../", "~"))
        if is_local and "://" not in location and not is_there(location):
            name = key_name((*key, "path"))
            yield Fault((*key, "path"), f"{name} is {location}, and there is no such file or directory: mend the path")


def in_one_sentence(load_dataset_with_config: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that reads one data set: data that cannot be read end the run with a sentence."""

    @wraps(load_dataset_with_config)
    @one_sentence
    def wrapper(dataset_config: Any, *args: Any, **kwargs: Any) -> Any:
        path = str(dataset_config.get("path"))
        # Some of these the reader of an array passes over: it takes the last of two equal keys, and leaves out half a
        # character.
        for file in data_files(dataset_config).values():
            if fault := _fault(str(file)):
                raise _sentence(path if str(file) == str(Path(path)) else str(file), fault)
        try:
            dataset = load_dataset_with_config(dataset_config, *args, **kwargs)
        except Exception as error:
            if is_there(path):
                raise unreadable(path, error) from error
            # Other errors may be those of a network, which Axolotl tries again.
            if isinstance(error, ValueError):
                raise _not_loaded(path, sources.meant_by(dataset_config), error) from error
            raise
        shards = dataset_config.get("shards")
        if shards and isinstance(dataset, Dataset) and shards > len(dataset):
            raise CoTMaskError(
                f"{path} has {len(dataset)} rows, too few for {shards} shards: give shards a smaller number"
            )
        return dataset

    return wrapper


def with_rows_left(handle_long_seq_in_dataset: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that holds rows to a length: where one is too long by the config, or none is left, the
    run ends with a sentence.
    """

    @wraps(handle_long_seq_in_dataset)
    @one_sentence
    def wrapper(dataset: Any, sequence_len: int, cfg: Any) -> Any:
        try:
            handled = handle_long_seq_in_dataset(dataset, sequence_len, cfg)
        except ValueError as error:
            raise CoTMaskError(
                f"{_reason(error)}: raise sequence_len, or say what to do with long rows (excess_length_strategy: "
                "drop | truncate)"
            ) from error
        if len(handled) == 0:
            raise CoTMaskError(
                f"no row is left: of {len(dataset)} rows none has from {cfg.min_sample_len or 2} (min_sample_len) to "
                f"{sequence_len} tokens (sequence_len): mend one of these keys"
            )
        if left_out := len(dataset) - len(handled):
            LOG.warning(
                f"{left_out} of {len(dataset)} rows are left out: they have more than {sequence_len} tokens "
                f"(sequence_len), or fewer than {cfg.min_sample_len or 2} (min_sample_len)"
            )
        return handled

    return wrapper


def with_rows_to_train_on(handle_train_dataset_split: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that holds rows out: where it cannot, the run ends with a sentence."""

    @wraps(handle_train_dataset_split)
    @one_sentence
    def wrapper(dataset: Any, cfg: Any) -> Any:
        try:
            return handle_train_dataset_split(dataset, cfg)
        # The latter of an infinite one.
        except (ValueError, OverflowError) as error:
            raise CoTMaskError(
                f"val_set_size is {cfg.val_set_size:g}, and there are {len(dataset)} rows, so that none is left on one "
                "side: give another number or share"
            ) from error

    return wrapper


def unreadable(path: str, error: Exception) -> CoTMaskError:
    """Return the error that says why the data at ``path`` cannot be read, after ``error``."""
    cause = _cause(error)
    if isinstance(cause, UnicodeDecodeError) and is_there(path) and Path(path).is_file():
        return _sentence(path, _fault(path) or f"line {_first_line_that_is_no_text(Path(path))}: not UTF-8")
    return _sentence(path, _fault(path) or _reason(error))


def _not_loaded(path: str, name: str | None, error: Exception) -> CoTMaskError:
    file = "" if name is None else f", or set {sources.ENV_VAR} to a directory that holds {sources.SOURCES[name].file}"
    return CoTMaskError(
        f"{path} is not here, and could not be loaded from elsewhere ({_reason(error)}): check the name and the network"
        f"{file}"
    )


def _first_line_that_is_no_text(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _fault(path: str) -> str | None:
    """Return what is wrong with a file that can be seen without the reader of its format."""
    if not is_there(path) or not Path(path).is_file():
        return None
    if path.endswith((".json", ".jsonl")):
        return json_fault(Path(path))
    return None if Path(path).stat().st_size else "it is empty"


def _sentence(path: str, reason: str) -> CoTMaskError:
    return CoTMaskError(f"{path} cannot be read: {reason}: mend the data, or what the config says of them")


def _cause(error: BaseException) -> BaseException:
    """Return what an error comes from in the end."""
    # That of another process is its traceback, as a text.
    while error.__cause__ is not None and not isinstance(error.__cause__, RemoteTraceback):
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    """Return the first line of what an error comes from in the end, or its kind where it says nothing."""
    error = _cause(error)
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:!") if lines else type(error).__name__
