"""Ctrl-C and `kill` end a command alike: with one line, after what it has begun is taken back."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds until an interruption comes that could not be taken, and until it comes again where the end hangs.
_LATER, _AGAIN = 0.05, 45.0
#: Whether this process is about to fork itself: what libraries do then must not be broken off.
_forking = threading.Event()


@cache
def _watch_forks() -> None:
    # Of those registered before, such as logging's, which takes its lock, this comes first and goes last.
    os.register_at_fork(before=_forking.set, after_in_parent=_forking.clear, after_in_child=_forking.clear)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt in this process, and say nothing in those that are forked from it.

    A terminal sends Ctrl-C to all of them: those that share the work leave it to this one to end them. Whatever error
    libraries make of the interruption, it stays one; where Python would ignore it, as in a finalizer, it comes again.
    Processes that libraries have forked and left behind are ended: Python would wait for them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch_forks()
    owner, came, hook = os.getpid(), False, sys.unraisablehook

    def interrupted(number: int, _: FrameType | None) -> None:
        nonlocal came
        if os.getpid() != owner:
            # Not at once: a worker may hold a lock that the others wait for.
            if number == signal.SIGTERM:
                raise SystemExit(128 + number)
        elif _forking.is_set():
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            came = True
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            raise KeyboardInterrupt

    def ignored(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            hook(unraisable)

    # What ignores them, as under nohup, goes on doing so.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupted) for number in (*heard, signal.SIGALRM)}
    sys.unraisablehook = ignored
    try:
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        if came:
            _end_children()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_children() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            # It ends with this process, after it has removed what others leave in shared memory.
            if "resource_tracker" not in " ".join(child.cmdline()):
                child.kill()
