"""What tests of the sandbox share: levels that work here, limits with time enough, and a look at what is left."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation import sandbox
from axolotl_cotmask.evaluation.sandbox import Execution, Isolation, Limits, Status

#: Whether the kernel can keep a program at the process level from writing elsewhere.
LANDLOCK = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0


def within(**limits: Any) -> Limits:
    """The limits that a test is about, and time enough on a machine with much other work."""
    return Limits(**{"wall_seconds": 60.0, **limits})


def run_program(program: str, limits: Limits | None = None, isolation: Isolation | None = None) -> Execution:
    """Run a program with time enough."""
    return sandbox.run_program(program, limits or within(), isolation)


@cache
def works(level: Isolation) -> bool:
    """Say whether programs run at a level on this machine."""
    try:
        return run_program("print(1)", isolation=level).status is Status.FINISHED
    except CoTMaskError:
        return False


def need(level: Isolation) -> Isolation:
    """Return the level, or skip the test where it does not work."""
    if not works(level):
        pytest.skip(f"the level {level} does not work on this machine")
    return level


def processes_of(directory: Path) -> list[str]:
    """Return the command lines of the processes that run for programs in ``directory``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"TMPDIR=%s/axolotl-cotmask-program-" % bytes(directory) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@contextmanager
def nothing_left(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let programs get their directories in ``directory``; at the end nothing must be left of any."""
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    before, descriptors = children(), open_files()
    yield directory
    assert list(directory.iterdir()) == []
    assert processes_of(directory) == []
    assert children() <= before
    # What a thread of others has open now is closed in a moment.
    deadline = time.monotonic() + 10
    while (new := open_files() - descriptors) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not new, f"left open: {new}"


def open_files() -> Counter[str]:
    """Count what this process has open, by what it is: a path, or `pipe:[...]` and the like."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        # The one of this list is closed, and a thread may close another.
        with suppress(FileNotFoundError):
            found[os.readlink(f"/proc/self/fd/{descriptor}").removesuffix(" (deleted)")] += 1
    return found


def children() -> set[bytes]:
    """Return the numbers of this process's children."""
    found: set[bytes] = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread may end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set((task / "children").read_bytes().split())
    return found
