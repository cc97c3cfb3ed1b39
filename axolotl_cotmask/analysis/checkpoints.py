"""Accuracy against training samples seen, over the checkpoints of a run: Figure 2 of the Masked Thought paper."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, whole_directory
from axolotl_cotmask.evaluation.graded import GradedFile, question_clusters, read_graded_task
from axolotl_cotmask.evaluation.lm_eval import evaluation_command, model_args, run_command
from axolotl_cotmask.evaluation.results import read_results
from axolotl_cotmask.evaluation.same_questions import check_same_questions
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share
from axolotl_cotmask.masking.metrics import SAMPLES_SEEN

#: Below a checkpoint: one directory of lm-eval's results per task and limit.
SCORES = "cotmask-scores"


_Entry = TypedDict("_Entry", {"epoch": FiniteFloat | None, SAMPLES_SEEN: FiniteFloat}, total=False)  # type: ignore[misc]


class _State(TypedDict):
    global_step: int
    epoch: FiniteFloat
    log_history: list[_Entry]


#: What is read of the trainer's state.
_STATE = TypeAdapter(_State)


@dataclass(frozen=True)
class Checkpoint:
    """A saved state of a run: optimizer steps done, and training samples seen (a row counts anew in each epoch)."""

    path: Path
    step: int
    samples: int


@dataclass(frozen=True)
class Point:
    """One checkpoint's accuracy, from 0 to 1; independent are the questions, or their clusters."""

    checkpoint: str
    step: int
    samples: int
    accuracy: Estimate


@dataclass(frozen=True)
class EvaluationSettings:
    """How a checkpoint is scored: the lm-eval task, the batch size, and at most how many questions (None: all).

    ``generation`` takes the place of the task's generation arguments, such as ``max_gen_toks=100``.
    ``confirm_run_unsafe_code``: programs that the model wrote may run, as MAmmoTH's tasks need it.
    """

    task: str
    batch_size: int = 16
    limit: int | None = None
    generation: str | None = None
    confirm_run_unsafe_code: bool = False


def find_checkpoints(output_dir: str | os.PathLike[str]) -> list[Checkpoint]:
    """Return the checkpoints in the ``output_dir`` of a run with the plugin, in the order of their steps.

    Raises:
        CoTMaskError: there are none, or one is not complete, or the run did not log the samples seen.
    """
    paths = [path for path in Path(output_dir).glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    if not paths:
        raise CoTMaskError(
            f"{output_dir}: there are no checkpoints: train with save_strategy: epoch and a save_total_limit that "
            "keeps them all"
        )
    paths.sort(key=lambda path: int(path.name.removeprefix("checkpoint-")))
    states = {path: _trainer_state(path) for path in paths}
    entries = (entry for state in states.values() for entry in state["log_history"])
    logged = [entry for entry in entries if entry.get(SAMPLES_SEEN) and entry.get("epoch")]
    if not logged:
        raise CoTMaskError(
            f"{output_dir}: the run did not log {SAMPLES_SEEN}: train with the plugin (mask_ratio: 0 for plain SFT) "
            "and with logging_steps below the number of steps"
        )
    # The number is rounded to whole samples: the largest one gives the rows of an epoch best.
    best: Any = max(logged, key=lambda entry: entry[SAMPLES_SEEN])
    rows = best[SAMPLES_SEEN] / best["epoch"]
    return [Checkpoint(path, state["global_step"], round(state["epoch"] * rows)) for path, state in states.items()]


def _trainer_state(checkpoint: Path) -> dict[str, Any]:
    # The trainer writes this file last.
    file = checkpoint / "trainer_state.json"
    if not file.is_file():
        raise CoTMaskError(f"{checkpoint}: not a complete checkpoint (no {file.name}): remove it")
    state = read_json(file)
    try:
        _STATE.validate_python(state, strict=True)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise CoTMaskError(f"{file}: '{place}' is not as the trainer writes it: train again") from error
    return state


def accuracy_by_samples(
    runs: Mapping[str, Sequence[Checkpoint]], settings: EvaluationSettings, announce: Callable[[str], None]
) -> dict[str, list[Point]]:
    """Return the accuracy of each checkpoint of each run, by label; what has not been scored yet is scored.

    Args:
        runs: from `find_checkpoints`.
        settings: how to score; existing results of the same task, limit and generation are used as they are.
        announce: gets a line before each evaluation.

    Raises:
        CoTMaskError: an evaluation failed, or existing results are broken or from other questions.
    """
    checkpoints = [checkpoint for of_run in runs.values() for checkpoint in of_run]
    missing = [checkpoint for checkpoint in checkpoints if not results_directory(checkpoint.path, settings).is_dir()]
    for number, checkpoint in enumerate(missing, start=1):
        announce(f"[{number}/{len(missing)}] scoring {checkpoint.path}")
        _evaluate(checkpoint.path, settings)
    graded = {}
    for checkpoint in checkpoints:
        results = read_results(results_directory(checkpoint.path, settings), [settings.task])
        graded[checkpoint.path] = read_graded_task(results[settings.task])
    first, *others = graded.values()
    for other in others:
        check_same_questions(first, other)
    return {
        label: [
            Point(str(checkpoint.path), checkpoint.step, checkpoint.samples, _accuracy(graded[checkpoint.path]))
            for checkpoint in of_run
        ]
        for label, of_run in runs.items()
    }


def results_directory(checkpoint: Path, settings: EvaluationSettings) -> Path:
    """Return where a checkpoint's results lie; what changes them is in the name, so that none stands for another."""
    questions = "" if settings.limit is None else f"-first-{settings.limit}"
    generation = "" if settings.generation is None else f"-{settings.generation.replace('/', '_')}"
    return checkpoint / SCORES / f"{settings.task}{questions}{generation}"


def _accuracy(graded: GradedFile) -> Estimate:
    questions = graded.concerned
    return share(zip(question_clusters(questions), (question.right for question in questions), strict=True))


def _evaluate(checkpoint: Path, settings: EvaluationSettings) -> None:
    """Run lm-eval on a checkpoint; its results appear whole or not at all.

    Raises:
        CoTMaskError: it failed; it has said why.
    """
    with whole_directory(results_directory(checkpoint, settings)) as results:
        command = evaluation_command(model_args(checkpoint), output=results, **asdict(settings))
        # Standard output belongs to the analysis.
        status = run_command(command, stdout=sys.stderr)
        if status != 0:
            raise CoTMaskError(f"{checkpoint}: lm_eval ended with status {status}: its own words stand above")
