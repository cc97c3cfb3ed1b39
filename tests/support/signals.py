"""Signals in processes that tests start."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """As ``preexec_fn``: hear Ctrl-C also where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ignore_interrupts() -> None:
    """As ``preexec_fn``: what `nohup COMMAND &` starts ignores Ctrl-C, and so do the programs that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
