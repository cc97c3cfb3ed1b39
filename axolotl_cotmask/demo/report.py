"""The demonstration's result, from lm-eval's files and the trainer's log: a table and a figure."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.data import read_jsonl
from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

#: What stands below every table.
CAVEAT = (
    "A tiny model trained for minutes from random weights is a demonstration of the tool, "
    "and no evidence for or against the paper's accuracy claim."
)

#: The test sets in the order of the table: lm-eval's task name and what to call it.
TASKS: Mapping[str, str] = {
    "cotmask_gsm8k": "clean",
    "cotmask_gsm_ic_2step": "irrelevant sentence, 2 steps",
    "cotmask_gsm_ic_mstep": "irrelevant sentence, more steps",
}

_ACCURACY = "exact_match"
_COLOURS = ("#4477aa", "#ee7733", "#228833", "#aa3377")


@dataclass(frozen=True)
class Score:
    """What one model got on one test set; all are shares of 1, and None where the task does not say.

    ``stderr`` is the standard error of ``accuracy``, ``rows`` the number of scored questions.
    """

    accuracy: float
    stderr: float | None
    rows: int | None
    invalid: float | None
    normalised: float | None
    macro: float | None


#: Scores by method and task, such as ``{"SFT": {"cotmask_gsm8k": Score(...)}}``.
Scores = Mapping[str, Mapping[str, Score]]


def read_scores(source: str | os.PathLike[str]) -> dict[str, Score]:
    """Read what ``lm_eval --output_path`` wrote: one results file, or a directory with any number of them below it.

    Where several files hold the same task, the newest counts. The tasks of GSM-IC come without a standard error; it is
    computed from the samples beside the results (``--log_samples``), clustered by base problem.

    Returns:
        The score of each task of `TASKS` that was found.

    Raises:
        CoTMaskError: there is no results file, or none of its tasks is known, or a file is broken.
    """
    path = Path(source)
    # lm-eval puts the date into the name, so the order of names is the order of time.
    files = [path] if path.is_file() else sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not files:
        raise CoTMaskError(f"{path}: no results_*.json in it: give lm_eval this directory as --output_path")
    scores = {}
    for file in files:
        results = _read_json(file).get("results", {})
        for task in TASKS:
            if f"{_ACCURACY},none" in results.get(task, {}):
                scores[task] = _score(results[task], _samples(file, task))
    if not scores:
        raise CoTMaskError(f"{path}: none of the tasks {', '.join(TASKS)} was scored there: evaluate one of them")
    return scores


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CoTMaskError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CoTMaskError(f"{path}: not a complete JSON file: remove it and make it again") from error
    if not isinstance(content, dict):
        raise CoTMaskError(f"{path}: holds a {type(content).__name__}, not a JSON object: make it again")
    return content


def _samples(results_file: Path, task: str) -> list[dict[str, Any]]:
    """Return the scored samples that lm-eval wrote along with a results file; none without ``--log_samples``."""
    date = results_file.stem.removeprefix("results_")
    path = results_file.with_name(f"samples_{task}_{date}.jsonl")
    if not path.is_file():
        return []
    # The base problems of GSM-IC are samples without this metric.
    return [row for row in read_jsonl(path, ("doc",)) if row.get(_ACCURACY) is not None]


def _score(metrics: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Score:
    def value(name: str) -> float | None:
        found = metrics.get(f"{name},none")
        return float(found) if isinstance(found, (int, float)) else None

    accuracy = metrics[f"{_ACCURACY},none"]
    stderr = value(f"{_ACCURACY}_stderr")
    if stderr is None and samples:
        bases = [row["doc"].get("base_id") for row in samples]
        clusters = [("row", number) if base is None else ("base", base) for number, base in enumerate(bases)]
        stderr = clustered_stderr(zip(clusters, (row[_ACCURACY] for row in samples), strict=True))
    return Score(
        accuracy, stderr, len(samples) or None, value("invalid"), value("normalised_accuracy"), value("macro_accuracy")
    )


def clustered_stderr(items: Iterable[tuple[object, float]]) -> float:
    """Return the standard error of the mean of ``(cluster, value)`` pairs whose clusters are independent of each other.

    With one value per cluster this is the usual standard error, with n instead of n - 1.
    """
    pairs = list(items)
    mean = sum(value for _, value in pairs) / len(pairs)
    residuals: dict[object, float] = {}
    for cluster, value in pairs:
        residuals[cluster] = residuals.get(cluster, 0.0) + value - mean
    return math.sqrt(sum(residual**2 for residual in residuals.values())) / len(pairs)


def _rows(scores: Scores) -> list[tuple[str, str, list[str]]]:
    """Return the table's rows: test set, measure, and one cell per method."""
    rows = []
    for task, label in TASKS.items():
        of_task = [by_task.get(task) for by_task in scores.values()]
        found = [score for score in of_task if score is not None]
        if not found:
            continue
        counts = {score.rows for score in found if score.rows is not None}
        questions = f" ({counts.pop()} questions)" if len(counts) == 1 else ""
        rows.append(
            (label + questions, "accuracy, %", ["" if score is None else _accuracy(score) for score in of_task])
        )
        measures = {"no answer, %": "invalid", "relative to clean, %": "normalised"}
        # With one variant per problem, as in the demonstration, macro accuracy is accuracy once more.
        if any(score.macro != score.accuracy for score in found):
            measures["all variants right, %"] = "macro"
        for measure, field in measures.items():
            cells = ["" if score is None else _percent(getattr(score, field)) for score in of_task]
            if any(cells):
                rows.append(("", measure, cells))
    return rows


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _accuracy(score: Score) -> str:
    return _percent(score.accuracy) + ("" if score.stderr is None else f" ± {100 * score.stderr:.1f}")


def markdown_table(scores: Scores) -> str:
    """Return the scores as a Markdown table: accuracy with its standard error, and the other measures of each task."""
    lines = [["test set", "", *scores], ["---", "---", *("---:" for _ in scores)]]
    lines += [[label, measure, *cells] for label, measure, cells in _rows(scores)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def console_table(scores: Scores) -> Table:
    """Return the same table for a terminal, with `CAVEAT` below it."""
    from rich.table import Table

    table = Table(caption=CAVEAT)
    table.add_column("test set")
    table.add_column("")
    for method in scores:
        table.add_column(method, justify="right")
    for label, measure, cells in _rows(scores):
        table.add_row(label, measure, *cells)
    return table


def read_log(trainer_state: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read the log of a training run: the ``log_history`` of a ``trainer_state.json``.

    Raises:
        CoTMaskError: the file is missing, broken or no trainer state.
    """
    path = Path(trainer_state)
    history = _read_json(path).get("log_history")
    if not isinstance(history, list):
        raise CoTMaskError(f"{path}: has no log_history: give the trainer_state.json of a checkpoint")
    return history


def write_report(
    directory: str | os.PathLike[str],
    runs: Mapping[str, str | os.PathLike[str]],
    trainer_state: str | os.PathLike[str] | None = None,
) -> Scores:
    """Write ``report.md`` and ``report.png`` into ``directory``. Each appears whole or not at all.

    Args:
        directory: where to write; created when it is missing.
        runs: what lm-eval wrote for each method (a results file, or a directory), in the order of the columns.
        trainer_state: the ``trainer_state.json`` of the MFT run, for the curves of its masking and its losses.

    Returns:
        The scores, for `console_table`.

    Raises:
        CoTMaskError: results or the log are missing or broken, or matplotlib is not installed.
    """
    directory = Path(directory)
    scores = {method: read_scores(source) for method, source in runs.items()}
    log = None if trainer_state is None else read_log(trainer_state)
    directory.mkdir(parents=True, exist_ok=True)
    with whole_file(directory / "report.png") as temporary:
        _draw(scores, log, temporary)
    with whole_file(directory / "report.md") as temporary:
        temporary.write_text(
            f"# {' and '.join(scores)}\n\n{markdown_table(scores)}\n{CAVEAT}\n\n"
            "Accuracy is followed by its standard error.\n\n![accuracy and training curves](report.png)\n",
            encoding="utf-8",
        )
    return scores


def _draw(scores: Scores, log: Sequence[Mapping[str, Any]] | None, path: Path) -> None:
    try:
        # Without pyplot there is no global state, and no display is asked for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CoTMaskError("the report's figure needs matplotlib: pip install 'axolotl-cotmask[demo]'") from error

    panels = 1 if log is None else 3
    figure = Figure(figsize=(6.5 * panels, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_accuracy(axes[0], scores)
    if log is not None:
        _draw_curves(axes[1], log, {"cotmask/scheduled_ratio": "scheduled", "cotmask/realised_ratio": "realised"})
        axes[1].set(title="Share of target tokens masked", ylabel="mask ratio", ylim=(0, None))
        losses = {"loss": "all", "cotmask/loss_noised": "at masked tokens", "cotmask/loss_clean": "at clean tokens"}
        _draw_curves(axes[2], log, losses)
        axes[2].set(title="Training loss (MFT)", ylabel="cross-entropy, nats per token", ylim=(0, None))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _draw_accuracy(axis: Axes, scores: Scores) -> None:
    tasks = [task for task in TASKS if any(task in by_task for by_task in scores.values())]
    width = 0.8 / len(scores)
    for number, (method, by_task) in enumerate(scores.items()):
        present = [(place, by_task[task]) for place, task in enumerate(tasks) if task in by_task]
        bars = axis.bar(
            [place + (number - (len(scores) - 1) / 2) * width for place, _ in present],
            [100 * score.accuracy for _, score in present],
            width,
            yerr=[100 * (score.stderr or 0.0) for _, score in present],
            capsize=4,
            color=_COLOURS[number % len(_COLOURS)],
            label=method,
        )
        axis.bar_label(bars, fmt="%.1f", padding=3)
    axis.set_xticks(range(len(tasks)), [TASKS[task].replace(", ", ",\n") for task in tasks])
    axis.set(title="Accuracy on the test sets", ylabel="accuracy, % (bars: standard error)")
    axis.set_ylim(0, max(10.0, axis.get_ylim()[1] * 1.1))
    axis.legend(frameon=False)


def _draw_curves(axis: Axes, log: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """Draw each named metric over the optimizer steps; entries of the log without it are left out."""
    for (name, label), colour in zip(names.items(), _COLOURS, strict=False):
        points = [(entry["step"], entry[name]) for entry in log if entry.get(name) is not None and "step" in entry]
        if points:
            axis.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.6)
    axis.set_xlabel("optimizer step")
    axis.legend(frameon=False)
