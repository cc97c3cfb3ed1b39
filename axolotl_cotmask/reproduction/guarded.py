"""A program in a session of its own, whose processes end with the one that started it, however that ends.

As a program (`python -m axolotl_cotmask.reproduction.guarded GROUP`) it waits for the end of its standard input, and
ends a group of processes where nobody has written to it before: the one that held the other end was killed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError

#: Seconds that processes have to end after an interruption, and between two looks at them.
_GRACE, _PAUSE = 30.0, 0.1


@contextmanager
def guarded(command: Sequence[str], variables: Mapping[str, str], alive: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a program, its output to be read, and come back when it has ended; after an error, when all of it has.

    In a session of its own it is interrupted once, however this process is: by SIGINT, which it hears also where this
    process ignores it, as under nohup.

    Args:
        command: the program with its arguments.
        variables: its environment.
        alive: a file that it holds locked as long as it lives.

    Raises:
        CoTMaskError: one that was started before, by a process that was killed, is still at work.
    """
    with alive.open("a") as held:
        _wait_for(held.fileno(), alive)
        with _hearing_interrupts():
            process = subprocess.Popen(
                command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                start_new_session=True, pass_fds=[held.fileno()],
            )  # fmt: skip
    guard = subprocess.Popen(
        [sys.executable, "-m", __name__, str(process.pid)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
            process.wait()
        except BaseException:
            end_group(process.pid, process.poll)
            raise
        finally:
            guard.communicate(b"ended")


def _wait_for(file: int, alive: Path) -> None:
    """Lock ``file``, once a program that is being ended lets it go."""
    deadline = time.monotonic() + _GRACE + 5
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CoTMaskError(
                    f"a program of a run that was killed is still at work and holds {alive}: end it "
                    f"(fuser {alive} names it), and start again"
                ) from None
        time.sleep(_PAUSE)


@contextmanager
def _hearing_interrupts() -> Iterator[None]:
    # What a process ignores, the programs that it starts ignore as well.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_group(group: int, reap: Callable[[], object] = bool) -> None:
    """Interrupt a group of processes, and come back when none is left; those that go on for long are killed.

    Args:
        group: its number.
        reap: asks after those that are children of this process, which would otherwise count as there.
    """
    with suppress(ProcessLookupError):
        try:
            os.killpg(group, signal.SIGINT)
            deadline = time.monotonic() + _GRACE
            while time.monotonic() < deadline:
                reap()
                os.killpg(group, 0)
                time.sleep(_PAUSE)
        finally:
            # Also where this is interrupted once more.
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    if not sys.stdin.buffer.read():
        end_group(int(sys.argv[1]))


if __name__ == "__main__":
    main()
