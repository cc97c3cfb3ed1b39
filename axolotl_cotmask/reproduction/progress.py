"""What is going on while a plan runs: Snakemake's messages, and step and ETA from Axolotl's own progress bar."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_MESSAGE = re.compile(r"^Job \d+: (.+)")
_COUNT = re.compile(r"^(\d+) of (\d+) steps \((\d+)%\) done")
# With Slurm its own log is named beside the stage's.
_FAILED = re.compile(r"^log: ([^\s,]+).*\(check log")
# tqdm: ` 12%|█▎        | 75/625 [00:30<03:40,  2.5it/s]`
_STEP = re.compile(r"(\d+)/(\d+) \[[\d:]+<([\d:?]+)")
_TAIL = 4096  # bytes of a log that its newest step is looked for in
_SECONDS = 2.0


class WorkflowProgress:
    """Follows one run of Snakemake: a line per event, and on a terminal a last line that shows what is under way."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs, self._say = logs, say
        self._started = time.time()
        self._terminal = sys.stderr.isatty()
        self._ended = threading.Event()

    def follow(self, stream: Iterable[str]) -> list[str]:
        """Show what ``stream`` tells until it ends, and return its lines."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        if self._terminal:
            watcher.start()
        lines = []
        try:
            for line in stream:
                lines.append(line)
                self._event(line.strip())
        finally:
            self._ended.set()
            if self._terminal:
                watcher.join()
        return lines

    def _event(self, line: str) -> None:
        if count := _COUNT.match(line):
            self._tell(f"[{count[1]}/{count[2]}] done")
        elif failed := _FAILED.match(line):
            self._tell(f"failed: {failed[1]} says why, and the report has its last lines")
        elif message := _MESSAGE.match(line):
            self._tell(message[1])

    def _tell(self, line: str) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        self._say(line)

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS):
            sys.stderr.write("\r\x1b[K" + "; ".join(self.under_way())[:150])
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[K")

    def under_way(self) -> list[str]:
        """Return the stages whose logs grow, with the step and the time left that their progress bars show."""
        shown = []
        for log in sorted(self._logs.rglob("*.log")):
            changed = log.stat().st_mtime
            if changed < max(self._started, time.time() - 60):
                continue
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - _TAIL))
                steps = _STEP.findall(file.read().decode(errors="replace"))
            name = str(log.relative_to(self._logs).with_suffix(""))
            if steps:
                done, total, left = steps[-1]
                shown.append(f"{name} {done}/{total}, {left} left")
        return shown
