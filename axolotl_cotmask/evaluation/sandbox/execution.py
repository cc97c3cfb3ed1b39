"""How a program is kept apart, what it may use, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from axolotl_cotmask.common.errors import CoTMaskError


class Isolation(StrEnum):
    """How far a program is kept apart. The limits hold at each level."""

    BUBBLEWRAP = "bubblewrap"
    """It sees the interpreter and its own directory, can write to that alone, and has no network."""
    PROCESS = "process"
    """A process of its own that cannot reach others; it can read the user's files, and change them without Landlock."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise CoTMaskError(f"{value} is no isolation level: the levels are {' and '.join(cls)} (docs/sandbox.md)")


class Status(StrEnum):
    """How a program ended."""

    FINISHED = "finished"
    """By itself, with exit status 0."""
    FAILED = "failed"
    """With an exception, another exit status or a signal; also one that needs too much memory or too large a file."""
    TIMEOUT = "timeout"
    """It was ended, as its wall time or CPU time was used up."""
    OUTPUT_LIMIT = "output limit"
    """It was ended, as it wrote too much."""
    PROCESS_LIMIT = "process limit"
    """It was ended, as it had too many processes."""


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    #: Of each process.
    cpu_seconds: int = 5
    #: From before the interpreter starts. The authors of MAmmoTH give a program 5 s.
    wall_seconds: float = 5.0
    #: Address space of each process.
    memory_bytes: int = 1 << 30
    #: At the same time, the first one among them. Threads count as memory only.
    processes: int = 16
    #: Size of each file.
    file_bytes: int = 16 << 20
    #: Standard output and standard error together.
    output_bytes: int = 1 << 20


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Execution:
    """What came of a program."""

    #: What it wrote to standard output until it ended or was ended; bytes that are not UTF-8 become U+FFFD.
    stdout: str
    status: Status
    isolation: Isolation
    #: The last line of standard error, such as ``ZeroDivisionError: division by zero``; empty if there is none. It has
    #: at most 1,000 characters, and escapes for what a terminal would not show as it is.
    detail: str
