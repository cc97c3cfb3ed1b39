"""What is going on while a plan runs: Snakemake's events, step and loss of each training, and the time that is left.

On a terminal a live display; elsewhere a line per event, and one on what is under way every half minute.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.reproduction.layout import LOGS, PROGRESS, WORK

_EVERY = 30.0  # seconds between lines where there is no terminal
_REFRESH = 2.0


@dataclass
class _Job:
    """A stage that is under way."""

    rule: str
    name: str
    log: str
    started: float


@dataclass
class WorkflowEvents:
    """What Snakemake has told so far.

    ``jobs`` are the stages under way by their number; ``planned`` and ``finished`` count the stages by rule; ``failed``
    are the logs of those that failed; ``texts`` is what is no event.
    """

    jobs: dict[int, _Job] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _known: dict[int, _Job] = field(default_factory=dict)

    def take(self, line: str) -> str | None:
        """Take a line of the logger plugin, or of something else; return what to tell of it, if anything."""
        event = _parse(line)
        if event is None:
            self.texts.append(line.rstrip())
            return None
        match event["event"]:
            case "run_info":
                self.planned = {rule: int(count) for rule, count in event["stats"].items() if rule != "total"}
            case "job_info":
                log = next(iter(event.get("log") or ()), "")
                name = str(event.get("rule_msg") or event["rule_name"]).strip()
                begun = self._known[event["jobid"]] = _Job(event["rule_name"], name, log, time.monotonic())
                if log:
                    self.jobs[event["jobid"]] = begun
                    return name
            case "job_finished":
                self.jobs.pop(event["job_id"], None)
                if (job := self._known.get(event["job_id"])) is not None:
                    self.finished[job.rule] = self.finished.get(job.rule, 0) + 1
                return f"[{sum(self.finished.values())}/{sum(self.planned.values())}] done"
            case "job_error":
                self.jobs.pop(event["jobid"], None)
                self.failed.append(next(iter(event.get("log") or ()), ""))
                return f"failed: {self.failed[-1]} says why, and the report has its last lines"
        if "text" in event:
            self.texts.append(str(event["text"]))
        return None


def _parse(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


class WorkflowProgress:
    """Follows one run of Snakemake.

    ``seconds`` is what a stage of each rule takes, by rule, where that is known: what is left is reckoned from it, at
    the pace so far.
    """

    def __init__(self, output: Path, say: Callable[[str], None], seconds: Mapping[str, float]) -> None:
        self._output, self._say, self._seconds = output, say, seconds
        self._started = time.monotonic()
        self._console = Console(stderr=True)
        self._ended = threading.Event()
        self.events = WorkflowEvents()

    def follow(self, stream: Iterable[str]) -> WorkflowEvents:
        """Show what ``stream`` tells until it ends, and return it."""
        if self._console.is_terminal:
            with Live(
                get_renderable=self._display, console=self._console, refresh_per_second=1 / _REFRESH, transient=True
            ):
                self._follow(stream)
            return self.events
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            self._follow(stream)
        finally:
            self._ended.set()
            watcher.join()
        return self.events

    def _follow(self, stream: Iterable[str]) -> None:
        for line in stream:
            told = self.events.take(line)
            if told is not None:
                self._say(told)

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY):
            shown = [f"{job.name}: {self._step_text(job)}" for job in list(self.events.jobs.values())]
            if shown:
                print(f"{'; '.join(shown)}; {self._left_text()}", file=sys.stderr, flush=True)

    def _display(self) -> Group:
        grid = Table.grid(padding=(0, 1))
        for job in list(self.events.jobs.values()):
            step = self._step(job)
            share = 0.0 if step is None else step["step"] / max(1, step["max_steps"])
            bar = ProgressBar(total=1.0, completed=share, width=20, pulse=step is None)
            grid.add_row(Text(job.name, overflow="ellipsis", no_wrap=True), bar, Text(self._step_text(job)))
        whole = ProgressBar(total=1.0, completed=self.share_done(), width=20)
        grid.add_row(Text("the whole", style="bold"), whole, Text(self._left_text()))
        return Group(grid)

    def _step(self, job: _Job) -> dict[str, Any] | None:
        """Return what the trainer of a stage wrote last: step, max_steps, loss and the seconds that are left."""
        run = Path(job.log).parent
        if job.rule != "train" or not run.is_relative_to(LOGS):
            return None
        try:
            step = read_json(self._output / WORK / run.relative_to(LOGS) / PROGRESS)
        except (CoTMaskError, OSError):
            return None
        shown = ("step", "max_steps", "loss", "seconds_left")
        return step if all(isinstance(step.get(name), (int, float)) for name in shown) else None

    def _step_text(self, job: _Job) -> str:
        step = self._step(job)
        if step is None:
            return f"{_clock(time.monotonic() - job.started)}"
        return f"{step['step']}/{step['max_steps']}, loss {step['loss']:.3f}, {_clock(step['seconds_left'])} left"

    def share_done(self) -> float:
        """Return how much of the work is done, from 0 to 1, by what the stages are known to take."""
        planned, done = self._sum(self.events.planned), self._sum(self.events.finished)
        for job in list(self.events.jobs.values()):
            step, expected = self._step(job), self._seconds.get(job.rule)
            if step is not None:
                done += self._weight(job.rule) * step["step"] / max(1, step["max_steps"])
            elif expected is not None:
                done += min(time.monotonic() - job.started, expected)
        return min(1.0, done / planned) if planned else 0.0

    def _sum(self, counts: Mapping[str, int]) -> float:
        return sum(self._weight(rule) * count for rule, count in counts.items())

    def _weight(self, rule: str) -> float:
        return self._seconds.get(rule, 1.0)

    def _left_text(self) -> str:
        done, total = sum(self.events.finished.values()), sum(self.events.planned.values())
        share, elapsed = self.share_done(), time.monotonic() - self._started
        # The beginning says nothing about the pace.
        left = f"about {_clock(elapsed * (1 - share) / share)} left" if share > 0.02 else "time left not known yet"
        return f"{done} of {total} stages, {left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
