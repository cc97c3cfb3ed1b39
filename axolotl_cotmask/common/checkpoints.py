"""Checkpoints of the trainer that were written to their end, and those that were not."""

from __future__ import annotations

import zipfile
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json

#: The trainer writes this file last, on the first process.
_LAST = "trainer_state.json"


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoints in an output directory, whole or not, by their steps."""
    found = [path for path in output.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def is_complete(checkpoint: Path, processes: int = 1) -> bool:
    """Return whether a checkpoint was written to its end, by all of so many processes.

    Each process writes the state of its random numbers by itself, maybe after the first one has written its last file.
    """
    try:
        read_json(checkpoint / _LAST)
    except CoTMaskError:
        return False
    states = {path.name: path for path in checkpoint.glob("rng_state*.pth")}
    # A checkpoint of another number of processes has other files.
    needed = {f"rng_state_{rank}.pth" for rank in range(processes)} if "rng_state_0.pth" in states else set()
    return needed <= states.keys() and all(zipfile.is_zipfile(path) for path in states.values())
