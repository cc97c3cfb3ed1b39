"""What is going on while a plan runs: Snakemake's events, step and loss of each training, and the time that is left.

On a terminal a live display; elsewhere a line per event, and one on what is under way every half minute.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
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

    ``jobs`` are the stages under way by their number, ``abreast`` the most that were so at once; ``planned`` counts the
    stages by rule, and ``took`` has the seconds of those that are finished; ``failed`` are the logs of those that
    failed; ``texts`` is what is no event.
    """

    jobs: dict[int, _Job] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)
    abreast: int = 1
    failed: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _known: dict[int, _Job] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Return how many stages are finished."""
        return sum(map(len, self.took.values()))

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
                    self.abreast = max(self.abreast, len(self.jobs))
                    return name
            case "job_finished":
                self.jobs.pop(event["job_id"], None)
                if (job := self._known.get(event["job_id"])) is not None:
                    self.took.setdefault(job.rule, []).append(time.monotonic() - job.started)
                return f"[{self.done}/{sum(self.planned.values())}] done"
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

    ``seconds`` is what a stage of each rule takes on some machine, by rule, where that is known. What is left is
    reckoned from it at the pace of this machine so far, and from the stages that it has finished.
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
        elapsed, left = time.monotonic() - self._started, self.seconds_left()
        share = 0.0 if left is None else elapsed / max(1.0, elapsed + left)
        whole = ProgressBar(total=1.0, completed=share, width=20)
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

    def seconds_left(self) -> float | None:
        """Return the seconds that are left, with as many stages abreast as there have been; None if nothing tells."""
        pace = self._pace()
        if pace is None:
            return None
        events, now = self.events, time.monotonic()
        jobs = list(events.jobs.values())
        under_way: list[float] = []
        for job in jobs:
            step = self._step(job)
            expected = self._expected(job.rule, pace) - (now - job.started)
            under_way.append(max(0.0, expected) if step is None else step["seconds_left"])
        begun = Counter(job.rule for job in jobs)
        waiting = sum(
            max(0, count - len(events.took.get(rule, ())) - begun[rule]) * self._expected(rule, pace)
            for rule, count in events.planned.items()
        )
        return max(max(under_way, default=0.0), (sum(under_way) + waiting) / events.abreast)

    def _pace(self) -> float | None:
        """Return how many seconds are one of those that are known; None if nothing is known, and nothing finished."""
        known = {rule: taken for rule, taken in self.events.took.items() if rule in self._seconds or not self._seconds}
        actual = [seconds for taken in known.values() for seconds in taken]
        expected = [self._weight(rule) for rule, taken in known.items() for _ in taken]
        for job in list(self.events.jobs.values()):
            step = self._step(job)
            if step is not None and 0 < step["step"] < step["max_steps"]:
                actual.append(step["seconds_left"] / (1 - step["step"] / step["max_steps"]))
                expected.append(self._weight(job.rule))
        if sum(expected) > 0:
            return sum(actual) / sum(expected)
        return 1.0 if self._seconds else None

    def _expected(self, rule: str, pace: float) -> float:
        """Return what a stage of a rule takes here."""
        taken = self.events.took.get(rule)
        return sum(taken) / len(taken) if taken else pace * self._weight(rule)

    def _weight(self, rule: str) -> float:
        return self._seconds.get(rule, 1.0)

    def _left_text(self) -> str:
        left = self.seconds_left()
        said = "time left not known yet" if left is None else f"about {_clock(left)} left"
        return f"{self.events.done} of {sum(self.events.planned.values())} stages, {said}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
