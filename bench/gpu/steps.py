"""Steps whose results are kept: what is done is not done again, and a kill loses the running step alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import SCRATCH, read_json, whole_file


class OutOfTime(Exception):  # noqa: N818  # no error: the next call goes on
    """The minutes of this call are over."""


class Clock:
    """The time that a call may take."""

    def __init__(self, minutes: float) -> None:
        """Start it."""
        self.minutes = minutes
        self._end = time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        """Seconds until the end; negative after it."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise OutOfTime after the end."""
        if self.left < 0:
            raise OutOfTime


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: of its result's file.
        kind: steps of a kind take about as long for each second that was reckoned.
        reckoned: seconds on an H100, by arithmetic; none was measured.
        run: makes the result, which JSON can hold.
    """

    name: str
    kind: str
    reckoned: float
    run: Callable[[], dict[str, Any]]


class Book:
    """The directory of a run: a JSON file for each step that was done, and what they were made from."""

    def __init__(self, directory: Path, sizes: str) -> None:
        """Make the directory where it is not there.

        Args:
            directory: of the run.
            sizes: how its results are called; others do not go into it.

        Raises:
            CoTMaskError: it holds something else, or cannot be made.
        """
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()) and not self._made_from.exists():
                raise CoTMaskError(f"{directory}: holds something else: name a new directory")
            self.claim(sizes=sizes)
            for part in (self._steps, self.models, self.samples):
                part.mkdir(exist_ok=True)
        except OSError as error:
            raise CoTMaskError(f"{directory}: cannot be written ({error.strerror}): name another directory") from error

    @property
    def _made_from(self) -> Path:
        return self.directory / "made_from.json"

    @property
    def _steps(self) -> Path:
        return self.directory / "steps"

    @property
    def models(self) -> Path:
        """Where trained models are."""
        return self.directory / "models"

    @property
    def samples(self) -> Path:
        """Where the answers are."""
        return self.directory / "samples"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other calls out, and take away the half-written models of a killed one.

        Raises:
            CoTMaskError: another call is at work there.
        """
        try:
            with FileLock(self.directory / "lock", timeout=0):
                for left in self.models.glob(".*"):
                    if left.is_dir() and {inner.name for inner in left.iterdir()} <= SCRATCH:
                        shutil.rmtree(left)
                yield
        except Timeout:
            raise CoTMaskError(f"{self.directory}: another call is at work there: wait for its end") from None

    def claim(self, **made_from: Any) -> None:
        """Write down what the results are made from; a later call has to bring the same.

        Raises:
            CoTMaskError: the directory's results are made from something else.
        """
        before = read_json(self._made_from) if self._made_from.exists() else {}
        for name, value in made_from.items():
            if before.setdefault(name, value) != value:
                raise CoTMaskError(
                    f"{self.directory}: its results are made with {name} {before[name]}, and this call has {value}: "
                    "name another directory"
                )
        _write_json(self._made_from, before)

    def result(self, name: str) -> dict[str, Any] | None:
        """Return the result of a step, or None where it was not done."""
        path = self._steps / f"{name}.json"
        return read_json(path) if path.exists() else None

    def keep(self, name: str, result: dict[str, Any]) -> None:
        """Keep the result of a step."""
        _write_json(self._steps / f"{name}.json", result)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    # JSON has no NaN, which a loss may be.
    content = json.loads(json.dumps(content), parse_constant=lambda _: None)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def run_steps(
    steps: Sequence[Step], book: Book, clock: Clock, made_on: dict[str, Any], after: Callable[[], None]
) -> list[str]:
    """Do in order what was not done and fits into the time; return the names of what is left.

    Args:
        steps: in the order of their worth.
        book: keeps their results.
        clock: of this call.
        made_on: card and versions, kept with each result.
        after: is called after each step.

    Raises:
        CoTMaskError: not even the first step that is left fits into a whole call.
    """
    left = [step for step in steps if book.result(step.name) is None]
    print(f"{len(steps) - len(left)} of {len(steps)} steps were done before", flush=True)
    begun = False
    while left:
        step = left[0]
        seconds = step.reckoned * _pace(step, steps, book)
        if seconds > clock.left:
            break
        print(f"{step.name}: about {seconds:.0f} s ...", flush=True)
        started = time.monotonic()
        try:
            result = step.run()
        except OutOfTime:
            print(f"{step.name}: the time is over; it begins anew at the next call", flush=True)
            seconds = float("inf")
            break
        took = time.monotonic() - started
        book.keep(step.name, {**result, "seconds": round(took, 1), "made_on": made_on})
        print(f"{step.name}: done in {took:.0f} s", flush=True)
        begun = True
        left.pop(0)
        after()
    if left and not begun:
        takes = "takes longer" if seconds == float("inf") else f"takes about {seconds / 60:.0f} minutes"
        raise CoTMaskError(f"{left[0].name} {takes}, and a call has {clock.minutes:g} minutes: give more by --minutes")
    return [step.name for step in left]


def _pace(step: Step, steps: Sequence[Step], book: Book) -> float:
    """Return how many seconds a reckoned one takes here, by the steps of the kind that were done; at first 1."""
    done = [(each.reckoned, result["seconds"]) for each in steps if each.kind == step.kind
            and (result := book.result(each.name)) is not None]  # fmt: skip
    return sum(took for _, took in done) / sum(reckoned for reckoned, _ in done) if done else 1.0
