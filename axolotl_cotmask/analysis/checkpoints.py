"""Accuracy against training samples seen, over the checkpoints of a run: Figure 2 of the Masked Thought paper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, whole_directory
from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.evaluation.lm_eval import model_args
from axolotl_cotmask.evaluation.scored import Question, check_same_questions, read_scored
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share
from axolotl_cotmask.masking.metrics import SAMPLES_SEEN

#: Below a checkpoint: one directory of lm-eval's results per task and limit.
SCORES = "cotmask-scores"


@dataclass(frozen=True)
class Checkpoint:
    """A saved state of a run: optimizer steps done, and training samples seen (a row counts anew in each epoch)."""

    path: Path
    step: int
    samples: int


@dataclass(frozen=True)
class Point:
    """One checkpoint's accuracy, from 0 to 1; its independent observations are the questions."""

    checkpoint: str
    step: int
    samples: int
    accuracy: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Scoring:
    """How a checkpoint is scored: the lm-eval task, the batch size, and at most how many questions (None: all).

    ``confirm_run_unsafe_code``: programs that the model wrote may run, as MAmmoTH's tasks need it.
    """

    task: str
    batch_size: int = 16
    limit: int | None = None
    confirm_run_unsafe_code: bool = False


def find_checkpoints(output_dir: str | os.PathLike[str]) -> list[Checkpoint]:
    """Return the checkpoints in the ``output_dir`` of a run with the plugin, in the order of their steps.

    Raises:
        CoTMaskError: there are none, or one is not complete, or the run did not log the samples seen.
    """
    found = [path for path in Path(output_dir).glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    if not found:
        raise CoTMaskError(
            f"{output_dir}: there are no checkpoints: train with save_strategy: epoch and a save_total_limit that "
            "keeps them all"
        )
    found.sort(key=lambda path: int(path.name.removeprefix("checkpoint-")))
    states = {path: _trainer_state(path) for path in found}
    logged = [entry for state in states.values() for entry in state["log_history"] if entry.get(SAMPLES_SEEN)]
    if not logged:
        raise CoTMaskError(
            f"{output_dir}: the run did not log {SAMPLES_SEEN}: train with the plugin (mask_ratio: 0 for plain SFT) "
            "and with logging_steps below the number of steps"
        )
    # The number is rounded to whole samples: the largest one gives the rows of an epoch best.
    best = max(logged, key=lambda entry: entry[SAMPLES_SEEN])
    rows = best[SAMPLES_SEEN] / best["epoch"]
    return [Checkpoint(path, state["global_step"], round(state["epoch"] * rows)) for path, state in states.items()]


def _trainer_state(checkpoint: Path) -> dict[str, Any]:
    # The trainer writes this file last.
    file = checkpoint / "trainer_state.json"
    if not file.is_file():
        raise CoTMaskError(f"{checkpoint}: not a complete checkpoint (no {file.name}): remove it")
    return read_json(file)


def accuracy_by_samples(
    runs: Mapping[str, Sequence[Checkpoint]], scoring: Scoring, announce: Callable[[str], None]
) -> dict[str, list[Point]]:
    """Return the accuracy of each checkpoint of each run, by label; what has not been scored yet is scored.

    Args:
        runs: from `find_checkpoints`.
        scoring: how to score; existing results of the same task and limit are used as they are.
        announce: gets a line before each evaluation.

    Raises:
        CoTMaskError: an evaluation failed, or existing results are broken or from other questions.
    """
    missing = [
        checkpoint
        for checkpoints in runs.values()
        for checkpoint in checkpoints
        if not results_directory(checkpoint.path, scoring).is_dir()
    ]
    for number, checkpoint in enumerate(missing, start=1):
        announce(f"[{number}/{len(missing)}] scoring {checkpoint.path}")
        _score(checkpoint.path, scoring)
    scored = {
        checkpoint.path: read_scored(results_directory(checkpoint.path, scoring), scoring.task).questions
        for checkpoints in runs.values()
        for checkpoint in checkpoints
    }
    check_same_questions({str(results_directory(path, scoring)): questions for path, questions in scored.items()})
    return {
        label: [
            Point(str(found.path), found.step, found.samples, _accuracy(scored[found.path])) for found in checkpoints
        ]
        for label, checkpoints in runs.items()
    }


def results_directory(checkpoint: Path, scoring: Scoring) -> Path:
    """Return where a checkpoint's results lie; a limit is part of the name, so that no result stands for another."""
    return checkpoint / SCORES / (scoring.task if scoring.limit is None else f"{scoring.task}-first-{scoring.limit}")


def _accuracy(questions: Iterable[Question]) -> Estimate:
    # Variants of one base problem (GSM-IC) are not independent of each other.
    bases = [(question.doc.get("base_id"), question.correct) for question in questions]
    return share((("row", place) if base is None else base, right) for place, (base, right) in enumerate(bases))


def _score(checkpoint: Path, scoring: Scoring) -> None:
    """Run ``lm_eval`` on a checkpoint; its results appear whole or not at all.

    Raises:
        CoTMaskError: it failed; it has said why.
    """
    program = Path(sys.executable).with_name("lm_eval")
    with whole_directory(results_directory(checkpoint, scoring)) as results:
        command = [
            *(str(program), "--model", "hf", "--model_args", json.dumps(model_args(checkpoint))),
            *("--include_path", str(directory("evaltasks")), "--tasks", scoring.task),
            *("--batch_size", str(scoring.batch_size), "--output_path", str(results), "--log_samples"),
            *(() if scoring.limit is None else ("--limit", str(scoring.limit))),
            *(("--confirm_run_unsafe_code",) if scoring.confirm_run_unsafe_code else ()),
        ]
        # Standard output belongs to the analysis.
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if status != 0:
            raise CoTMaskError(f"{checkpoint}: lm_eval ended with status {status}: its own words stand above")
