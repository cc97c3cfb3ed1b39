"""Pairs the ratings of two models' answers to the same questions, from what lm-eval wrote or any JSON lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.graded import GradedFile, Reading, clusters_of, read_graded
from axolotl_cotmask.evaluation.results import TaskResult, find_tasks
from axolotl_cotmask.evaluation.same_questions import FieldPair, check_same_questions
from axolotl_cotmask.evaluation.signature import Signature
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired

_SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>[^_]+)\.jsonl")


@dataclass(frozen=True)
class Side:
    """Where the answers of one side lie: JSON lines, and lm-eval's result that they belong to, where known."""

    answers: Path
    result: TaskResult | None = None

    @property
    def task(self) -> str | None:
        """The task, where known."""
        return None if self.result is None else self.result.task


@dataclass(frozen=True)
class GradedSide:
    """One side with its questions in order, and the signature where results are there."""

    side: Side
    graded: GradedFile
    signature: Signature | None


@dataclass(frozen=True)
class Compared:
    """One comparison; ``cluster_field`` is what told the clusters apart, None where every question is its own."""

    a: GradedSide
    b: GradedSide
    comparison: Comparison
    cluster_field: str | None

    @property
    def task(self) -> str | None:
        """The task on both sides, ``A / B`` where they differ, None where none is known."""
        return " / ".join(dict.fromkeys(filter(None, (self.a.side.task, self.b.side.task)))) or None


def pair_sides(
    a: Path, b: Path, task: str | None, readings: tuple[Reading, Reading]
) -> tuple[list[tuple[Side, Side]], list[str]]:
    """Return what to compare, and the tasks that are left out: without a partner, or without the metric.

    One against one is compared whatever it is called, otherwise the tasks that both sides have with the metric.

    Args:
        a: a directory or file of lm-eval's results, one of its ``samples_*.jsonl``, or any JSON lines.
        b: the like.
        task: the one task to take from results; None for all.
        readings: how each side will be read.

    Raises:
        CoTMaskError: a side has no results, or not those of the task, or the two have no task in common.
    """
    if task is not None and not _is_results(a) and not _is_results(b):
        raise CoTMaskError(f"--task {task} chooses from results, and {a} and {b} are files of answers: leave it out")
    sides_a, sides_b = _sides(a, task), _sides(b, task)
    if len(sides_a) == len(sides_b) == 1:
        return list(zip(sides_a.values(), sides_b.values(), strict=True)), []
    common = [
        name
        for name in sides_a
        if name in sides_b and _has_metric(sides_a[name], readings[0]) and _has_metric(sides_b[name], readings[1])
    ]
    if not common:
        raise CoTMaskError(
            f"{a} ({', '.join(sides_a)}) and {b} ({', '.join(sides_b)}) have no task with the metric in common: name "
            "one with --task, or another --metric"
        )
    left_out = [name for name in {**sides_a, **sides_b} if name not in common]
    return [(sides_a[name], sides_b[name]) for name in common], left_out


def _has_metric(side: Side, reading: Reading) -> bool:
    if side.result is None or reading.rule is not None:
        return True
    metrics = side.result.content["results"][side.result.task]
    return any(name.partition(",")[0] == reading.metric.partition(",")[0] for name in metrics)


def _is_results(path: Path) -> bool:
    if path.is_dir() or path.suffix != ".json":
        return path.is_dir()
    # JSON lines may be named .json, too: then the first line is a whole object.
    with path.open("rb") as lines:
        first = next(lines, b"")
    try:
        return "results" in json.loads(first)
    except ValueError:
        return True


def _sides(path: Path, task: str | None) -> dict[str, Side]:
    """Return the answers in ``path`` by task, or by the file's name where that is no task's."""
    if _is_results(path):
        sides = {name: Side(result.samples_path, result) for name, result in find_tasks(path).items()}
        if task is None:
            return sides
        if task not in sides:
            raise CoTMaskError(f"{path}: the task {task} was not scored there (there are: {', '.join(sides)})")
        return {task: sides[task]}
    name = _SAMPLES_NAME.fullmatch(path.name)
    if name is not None:
        results = path.with_name(f"results_{name['date']}.json")
        if results.is_file():
            return {name["task"]: Side(path, TaskResult(name["task"], results, read_json(results)))}
    return {path.name: Side(path)}


def compare_sides(
    a: Side, b: Side, readings: tuple[Reading, Reading], question_fields: FieldPair = (None, None)
) -> Compared:
    """Compare the answers of A and B, each read in its own way.

    Raises:
        CoTMaskError: a side cannot be read, or the two are not about the same questions; the sentence names the first
            that differs.
    """
    side_a, side_b = _read(a, readings[0]), _read(b, readings[1])
    check_same_questions(side_a.graded, side_b.graded, question_fields)
    pairs = [
        (in_a, in_b)
        for in_a, in_b in zip(side_a.graded.questions, side_b.graded.questions, strict=True)
        if in_a.rating is not None
    ]
    if not pairs:
        raise CoTMaskError(f"{a.answers}: the metric is null in every row: name another with --metric")
    field, clusters = clusters_of([in_a.document | in_b.document for in_a, in_b in pairs])
    comparison = compare_paired([in_a.right for in_a, _ in pairs], [in_b.right for _, in_b in pairs], clusters)
    return Compared(side_a, side_b, comparison, field if comparison.clusters < comparison.n else None)


def _read(side: Side, reading: Reading) -> GradedSide:
    result = side.result
    graded = read_graded(side.answers if result is None else result.samples_file(), reading)
    line = None
    if result is not None and graded.from_lm_eval:
        line = signature.compose(result.content, result.task, (question.row.fields for question in graded.questions))
    return GradedSide(side, graded, line)
