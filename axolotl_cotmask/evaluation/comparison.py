"""Pairs the ratings of two models' answers to the same questions, from what lm-eval wrote or any JSON lines."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, Reading, clusters_of, read_graded
from axolotl_cotmask.evaluation.results import TaskResult, check_all_there, find_tasks
from axolotl_cotmask.evaluation.results_file import holds_answers, read_results_file, results_of_samples
from axolotl_cotmask.evaluation.same_questions import check_same_questions
from axolotl_cotmask.evaluation.signature import Signature
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired


@dataclass(frozen=True)
class Side:
    """JSON lines with answers, how they are read, and lm-eval's result that they belong to, where known."""

    answers: Path
    reading: Reading
    result: TaskResult | None = None

    @property
    def task(self) -> str | None:
        """The task, where known."""
        return None if self.result is None else self.result.task

    @property
    def has_metric(self) -> bool:
        """Whether there are ratings to read, as far as the results tell."""
        if self.result is None or self.reading.rule is not None:
            return True
        metrics = self.result.content["results"].get(self.result.task, {})
        return any(name.partition(",")[0] == self.reading.metric.partition(",")[0] for name in metrics)


@dataclass(frozen=True)
class Paired:
    """The rated answers of two sides to the same questions, without those that the metric leaves out: at least one.

    ``cluster_field`` is what tells the ``clusters`` of the questions apart, None where every question is its own.
    """

    a: Side
    b: Side
    questions: Sequence[tuple[GradedQuestion, GradedQuestion]]
    cluster_field: str | None
    clusters: Sequence[Hashable]
    signatures: dict[str, Signature | None]


@dataclass(frozen=True)
class Compared:
    """One comparison of two sides.

    ``cluster_field`` is what told the clusters apart, None where every question is its own; ``signatures`` are those of
    A and B, None where there are no results.
    """

    a: Side
    b: Side
    comparison: Comparison
    cluster_field: str | None
    signatures: dict[str, Signature | None]

    @property
    def task(self) -> str | None:
        """The task on both sides, ``A / B`` where they differ, None where none is known."""
        return " / ".join(dict.fromkeys(filter(None, (self.a.task, self.b.task)))) or None

    @property
    def signature_differences(self) -> list[str]:
        """What may have moved scores besides the models; empty where a signature is not known."""
        a, b = self.signatures.values()
        return [] if a is None or b is None else signature.differences(a, b)


def pair_sides(
    a: Path, b: Path, task: str | None, reading_a: Reading, reading_b: Reading
) -> tuple[list[tuple[Side, Side]], list[str]]:
    """Return what to compare, and the tasks that are left out: without a partner, or without the metric.

    One against one is compared whatever it is called, otherwise the tasks that both sides have with the metric.

    Args:
        a: a directory or file of lm-eval's results, one of its ``samples_*.jsonl``, or any JSON lines.
        b: the like.
        task: the one task to take from results; None for all.
        reading_a: how A will be read.
        reading_b: how B will be read.

    Raises:
        CoTMaskError: a side has no results, or not those of the task, or the two have no task in common.
    """
    if task is not None and not _is_results(a) and not _is_results(b):
        raise CoTMaskError(f"--task {task} chooses from results, and {a} and {b} are files of answers: leave it out")
    sides_a, sides_b = find_sides(a, task, reading_a), find_sides(b, task, reading_b)
    if len(sides_a) == len(sides_b) == 1:
        return list(zip(sides_a.values(), sides_b.values(), strict=True)), []
    common = [name for name in sides_a if name in sides_b and sides_a[name].has_metric and sides_b[name].has_metric]
    if not common:
        raise CoTMaskError(
            f"{a} ({', '.join(sides_a)}) and {b} ({', '.join(sides_b)}) have no task with the metric in common: name "
            "one with --task, or another --metric"
        )
    left_out = [name for name in {**sides_a, **sides_b} if name not in common]
    return [(sides_a[name], sides_b[name]) for name in common], left_out


def _is_results(path: Path) -> bool:
    return not path.is_file() or not holds_answers(path)


def find_sides(path: Path, task: str | None, reading: Reading) -> dict[str, Side]:
    """Return the answers in ``path`` by task, or by the file's name where that is no task's.

    Args:
        path: a directory or file of lm-eval's results, one of its ``samples_*.jsonl``, or any JSON lines.
        task: the one task to take from results; None for all.
        reading: how they will be read.

    Raises:
        CoTMaskError: there are no results, or not those of the task.
    """
    if _is_results(path):
        sides = {name: Side(result.samples_path, reading, result) for name, result in find_tasks(path).items()}
        if task is None:
            return sides
        if task not in sides:
            raise CoTMaskError(f"{path}: the task {task} was not scored there (there are: {', '.join(sides)})")
        return {task: sides[task]}
    of_samples = results_of_samples(path)
    if of_samples is None:
        return {path.name: Side(path, reading)}
    name, results = of_samples
    return {name: Side(path, reading, TaskResult(name, results, read_results_file(results)))}


def pair_answers(a: Side, b: Side) -> Paired:
    """Read the answers of A and B.

    Raises:
        CoTMaskError: a side cannot be read, or the two are not about the same questions; the sentence names the first
            that differs.
    """
    graded_a, graded_b = read_side(a), read_side(b)
    check_same_questions(graded_a, graded_b)
    pairs = list(zip(graded_a.concerned, graded_b.concerned, strict=True))
    if not pairs:
        raise CoTMaskError(f"{a.answers}: the metric is null in every row: name another with --metric")
    field, clusters = clusters_of([in_a.document | in_b.document for in_a, in_b in pairs])
    signatures = {"A": _signature(a, graded_a), "B": _signature(b, graded_b)}
    return Paired(a, b, pairs, field if len(set(clusters)) < len(pairs) else None, clusters, signatures)


def compare_answers(paired: Paired) -> Compared:
    """Compare the answers that were read."""
    rights_a, rights_b = ([question.right for question in side] for side in zip(*paired.questions, strict=True))
    comparison = compare_paired(rights_a, rights_b, paired.clusters)
    return Compared(paired.a, paired.b, comparison, paired.cluster_field, paired.signatures)


def read_side(side: Side) -> GradedFile:
    """Return the rated questions of a side.

    Raises:
        CoTMaskError: they cannot be read, or are not all that lm-eval scored.
    """
    if side.result is None:
        return read_graded(side.answers, side.reading)
    graded = read_graded(side.result.samples_file(), side.reading)
    check_all_there(side.result, len(graded.questions))
    return graded


def _signature(side: Side, graded: GradedFile) -> Signature | None:
    if side.result is None or not graded.from_lm_eval:
        return None
    return signature.compose(side.result.content, side.result.task, (row.fields for row in graded.questions))
