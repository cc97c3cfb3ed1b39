"""What a kill or a full disk leaves behind is found when a run starts again: one output directory, one run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from axolotl.utils.distributed import barrier, get_world_size, is_main_process
from axolotl.utils.logging import get_logger
from datasets import Dataset
from filelock import FileLock, Timeout

from axolotl_cotmask.common.checkpoints import checkpoints, is_complete
from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.common.files import whole_directory

LOG = get_logger(__name__)

#: In the output directory; held by the process that trains there, and let go by the system when it ends in any way.
_LOCK = ".cotmask.lock"
#: The locks that this process holds: one that nobody keeps would be let go.
_held: list[FileLock] = []


def hold(output_dir: str) -> None:
    """Take the output directory for this process until it ends.

    Raises:
        CoTMaskError: another run trains there.
    """
    directory = Path(output_dir)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / _LOCK, blocking=False)
        if not _is_held(lock):
            lock.acquire()
            _held.append(lock)
    except Timeout as error:
        raise _held_by_another(output_dir) from error
    except OSError as error:
        raise CoTMaskError(
            f"output_dir is {output_dir}, which cannot be written to ({error.strerror}): mend it, or name another one"
        ) from error


def check_free(output_dir: str) -> None:
    """Check, before Axolotl begins `debug.log` there anew, that no other run is at work in the output directory.

    Raises:
        CoTMaskError: one is.
    """
    lock = FileLock(Path(output_dir, _LOCK), blocking=False)
    if _is_held(lock) or not os.path.isfile(lock.lock_file):
        return
    try:
        with lock:
            pass
    except Timeout as error:
        raise _held_by_another(output_dir) from error
    except OSError:
        # Whether the directory can be written to, `hold` says.
        return


def _is_held(lock: FileLock) -> bool:
    return any(held.lock_file == lock.lock_file for held in _held)


def _held_by_another(output_dir: str) -> CoTMaskError:
    return CoTMaskError(
        f"output_dir is {output_dir}, and another run is at work there, whose model this one would overwrite: wait "
        "for its end, or give this run another output_dir"
    )


def let_go() -> None:
    """Leave what this process holds, and no file of it."""
    while _held:
        lock = _held.pop()
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def from_whole_checkpoints(determine_last_checkpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that finds the checkpoint to go on from: it takes the last one that is whole."""

    @wraps(determine_last_checkpoint)
    @one_sentence
    def wrapper(cfg: Any, update: bool = True) -> Any:
        # Later in a run it is called by the first process alone.
        if update and cfg.get("cotmask"):
            processes = get_world_size()
            if cfg.resume_from_checkpoint and not is_complete(Path(cfg.resume_from_checkpoint), processes):
                raise CoTMaskError(
                    f"resume_from_checkpoint is {cfg.resume_from_checkpoint}, which is no checkpoint that was written "
                    "to its end: name another one, or say auto_resume_from_checkpoints: true"
                )
            if cfg.auto_resume_from_checkpoints and is_main_process():
                _remove_halves(Path(cfg.output_dir), processes)
            barrier()
        return determine_last_checkpoint(cfg, update)

    return wrapper


def _remove_halves(output: Path, processes: int) -> None:
    for checkpoint in checkpoints(output):
        if not is_complete(checkpoint, processes):
            LOG.warning(f"{checkpoint} was not written to its end, and is removed: going on from the one before")
            shutil.rmtree(checkpoint)


def read_states_of_processors() -> None:
    """Let `torch.load` put an optimizer's state on ``cpu:0``.

    Accelerate calls the processor of each of several ranks so, torch knows ``cpu`` only: no such run could be resumed.
    """
    torch.serialization.register_package(5, _no_place, _on_processor)


def _no_place(storage: Any) -> None:
    return None


def _on_processor(storage: Any, place: str) -> Any:
    return storage if place == "cpu:0" else None


def saved_whole(save_preprocessed_dataset: Callable[..., None]) -> Callable[..., None]:
    """Wrap Axolotl's function that keeps prepared data: they appear whole or not at all, few of them at once."""
    from axolotl.utils.data.shared import get_prepared_dataset_path
    from axolotl.utils.dict import DictDefault

    @wraps(save_preprocessed_dataset)
    def wrapper(cfg: Any, dataset: Any, dataset_hash: str, split: str) -> None:
        with whole_directory(get_prepared_dataset_path(cfg, dataset_hash)) as new:
            elsewhere = DictDefault({**cfg, "dataset_prepared_path": str(new)})
            saved_here = _SavedHere(dataset) if isinstance(dataset, Dataset) else dataset
            save_preprocessed_dataset(elsewhere, saved_here, dataset_hash, split)
            below = get_prepared_dataset_path(elsewhere, dataset_hash)
            for path in below.iterdir():
                path.rename(new / path.name)
            below.rmdir()

    return wrapper


@dataclass(frozen=True)
class _SavedHere:
    """A data set that this process saves, where one is enough: `datasets` starts two that import Axolotl anew."""

    dataset: Dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def save_to_disk(self, path: str, *, num_proc: int, **options: Any) -> None:
        self.dataset.save_to_disk(path, num_proc=None if num_proc == 1 else num_proc, **options)


def loaded_whole(load_preprocessed_dataset: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that finds prepared data: half a directory, which Axolotl alone leaves, is none."""
    from axolotl.utils.data.shared import get_prepared_dataset_path

    @wraps(load_preprocessed_dataset)
    def wrapper(cfg: Any, dataset_hash: str) -> Any:
        try:
            return load_preprocessed_dataset(cfg, dataset_hash)
        # Whatever reading half of it ends in; what is wrong otherwise, making it anew shows.
        except Exception as error:
            path = get_prepared_dataset_path(cfg, dataset_hash)
            LOG.warning(f"the prepared data in {path} cannot be read ({type(error).__name__}), and are prepared anew")
            shutil.rmtree(path)
            return None

    return wrapper
