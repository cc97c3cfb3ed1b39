"""Hostile programs at each isolation level, each asked for by a process of its own, since some are out to end that one."""

from __future__ import annotations

import json
import os
import select
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attacks.hostile_programs import DIRECTORIES, programs
from attacks.outcomes import FINE, Counts
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox import Isolation, Limits, run_program
from axolotl_cotmask.evaluation.sandbox.directory import remove

#: Small, as a hole would be one in this machine. The wall time is longer than the programs' fuse on a busy machine.
LIMITS = Limits(cpu_seconds=2, wall_seconds=8, memory_bytes=256 << 20, file_bytes=8 << 20)
#: Seconds after which an evaluation hangs.
_PATIENCE = 90
_IPC = ("shm", "msg", "sem")


def levels() -> list[Isolation]:
    """Return the levels that work here."""
    found = []
    for level in Isolation:
        with suppress(CoTMaskError):
            run_program("print(1)", LIMITS, level)
            found.append(level)
    return found


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Try so many programs at each level; ``directory`` holds theirs, and may be on a small disk that they fill."""
    temporary = directory / "programs"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    counts = Counts()
    try:
        for level in levels():
            for number, (deed, program) in zip(range(count), programs(seed), strict=False):
                before = _segments()
                end, told = in_a_process(lambda level=level, program=program: evaluation(program, level))  # type: ignore[misc]
                left = [*_processes(temporary), *_files(temporary, level), *(_segments() - before)]
                if end == FINE and left:
                    end, told = "left behind", str(left)
                counts.add(end, f"{number}: {level}, {deed[:600]!r}", told)
    finally:
        tempfile.tempdir = None
    return counts


def evaluation(program: str, level: Isolation) -> tuple[str, str]:
    """Run one program as an evaluation does, and another one after it."""
    execution = run_program(program.replace("EVALUATION", str(os.getpid())), LIMITS, level)
    if not execution.detail.isprintable() or len(execution.detail) > 1000:
        return "a detail that no terminal shows", repr(execution.detail)
    after = run_program("print(6 * 7)", Limits(wall_seconds=60), level)
    return (FINE, "") if after.stdout == "42\n" else ("the next program spoilt", str(after))


def in_a_process(run: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Return what ``run`` returns in a forked process, or how that ended."""
    told, telling = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            outcome = run()
        except BaseException as error:
            outcome = ("the evaluation ended", f"{type(error).__name__}: {error}")
        try:
            os.write(telling, json.dumps(outcome).encode())
        finally:
            os._exit(0)
    os.close(telling)
    late = not select.select([told], [], [], _PATIENCE)[0]
    if late:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(told, "rb") as file:
        data = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not data:
        return ("the evaluation hung", "") if late else ("the evaluation was killed", str(status))
    end, text = json.loads(data)
    return end, text


def _processes(temporary: Path) -> list[str]:
    """Return what still runs for programs in this directory; it has a moment to be gone."""
    mark = b"TMPDIR=%s/cotmask-" % bytes(temporary)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes() or (process / "cwd").readlink().is_relative_to(temporary):
                found.append(f"process {process.name}")
    return found


def _files(temporary: Path, level: Isolation) -> list[str]:
    """Return what is left of the programs' directories; other files are in reach at the process level, and are removed."""
    left = []
    for path in temporary.iterdir():
        if level is Isolation.BUBBLEWRAP or path.name.startswith(DIRECTORIES):
            left.append(f"file {path.name}")
        remove(path)
    return left


def _segments() -> set[str]:
    """Return the System V segments, queues and semaphores of this machine."""
    lines = (line.split() for kind in _IPC for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:])
    return {f"segment {key} {number}" for key, number, *_ in lines}
