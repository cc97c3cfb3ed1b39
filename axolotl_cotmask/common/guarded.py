"""A program in a session of its own, whose processes end with the one that started it, however that ends.

As a program (`python -m axolotl_cotmask.common.guarded SIGNAL`) it reads the number of a group of processes, waits for
the end of its standard input, and ends the group where nobody has written to it before: the one that held the other end
was killed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError

#: Seconds that processes have to end after a signal, and between two looks at them.
_GRACE, _PAUSE = 30.0, 0.1
#: What the guard reads when there is nothing left to end.
_ENDED = b"ended"


@contextmanager
def guarded(
    command: Sequence[str], *, ends_by: signal.Signals, alive: Path | None = None, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Yield a program, and come back when it has ended; after an error, when all of it has.

    In a session of its own it is ended once, however this process is: a terminal's Ctrl-C does not reach it.

    Args:
        command: the program with its arguments.
        ends_by: the signal that ends it. SIGINT it hears also where this process ignores it, as under nohup.
        alive: a file that it holds locked as long as it lives.
        options: of `subprocess.Popen`.

    Raises:
        CoTMaskError: one that was started before, by a process that was killed, is still at work.
    """
    with _guard(ends_by) as tell:
        with ExitStack() as until_it_has_begun:
            if alive is not None:
                held = until_it_has_begun.enter_context(alive.open("a")).fileno()
                _wait_for(held, alive)
                options["pass_fds"] = [held]
            until_it_has_begun.enter_context(_hearing_interrupts())
            process = subprocess.Popen(command, start_new_session=True, **options)
            tell(b"%d" % process.pid)
        with process:
            try:
                yield process
                process.wait()
            except BaseException:
                end_group(process.pid, ends_by, process.poll)
                raise


@contextmanager
def _guard(ends_by: signal.Signals) -> Iterator[Callable[[bytes], None]]:
    """Yield what tells another process, this module as a program, which group to end if this one is killed."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(int(ends_by))],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, bufsize=0,
    ) as guard:  # fmt: skip

        def tell(said: bytes) -> None:
            assert guard.stdin is not None
            with suppress(BrokenPipeError):
                guard.stdin.write(said)

        try:
            yield tell
        finally:
            tell(_ENDED)


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
    # What a process ignores, the programs that it starts ignore as well. Only the main thread can change it.
    if (
        signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_group(group: int, by: signal.Signals, reap: Callable[[], object] = bool) -> None:
    """Send a group of processes a signal, and come back when none is left; those that go on for long are killed.

    Args:
        group: its number.
        by: the signal.
        reap: asks after those that are children of this process, which would otherwise count as there.
    """
    with suppress(ProcessLookupError):
        try:
            os.killpg(group, by)
            deadline = time.monotonic() + _GRACE
            while time.monotonic() < deadline:
                reap()
                os.killpg(group, 0)
                time.sleep(_PAUSE)
        finally:
            # Also where this is interrupted once more.
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    said = sys.stdin.buffer.read()
    if said and not said.endswith(_ENDED):
        end_group(int(said), signal.Signals(int(sys.argv[1])))


if __name__ == "__main__":
    main()
