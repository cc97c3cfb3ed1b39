"""Runs one program: starts it, reads what it writes, ends it in time, and leaves nothing behind."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox import supervisor
from axolotl_cotmask.evaluation.sandbox.command import environment, supervisor_command
from axolotl_cotmask.evaluation.sandbox.execution import DEFAULT_LIMITS, Execution, Isolation, Limits, Status

#: Seconds that the supervisor has to end the program before both are killed.
_GRACE = 1.0
_CHUNK = 1 << 16
_STATUSES = {
    supervisor.FINISHED: Status.FINISHED,
    supervisor.FAILED: Status.FAILED,
    supervisor.CPU_LIMIT: Status.TIMEOUT,
    supervisor.PROCESS_LIMIT: Status.PROCESS_LIMIT,
}


@cache
def detect_isolation() -> Isolation:
    """Return the first of bubblewrap, namespace and process at which a program really runs on this machine."""
    for isolation in (Isolation.BUBBLEWRAP, Isolation.NAMESPACE):
        with suppress(CoTMaskError):
            # Much time, as a busy machine must not look like one that isolates less.
            probe = run_program("print(6 * 7)", Limits(wall_seconds=60), isolation)
            if (probe.status, probe.stdout) == (Status.FINISHED, "42\n"):
                return isolation
    return Isolation.PROCESS


def run_program(program: str, limits: Limits = DEFAULT_LIMITS, isolation: Isolation | None = None) -> Execution:
    """Run ``program`` as a script, without input, in a new directory; at the detected level if none is given.

    Raises:
        CoTMaskError: this machine cannot run a program at this level.
    """
    isolation = isolation or detect_isolation()
    with _directory() as directory:
        # A lone surrogate makes it a program that fails, as it would in exec().
        (directory / supervisor.PROGRAM).write_bytes(program.encode("utf-8", "surrogatepass"))
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
    detail = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Execution(
        stdout.decode("utf-8", "replace"), status or _status(process.returncode, isolation, detail), isolation, detail
    )


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


def _status(returncode: int, isolation: Isolation, detail: str) -> Status:
    if returncode in _STATUSES:
        return _STATUSES[returncode]
    if returncode < 0 or returncode > 128:
        return Status.FAILED  # Killed: by the program, or for lack of memory.
    raise CoTMaskError(
        f"isolation level {isolation}: a program cannot be run ({detail}); see docs/sandbox.md for what the level needs"
    )


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory for one program, and remove it with all that is in it."""
    # Without symbolic links, as bubblewrap binds the same path inside.
    directory = Path(tempfile.mkdtemp(prefix="cotmask-")).resolve()
    try:
        yield directory
    finally:
        remove(directory)


def remove(directory: Path) -> None:
    """Remove ``directory``, even where the program took its own rights away.

    Not by `tempfile.TemporaryDirectory`, which follows symbolic links in some releases (CVE-2023-6597).
    """
    try:
        shutil.rmtree(directory)
    except PermissionError:
        os.chmod(directory, 0o700)
        for parent, names, _ in os.walk(directory):
            for name in names:
                if not os.path.islink(path := os.path.join(parent, name)):
                    os.chmod(path, 0o700)
        shutil.rmtree(directory)
