"""Pairs the verdicts on two models' answers to the same questions, from what lm-eval wrote or any JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl, read_json
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.graded import Item, Reading, is_sample, question, read_items
from axolotl_cotmask.evaluation.results import find_tasks, samples_file
from axolotl_cotmask.evaluation.signature import Signature
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired

#: What tells that two documents stem from the same question and so are not independent; the first that is there.
CLUSTER_FIELDS = ("base_id", "original_question", "seed_question", "row")

_SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>[^_]+)\.jsonl")
_SHOWN = 60  # characters of a text in an error


@dataclass(frozen=True)
class Source:
    """Where the answers of one side lie: JSON lines, and the results and the task that they belong to, where known."""

    answers: Path
    results: Path | None = None
    task: str | None = None


@dataclass(frozen=True)
class Scored:
    """One side: its questions in order, and the signature where results are there.

    ``documents`` tells that the items are lm-eval's samples, with whole documents.
    """

    source: Source
    items: tuple[Item, ...]
    documents: bool
    signature: Signature | None


@dataclass(frozen=True)
class Compared:
    """One comparison; ``cluster_field`` is what told the clusters apart, None where every question is its own."""

    a: Scored
    b: Scored
    comparison: Comparison
    cluster_field: str | None

    @property
    def task(self) -> str | None:
        """The task on both sides, ``A / B`` where they differ, None where none is known."""
        return " / ".join(dict.fromkeys(filter(None, (self.a.source.task, self.b.source.task)))) or None


def match(
    a: Path, b: Path, task: str | None, readings: tuple[Reading, Reading]
) -> tuple[list[tuple[Source, Source]], list[str]]:
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
    found_a, found_b = _sources(a, task), _sources(b, task)
    if len(found_a) == len(found_b) == 1:
        return list(zip(found_a.values(), found_b.values(), strict=True)), []
    common = [
        name
        for name in found_a
        if name in found_b and _has_metric(found_a[name], readings[0]) and _has_metric(found_b[name], readings[1])
    ]
    if not common:
        raise CoTMaskError(
            f"{a} ({', '.join(found_a)}) and {b} ({', '.join(found_b)}) have no task with the metric in common: name "
            "one with --task, or another --metric"
        )
    left_out = [name for name in {**found_a, **found_b} if name not in common]
    return [(found_a[name], found_b[name]) for name in common], left_out


def _has_metric(source: Source, reading: Reading) -> bool:
    if source.results is None or reading.rule is not None:
        return True
    metrics = read_json(source.results)["results"][source.task]
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


def _sources(path: Path, task: str | None) -> dict[str, Source]:
    """Return the answers in ``path`` by task, or by the file's name where that is no task's."""
    if _is_results(path):
        found = {name: Source(samples_file(file, name), file, name) for name, file in find_tasks(path).items()}
        if task is None:
            return found
        if task not in found:
            raise CoTMaskError(f"{path}: the task {task} was not scored there (there are: {', '.join(found)})")
        return {task: found[task]}
    name = _SAMPLES_NAME.fullmatch(path.name)
    if name is not None:
        results = path.with_name(f"results_{name['date']}.json")
        if results.is_file():
            return {name["task"]: Source(path, results, name["task"])}
    return {path.name: Source(path)}


def compare(a: Source, b: Source, readings: tuple[Reading, Reading]) -> Compared:
    """Compare the answers of A and B, each read in its own way.

    Raises:
        CoTMaskError: a side cannot be read, or the two are not about the same questions; the sentence names the first
            that differs.
    """
    side_a, side_b = _read(a, readings[0]), _read(b, readings[1])
    _check_same_questions(side_a, side_b, (readings[0].question, readings[1].question))
    concerned = []
    for one, other in zip(side_a.items, side_b.items, strict=True):
        if (one.right is None) != (other.right is None):
            raise CoTMaskError(
                f"{one.place}, and {other.place}: the metric is null in one of them: evaluate both with the same "
                "version of the task"
            )
        if one.right is not None and other.right is not None:
            concerned.append((one.right, other.right, one.document | other.document))
    if not concerned:
        raise CoTMaskError(f"{a.answers}: the metric is null in every row: name another with --metric")
    rights_a, rights_b, documents = zip(*concerned, strict=True)
    field, clusters = clusters_of(documents)
    comparison = compare_paired(rights_a, rights_b, clusters)
    return Compared(side_a, side_b, comparison, field if comparison.clusters < comparison.n else None)


def _read(source: Source, reading: Reading) -> Scored:
    path = source.answers
    if source.results is not None and not path.is_file():
        raise CoTMaskError(f"{source.results}, task {source.task}: there are no samples: evaluate with --log_samples")
    rows = list(numbered_jsonl(path))
    items = read_items(path, rows, reading)
    documents = is_sample(rows[0][1])
    line = None
    if source.results is not None and source.task is not None and documents:
        line = signature.of(read_json(source.results), source.task, (row for _, row in rows))
    return Scored(source, items, documents, line)


def _check_same_questions(a: Scored, b: Scored, fields: tuple[str | None, str | None]) -> None:
    whole = a.documents and b.documents and fields == (None, None)
    for one, other in zip(a.items, b.items, strict=False):
        if whole:
            found, wanted = one.document, other.document
            names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
            if not names:
                continue
            what = f"the field '{names[0]}' of the document"
            texts = found.get(names[0]), wanted.get(names[0])
        else:
            what = "the question"
            texts = question(one, fields[0]), question(other, fields[1])
            if texts[0] == texts[1]:
                continue
        shown = _difference(*texts)
        raise CoTMaskError(
            f"{one.place}, and {other.place}: {what} is {shown[0]} and {shown[1]}: compare answers to the same "
            "questions in the same order"
        )
    if len(a.items) != len(b.items):
        longer, shorter = (a, b) if len(a.items) > len(b.items) else (b, a)
        raise CoTMaskError(
            f"{longer.items[len(shorter.items)].place}: this question is not in {shorter.source.answers}, which has "
            f"{len(shorter.items)} of {len(longer.items)} questions: compare answers to the same questions, evaluated "
            "with the same --limit"
        )


def _difference(one: Any, other: Any) -> tuple[str, str]:
    """Return both values, shortened to where they differ."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (one, other)]
    same = next((i for i, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts)))
    start = max(0, same - _SHOWN // 3)
    first, second = (("…" if start else "") + text[start : start + _SHOWN] for text in texts)
    return repr(first), repr(second)


def clusters_of(documents: Sequence[dict[str, Any]]) -> tuple[str | None, list[Hashable]]:
    """Return the field that groups the documents, and the cluster of each; one without a value is its own."""
    field = next((name for name in CLUSTER_FIELDS if any(doc.get(name) is not None for doc in documents)), None)
    if field is None:
        return None, list(range(len(documents)))
    values = (document.get(field) for document in documents)
    return field, [index if value is None else json.dumps(value) for index, value in enumerate(values)]
