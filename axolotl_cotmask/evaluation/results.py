"""Reads what ``lm_eval --output_path --log_samples`` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, read_jsonl


@dataclass(frozen=True)
class TaskResult:
    """One task of one evaluation.

    ``metrics`` holds numbers by the name of the metric (filter ``none``), without those that are not defined;
    ``samples`` the scored documents, empty without ``--log_samples``; ``pretrained`` what was evaluated.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]]
    pretrained: str | None


def read_results(source: str | os.PathLike[str], tasks: Sequence[str]) -> dict[str, TaskResult]:
    """Read ``tasks`` from a results file, or from a directory with any number of them below it.

    Where several files hold the same task, the newest counts.

    Returns:
        The result of each of ``tasks`` that was found: at least one.

    Raises:
        CoTMaskError: there is no results file, or it holds none of ``tasks``, or a file is broken.
    """
    newest = _newest(Path(source))
    found = {task: _result(newest[task][1], newest[task][0], task) for task in tasks if task in newest}
    if not found:
        raise CoTMaskError(f"{source}: none of the tasks {', '.join(tasks)} was scored there: evaluate one of them")
    return found


def find_tasks(source: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the newest results file of every task in a results file, or in a directory with any number of them.

    Groups of tasks are left out.

    Raises:
        CoTMaskError: there is no results file, or a file is broken.
    """
    newest = _newest(Path(source))
    return {task: file for task, (file, content) in newest.items() if task in content.get("configs", {})}


def samples_file(results_file: Path, task: str) -> Path:
    """Return where lm-eval writes the scored documents of ``task`` with ``--log_samples``; there or not."""
    return results_file.with_name(f"samples_{task}_{results_file.stem.removeprefix('results_')}.jsonl")


def _newest(path: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return the newest results file of every task and group, with its content."""
    # lm-eval puts the date into the name, so the order of names is the order of time.
    files = [path] if path.is_file() else sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not files:
        raise CoTMaskError(f"{path}: no results_*.json in it: give lm_eval this directory as --output_path")
    newest: dict[str, tuple[Path, dict[str, Any]]] = {}
    for file in files:
        content = read_json(file)
        newest |= dict.fromkeys(content.get("results", {}), (file, content))
    return newest


def _result(content: dict[str, Any], file: Path, task: str) -> TaskResult:
    metrics = {
        name.removesuffix(",none"): float(value)
        for name, value in content["results"][task].items()
        if name.endswith(",none") and isinstance(value, (int, float))
    }
    samples = samples_file(file, task)
    arguments = content.get("config", {}).get("model_args") or {}
    pretrained = arguments.get("pretrained") if isinstance(arguments, dict) else None
    return TaskResult(metrics, list(read_jsonl(samples, ("doc",))) if samples.is_file() else [], pretrained)
