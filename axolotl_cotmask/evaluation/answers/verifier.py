"""Whether two LaTeX answers are equal, by Math-Verify in a process of its own.

Some expressions keep computer algebra busy for ever, or fill the memory. Math-Verify's own time limit rests on SIGALRM,
which works in a main thread only and does not interrupt arithmetic on huge numbers. A process can be ended always. What
is limited is its computing time, so that a busy machine gives the same verdicts.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
from pathlib import Path

#: Seconds of computing time for one comparison; one that takes longer counts as unequal.
TIME_LIMIT = 5.0
#: Seconds of wall time after which a process that does not compute is given up.
WALL_LIMIT = 600.0
#: Seconds for the process to start and import Math-Verify.
START_LIMIT = 600.0

_PROGRAM = Path(__file__).with_name("verifier_process.py")


class _Verifier:
    """The process, started when it is first needed and again after it was ended. One comparison at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = -1

    def equal(self, answer: str, gold: str) -> bool:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps([answer, gold, TIME_LIMIT]) + "\n")
                process.stdin.flush()
                reply = self._line(process, WALL_LIMIT)
            except BrokenPipeError:
                reply = None
            if reply is None:
                self.end()
            return reply == "equal"

    def end(self) -> None:
        """End the process. A process that was forked off this one leaves it alone: it is not its own."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            # Ctrl-C is for the program that asks: this one ends with its input.
            start_new_session=True,
        )
        if self._line(self._process, START_LIMIT) != "ready":
            self.end()
            raise RuntimeError("Math-Verify could not be started: what it said stands above")
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[str], seconds: float) -> str | None:
        """Return the next line, or None when the process ended or took longer; it answers each request by one line."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline().strip() or None if selector.select(seconds) else None


_VERIFIER = _Verifier()
atexit.register(_VERIFIER.end)


def latex_equal(answer: str, gold: str) -> bool:
    """Return whether Math-Verify finds ``answer`` equal to ``gold``, both LaTeX without dollars.

    It is not symmetric: the gold may say more than is asked of the answer, such as ``x = 5`` for 5.

    Raises:
        RuntimeError: Math-Verify cannot be started.
    """
    return _VERIFIER.equal(answer, gold)
