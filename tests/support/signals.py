"""Signals in processes that tests start."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """As ``preexec_fn``: hear Ctrl-C also where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
