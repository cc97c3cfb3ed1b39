"""The ablation on a laptop: every row of a sweep beside the paper's number, as a table and a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from axolotl_cotmask.ablations import SWEEPS, Ablation
from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.files import whole_file
from axolotl_cotmask.laptop.report import CAVEAT
from axolotl_cotmask.results import read_results
from axolotl_cotmask.statistics import Estimate, over_seeds

#: Title -> task and metric.
MEASURES = {
    "clean": ("cotmask_gsm8k", "exact_match"),
    "follows the question": ("cotmask_corrupted_step", "follows_question"),
    "right after all": ("cotmask_corrupted_step", "exact_match"),
}

#: Estimates in percent by measure title.
Row = dict[str, Estimate]


def read_rows(directory: Path, rows: Sequence[Ablation], seeds: int) -> list[Row]:
    """Return what lm-eval measured of each row, over its seeds.

    Raises:
        CoTMaskError: a run has no complete results.
    """
    found = []
    for row in rows:
        values: dict[str, list[float]] = {title: [] for title in MEASURES}
        for seed in range(1, seeds + 1):
            scores = directory / "runs" / "copying" / row.name / str(seed) / "scores"
            results = read_results(scores, [task for task, _ in MEASURES.values()])
            for title, (task, metric) in MEASURES.items():
                if task not in results:
                    raise CoTMaskError(f"{scores}: {task} was not scored there: evaluate this run again")
                values[title].append(100 * results[task].metrics[metric])
        found.append({title: over_seeds(measured) for title, measured in values.items()})
    return found


def write_table(directory: Path, sweep: str, seeds: int) -> None:
    """Write ``ablation.md`` and ``ablation.png`` into ``directory``; each appears whole or not at all.

    Raises:
        CoTMaskError: a run's results are missing or broken, there is no such sweep, or matplotlib is not installed.
    """
    if sweep not in SWEEPS:
        raise CoTMaskError(f"{sweep} is no sweep: name one of {', '.join(SWEEPS)}")
    rows = SWEEPS[sweep]
    measured = read_rows(directory, rows, seeds)
    with whole_file(directory / "ablation.png") as temporary:
        _draw(rows, measured, temporary)
    header = ["where", "noise", "setting", "paper: GSM8K", *MEASURES]
    lines = [header, ["---", "---", "---", "---:", *("---:" for _ in MEASURES)]]
    for row, values in zip(rows, measured, strict=True):
        paper = "" if row.accuracy is None else f"{row.accuracy:.1f}"
        lines.append([row.where, row.noise, row.setting, paper, *(_number(values[title]) for title in MEASURES)])
    text = (
        f"# Ablation: {sweep}\n\n{CAVEAT}\n\n"
        f"In percent, mean of {seeds} seeds and its 95 % interval. *clean*: accuracy on made-up problems; *follows the "
        "question*: after a step in which one number was replaced; *right after all*: the final answer then.\n\n"
        "![accuracy and what a corrupted step is followed by, by row](ablation.png)\n\n"
    )
    with whole_file(directory / "ablation.md") as temporary:
        temporary.write_text(text + "".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")


def _number(estimate: Estimate) -> str:
    if math.isinf(estimate.low):
        return f"{estimate.value:.1f}"
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def _draw(rows: Sequence[Ablation], measured: Sequence[Row], path: Path) -> None:
    try:
        # Without pyplot there is no global state, and no display is asked for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CoTMaskError("the plot needs matplotlib: pip install 'axolotl-cotmask[demo]'") from error
    figure = Figure(figsize=(10, 1.5 + 0.28 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    places = range(len(rows))
    for axis, title in zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES, strict=True):
        estimates = [values[title] for values in measured]
        values = [estimate.value for estimate in estimates]
        errors = [0.0 if math.isinf(e.high) else e.high - e.value for e in estimates]
        axis.barh(places, values, xerr=errors, color="#4477aa", error_kw={"elinewidth": 0.8})
        axis.set(title=title, xlim=(0, None), xlabel="%")
        axis.margins(y=0.01)
        axis.set_yticks(places, [row.name for row in rows], fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.invert_yaxis()
    figure.savefig(path, dpi=110)
