"""Reads what ``lm_eval --output_path --log_samples`` wrote: the numbers of each task, and its samples in order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl, read_json


@dataclass(frozen=True)
class TaskResult:
    """One task, or group of tasks, of one evaluation: its results file, and all that the file holds."""

    task: str
    file: Path
    content: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """The task's numbers by the name of the metric (filter ``none``), without those that are not defined."""
        return {
            name.removesuffix(",none"): float(value)
            for name, value in self.content["results"][self.task].items()
            if name.endswith(",none") and isinstance(value, (int, float))
        }

    @property
    def pretrained(self) -> str | None:
        """The model that was evaluated, where the file names it."""
        arguments = self.content.get("config", {}).get("model_args") or {}
        return arguments.get("pretrained") if isinstance(arguments, dict) else None

    @property
    def samples_path(self) -> Path:
        """Where lm-eval writes the scored documents with ``--log_samples``; there or not."""
        date = self.file.stem.removeprefix("results_")
        return self.file.with_name(f"samples_{self.task}_{date}.jsonl")

    def samples_file(self) -> Path:
        """Return where the scored documents are.

        Raises:
            CoTMaskError: they were not logged.
        """
        if not self.samples_path.is_file():
            raise CoTMaskError(
                f"{self.file}, task {self.task}: there are no samples: evaluate again with --log_samples"
            )
        return self.samples_path


def read_results(source: str | os.PathLike[str], tasks: Sequence[str]) -> dict[str, TaskResult]:
    """Read ``tasks`` from a results file, or from a directory with any number of them below it.

    Where several files hold the same task, the newest counts.

    Returns:
        The result of each of ``tasks`` that was found: at least one.

    Raises:
        CoTMaskError: there is no results file, or it holds none of ``tasks``, or a file is broken.
    """
    newest = _newest(Path(source))
    results = {task: newest[task] for task in tasks if task in newest}
    if not results:
        raise CoTMaskError(f"{source}: none of the tasks {', '.join(tasks)} was scored there: evaluate one of them")
    return results


def find_tasks(source: str | os.PathLike[str]) -> dict[str, TaskResult]:
    """Return the newest result of every task in a results file, or in a directory with any number of them.

    Groups of tasks are left out.

    Raises:
        CoTMaskError: there is no results file, or a file is broken.
    """
    newest = _newest(Path(source))
    return {task: result for task, result in newest.items() if task in result.content.get("configs", {})}


def _newest(path: Path) -> dict[str, TaskResult]:
    """Return the newest result of every task and group."""
    # lm-eval puts the date into the name, so the order of names is the order of time.
    files = [path] if path.is_file() else sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not files:
        raise CoTMaskError(f"{path}: no results_*.json in it: give lm_eval this directory as --output_path")
    newest: dict[str, TaskResult] = {}
    for file in files:
        content = read_json(file)
        newest |= {task: TaskResult(task, file, content) for task in content.get("results", {})}
    return newest


@dataclass(frozen=True)
class AnswerRow:
    """A row of a file of answers; ``place`` is the file and the line, for errors."""

    place: str
    fields: dict[str, Any]

    @property
    def is_sample(self) -> bool:
        """Whether it is one of lm-eval's samples, which have a number and the whole document."""
        return isinstance(self.fields.get("doc_id"), int) and isinstance(self.fields.get("doc"), dict)

    @property
    def document(self) -> dict[str, Any]:
        """The document that was asked about: of a row that is no sample, the row."""
        document: dict[str, Any] = self.fields["doc"] if self.is_sample else self.fields
        return document


def read_answers(path: Path) -> list[AnswerRow]:
    """Return the rows of a JSON-lines file: all of them lm-eval's samples, or none.

    Raises:
        CoTMaskError: there are no rows, or a line is broken or unlike the first.
    """
    rows = [AnswerRow(f"{path}, line {number}", fields) for number, fields in numbered_jsonl(path)]
    if not rows:
        raise CoTMaskError(f"{path} holds no rows: give a file with one answer per line")
    first = rows[0]
    for row in rows:
        if row.is_sample != first.is_sample:
            article = "a" if row.is_sample else "no"
            raise CoTMaskError(
                f"{row.place}: unlike {first.place.removeprefix(f'{path}, ')}, it is {article} sample of lm-eval: "
                "mend the file"
            )
    return rows


def read_samples(path: Path) -> list[AnswerRow]:
    """Return lm-eval's samples in the order of the data.

    Raises:
        CoTMaskError: the file holds something else, or the samples of several filters, or a document twice.
    """
    return in_order(path, _all_samples(path))


def logged_samples(result: TaskResult) -> list[dict[str, Any]]:
    """Return the samples of a task as they stand, of every filter; none where they were not logged.

    Raises:
        CoTMaskError: the file holds something else.
    """
    return [row.fields for row in _all_samples(result.samples_path)] if result.samples_path.is_file() else []


def _all_samples(path: Path) -> list[AnswerRow]:
    rows = read_answers(path)
    if not rows[0].is_sample:
        raise CoTMaskError(f"{rows[0].place}: no sample of lm-eval: give what it wrote with --log_samples")
    return rows


def in_order(
    path: Path,
    samples: Sequence[AnswerRow],
    filter_name: str = "",
    mend: str = "keep the samples of one of them in the file",
) -> list[AnswerRow]:
    """Return the samples of one filter in the order of the data.

    Args:
        path: their file, for errors.
        samples: from `read_answers`.
        filter_name: of lm-eval, such as ``strict-match``; empty where there is one only.
        mend: the advice where it is not clear which filter is meant.

    Raises:
        CoTMaskError: there is no such filter, or there are several and none is named, or a document comes twice.
    """
    filters = filters_of(samples)
    if filter_name not in filters and (filter_name or len(filters) > 1):
        raise CoTMaskError(f"{path}: the filters are {', '.join(filters)}: {mend}")
    chosen = [sample for sample in samples if not filter_name or str(sample.fields.get("filter")) == filter_name]
    chosen.sort(key=lambda sample: sample.fields["doc_id"])
    if len({sample.fields["doc_id"] for sample in chosen}) < len(chosen):
        raise CoTMaskError(f"{path}: a doc_id comes twice: evaluate again, one file per evaluation")
    return chosen


def filters_of(samples: Sequence[AnswerRow]) -> list[str]:
    """Return the names of the filters of lm-eval that ``samples`` went through."""
    return sorted({str(sample.fields.get("filter")) for sample in samples})
