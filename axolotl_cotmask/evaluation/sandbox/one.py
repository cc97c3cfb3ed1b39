"""Runs one program: starts it, reads what it writes, ends it in time, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError, one_line
from axolotl_cotmask.evaluation.sandbox import supervisor
from axolotl_cotmask.evaluation.sandbox.command import PROGRAM, environment, supervisor_command
from axolotl_cotmask.evaluation.sandbox.directory import new_directory
from axolotl_cotmask.evaluation.sandbox.execution import DEFAULT_LIMITS, Execution, Isolation, Limits, Status

LOG = logging.getLogger(__name__)
#: Seconds that the supervisor has to end the program before both are killed.
_GRACE = 1.0
#: Seconds for which a start that fails is tried again, beside the wall time of a program: another one may have filled
#: the disk or the table of processes, which its end sets right.
_PATIENCE = 5.0
_PAUSE = 0.2
_CHUNK = 1 << 16
_STATUSES = {
    supervisor.FINISHED: Status.FINISHED,
    supervisor.FAILED: Status.FAILED,
    supervisor.CPU_LIMIT: Status.TIMEOUT,
    supervisor.PROCESS_LIMIT: Status.PROCESS_LIMIT,
    # Nobody here asked for it.
    supervisor.STOPPED: Status.FAILED,
}


class _NotStartedError(Exception):
    """The program did not begin; why."""


@cache
def detect_isolation() -> Isolation:
    """Return bubblewrap where a program really runs in it on this machine, and else, with a warning, process.

    Raises:
        CoTMaskError: programs run at neither level.
    """
    try:
        check_isolation(Isolation.BUBBLEWRAP)
    except CoTMaskError as error:
        check_isolation(Isolation.PROCESS)
        LOG.warning(
            "%s. Programs run at the isolation level %s, where files and network are in reach (docs/sandbox.md)",
            error,
            Isolation.PROCESS,
        )
        return Isolation.PROCESS
    return Isolation.BUBBLEWRAP


def check_isolation(isolation: Isolation) -> None:
    """Check, once, that programs run at this level on this machine: afterwards a failure is the program's.

    Raises:
        CoTMaskError: they do not; why.
    """
    if problem := _problem(isolation, shutil.which("bwrap")):
        raise CoTMaskError(problem)


@cache
def _problem(isolation: Isolation, bwrap: str | None) -> str | None:
    try:
        # Much time, as a busy machine must not look like one that isolates less.
        probe = _run("print(6 * 7)", Limits(wall_seconds=60), isolation)
    except CoTMaskError as error:
        return str(error)
    except (OSError, _NotStartedError) as error:
        return _cannot_run(isolation, error)
    return None if (probe.status, probe.stdout) == (Status.FINISHED, "42\n") else _cannot_run(isolation, probe.detail)


def _cannot_run(isolation: Isolation, why: object) -> str:
    return f"isolation level {isolation}: a program cannot be run ({why}); see docs/sandbox.md for what the level needs"


def run_program(program: str, limits: Limits = DEFAULT_LIMITS, isolation: Isolation | None = None) -> Execution:
    """Run ``program`` as a script, without input, in a new directory; at the detected level if none is given.

    Whatever the program does, and whatever becomes of what runs it once it has begun, is its result.

    Raises:
        CoTMaskError: this machine cannot run a program at this level, or can no longer start one.
    """
    level = Isolation(isolation or detect_isolation())
    check_isolation(level)
    deadline = time.monotonic() + limits.wall_seconds + _PATIENCE
    while True:
        try:
            return _run(program, limits, level)
        except (OSError, _NotStartedError) as error:
            if time.monotonic() >= deadline:
                raise CoTMaskError(_cannot_run(level, error)) from error
        time.sleep(_PAUSE)


def _run(program: str, limits: Limits, isolation: Isolation) -> Execution:
    """Run a program once; an OSError and a _NotStartedError say that it did not begin."""
    with new_directory() as directory:
        # A lone surrogate makes it a program that fails, as it would in exec().
        (directory / PROGRAM).write_bytes(program.encode("utf-8", "surrogatepass"))
        with subprocess.Popen(
            supervisor_command(isolation, limits, directory),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=environment(directory),
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr, status = _watch(process, limits)
            finally:
                _end(process, directory)
    lines = stderr.decode("utf-8", "replace").split("\n")
    detail = one_line(next((line.strip() for line in reversed(lines) if line.strip()), ""))
    if status is None:
        # Killed, not by the program, which cannot reach it: for lack of memory, mostly the program's.
        killed = process.returncode < 0
        if not killed and process.returncode not in _STATUSES:
            raise _NotStartedError(detail)
        status = Status.FAILED if killed else _STATUSES[process.returncode]
    return Execution(stdout.decode("utf-8", "replace"), status, isolation, detail)


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> tuple[bytes, bytes, Status | None]:
    """Read standard output and error until both end; and why the program was ended, if it was."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    written = {process.stdout: bytearray(), process.stderr: bytearray()}
    status: Status | None = None
    deadline = time.monotonic() + limits.wall_seconds
    with selectors.PollSelector() as selector:
        for stream in written:
            selector.register(stream, selectors.EVENT_READ, written[stream])
        while selector.get_map():
            for key, _ in selector.select(max(deadline - time.monotonic(), 0)):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif status is None:
                    key.data.extend(data)
            late = time.monotonic() >= deadline
            if status is not None:
                if late:
                    break
            elif sum(map(len, written.values())) > limits.output_bytes or late:
                status = Status.TIMEOUT if late else Status.OUTPUT_LIMIT
                deadline = time.monotonic() + _GRACE
                with suppress(BrokenPipeError):
                    process.stdin.write(b"\n")
    stdout, stderr = (bytes(data[: limits.output_bytes]) for data in written.values())
    return stdout, stderr, status


def _end(process: subprocess.Popen[bytes], directory: Path) -> None:
    """End the supervisor, where it has not ended by itself, and what a program leaves that killed or stopped it."""
    os.killpg(process.pid, signal.SIGKILL)
    if process.wait() < 0:
        while _kill_those_of(directory):
            pass


def _kill_those_of(directory: Path) -> bool:
    """Kill all processes that were started with this directory in their environment; return whether there were any."""
    mark = f"TMPDIR={directory}\0".encode()
    killed = False
    for process in Path("/proc").glob("[0-9]*"):
        # It may have ended, or belong to somebody else.
        with suppress(OSError):
            if mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                killed = True
    return killed
