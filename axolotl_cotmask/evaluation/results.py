"""Reads what ``lm_eval --output_path --log_samples`` wrote: the numbers of each task, and its samples in order."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl
from axolotl_cotmask.evaluation.results_file import (
    find_results_files,
    holds_answers,
    holds_results,
    model_arguments,
    model_of,
    read_results_file,
    results_of_samples,
    samples_path,
)


@dataclass(frozen=True)
class TaskResult:
    """One task, or group of tasks, of one evaluation: its results file, and all that the file holds.

    ``older`` are the files of the same model that hold it too, and do not count.
    """

    task: str
    file: Path
    content: dict[str, Any]
    older: Sequence[Path] = field(default=(), compare=False)

    @property
    def metrics(self) -> dict[str, float]:
        """The task's numbers by the name of the metric (filter ``none``), without those that are not defined."""
        return {
            name.removesuffix(",none"): float(value)
            for name, value in self.content["results"][self.task].items()
            if name.endswith(",none") and type(value) in (int, float) and math.isfinite(value)
        }

    @property
    def pretrained(self) -> str | None:
        """The model that was evaluated, where the file names it."""
        pretrained = model_arguments(self.content).get("pretrained")
        return pretrained if isinstance(pretrained, str) else None

    @property
    def samples_path(self) -> Path:
        """Where lm-eval writes the scored documents with ``--log_samples``; there or not."""
        return samples_path(self.file, self.task)

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


def check_all_there(result: TaskResult, questions: int) -> None:
    """Check that as many questions were read as lm-eval counted, where its results say how many that were.

    Raises:
        CoTMaskError: lines are missing, or too many.
    """
    counts = result.content.get("n-samples", {}).get(result.task)
    if counts is not None and counts["effective"] != questions:
        raise CoTMaskError(
            f"{result.samples_path}: holds {questions} of the {counts['effective']} questions that were scored: "
            "evaluate again"
        )


def read_results(source: str | os.PathLike[str], tasks: Sequence[str]) -> dict[str, TaskResult]:
    """Read ``tasks`` from a results file, or from a directory with any number of them below it.

    A path that lm-eval was given as ``--output_path P/name.json`` stands for what it made of it, a samples file for the
    results beside it. Where several files hold the same task of the same model, the newest counts.

    Returns:
        The result of each of ``tasks`` that was found: at least one.

    Raises:
        CoTMaskError: there is no results file, or it holds none of ``tasks``, or a file is broken, or there are several
            models.
    """
    results = _newest(Path(source), tasks)
    if not results:
        raise CoTMaskError(f"{source}: none of the tasks {', '.join(tasks)} was scored there: evaluate one of them")
    return results


def find_tasks(source: str | os.PathLike[str]) -> dict[str, TaskResult]:
    """Return the newest result of every task in what `read_results` takes. Groups of tasks are left out.

    Raises:
        CoTMaskError: there is no results file, or it holds no task, or a file is broken, or there are several models.
    """
    newest = _newest(Path(source))
    tasks = {task: result for task, result in newest.items() if task in result.content.get("configs", {})}
    if not tasks:
        raise CoTMaskError(f"{source}: no task was scored there: evaluate one of ours")
    return tasks


def _newest(path: Path, tasks: Sequence[str] | None = None) -> dict[str, TaskResult]:
    """Return the newest result of each of ``tasks``, of every task and group without them."""
    if path.is_file() and holds_answers(path):
        of_samples = results_of_samples(path)
        if of_samples is None:
            raise CoTMaskError(f"{path}: is no results file of lm-eval: give the results_*.json beside it")
        tasks, path = [of_samples[0]], of_samples[1]
    newest: dict[str, TaskResult] = {}
    models: dict[str, Path] = {}
    for file in find_results_files(path):
        content = read_results_file(file)
        found = [task for task in content["results"] if tasks is None or task in tasks]
        for task in found:
            older = (*newest[task].older, newest[task].file) if task in newest else ()
            newest[task] = TaskResult(task, file, content, older)
        if found:
            models.setdefault(str(model_of(content)), file)
    if len(models) > 1:
        listed = ", ".join(f"{file} ({model})" for model, file in models.items())
        raise CoTMaskError(f"{path}: the results of {len(models)} models are in it: name one of {listed}")
    return newest


@dataclass(frozen=True)
class AnswerRow:
    """A row of a file of answers; ``place`` is the file and the line, for errors."""

    place: str
    fields: dict[str, Any]

    @property
    def is_sample(self) -> bool:
        """Whether it is one of lm-eval's samples, which have a number and the whole document."""
        doc_id = self.fields.get("doc_id")
        return isinstance(doc_id, int) and not isinstance(doc_id, bool) and isinstance(self.fields.get("doc"), dict)

    @property
    def document(self) -> dict[str, Any]:
        """The document that was asked about: of a row that is no sample, the row."""
        document: dict[str, Any] = self.fields["doc"] if self.is_sample else self.fields
        return document


def field_value(row: dict[str, Any], name: str) -> Any:
    """Return the value of a field, which may be dotted to reach into an object.

    A list of exactly one, such as lm-eval's ``[["text"]]``, stands for its element at any depth.

    Raises:
        CoTMaskError: there is no such field.
    """
    value: Any = row
    for part in [name] if name in row else name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise CoTMaskError(f"the field '{name}' is missing (there are: {', '.join(sorted(row))})")
        value = value[part]
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
    return value


def read_answers(path: Path) -> list[AnswerRow]:
    """Return the rows of a JSON-lines file: all of them lm-eval's samples, or none.

    Raises:
        CoTMaskError: there are no rows, or a line is broken or unlike the first, or the file holds lm-eval's results.
    """
    if holds_results(path):
        raise CoTMaskError(f"{path}: holds lm-eval's results, not answers: give the samples_*.jsonl beside it")
    rows = [AnswerRow(f"{path}, line {number}", fields) for number, fields in numbered_jsonl(path)]
    if not rows:
        raise CoTMaskError(f"{path} holds no rows: give a file with one answer per line")
    first = rows[0]
    for row in rows:
        # With an object or null there it is meant to be one.
        if not row.is_sample and "doc_id" in row.fields and isinstance(row.fields.get("doc", ""), (dict, NoneType)):
            raise CoTMaskError(f"{row.place}: no sample of lm-eval: give what it wrote with --log_samples")
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
