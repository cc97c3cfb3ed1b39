"""Ctrl-C and `kill` end a command alike: with one line, after what it has begun is taken back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt in this process, and say nothing in those that are forked from it.

    A terminal sends Ctrl-C to all of them: those that share the work leave it to this one to end them. Whatever error
    libraries make of the interruption, it stays one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner, came = os.getpid(), False

    def interrupted(number: int, _: FrameType | None) -> None:
        nonlocal came
        if os.getpid() == owner:
            came = True
            raise KeyboardInterrupt
        if number == signal.SIGTERM:
            os._exit(128 + number)

    before = {
        number: signal.signal(number, interrupted)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
