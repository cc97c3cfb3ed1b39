"""Figures of the analyses: several models in one picture, 95 % intervals at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.analysis.checkpoints import Point
from axolotl_cotmask.analysis.dependency import SOURCES, MeasuredDependency
from axolotl_cotmask.analysis.length import LengthBucket
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.evaluation.stats.estimates import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Tol's bright scheme, which colour-blind readers can tell apart; the markers help in black and white.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee")
_MARKERS = ("o", "s", "^", "D", "v", "P")
# A point from fewer rows says next to nothing, and its interval would set the scale; the table has it.
_FEWEST_ROWS = 10


def check_plot(path: Path) -> None:
    """Check, before anything is measured for it, that a figure can be written to ``path``.

    Raises:
        CoTMaskError: matplotlib is not installed, or the directory does not exist, or the file is no PNG.
    """
    _new_figure(1)
    if path.suffix != ".png":
        raise CoTMaskError(f"--plot {path}: the figure is a PNG: let the name end in .png")
    if not path.parent.is_dir():
        raise CoTMaskError(f"--plot {path}: there is no directory {path.parent}: create it")


def plot_dependency(models: Mapping[str, MeasuredDependency], path: Path) -> None:
    """Draw the share of changed predictions by distance, with a in the question and in the chain (Figures 1 and 6).

    Buckets with pairs from fewer than 10 rows (or all rows, where there are fewer) are left out.
    """
    figure, axes = _new_figure(len(SOURCES), sharey=True)
    titles = {
        "question": "a number of the question is replaced",
        "chain": "a number of the chain of thought is replaced",
    }
    for axis, source in zip(axes, SOURCES, strict=True):
        cells = {label: [c for c in result.cells if c.source == source] for label, result in models.items()}
        shares = {
            label: [_if_from(min(_FEWEST_ROWS, models[label].rows), cell.share) for cell in found]
            for label, found in cells.items()
        }
        _draw_series(axis, shares)
        ranges = [cell.distances for cell in next(iter(cells.values()))]
        axis.set_xticks(range(len(ranges)), ranges)
        axis.set_xlim(-0.5, len(ranges) - 0.5)
        axis.set(title=titles[source], xlabel="distance from the replaced to the predicted number, tokens")
    axes[0].set_ylabel("predictions of a number that change, %")
    _finish(figure, axes, path)


def plot_length(buckets: Sequence[LengthBucket], path: Path) -> None:
    """Draw accuracy by the length of the reference answer (Figure 15)."""
    figure, [axis] = _new_figure(1)
    labels = list(buckets[0].accuracy)
    _draw_series(axis, {label: [bucket.accuracy[label] for bucket in buckets] for label in labels})
    axis.set_xticks(range(len(buckets)), [f"{b.low}–{b.high}\nn = {b.questions:,}" for b in buckets])
    axis.set(
        title="Accuracy by length", xlabel="length of the reference answer, tokens (n: questions)", ylabel="accuracy, %"
    )
    _finish(figure, [axis], path)


def plot_samples(runs: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw accuracy against training samples seen (Figure 2); the bands are the intervals."""
    figure, [axis] = _new_figure(1)
    for number, (label, points) in enumerate(runs.items()):
        samples = [point.samples for point in points]
        style = _style(number)
        axis.plot(samples, [100 * point.accuracy.value for point in points], label=label, **style)
        low, high = zip(*((100 * p.accuracy.low, 100 * p.accuracy.high) for p in points), strict=True)
        if len(points) > 1:
            axis.fill_between(samples, low, high, color=style["color"], alpha=0.15, linewidth=0)
        else:
            axis.vlines(samples, low, high, color=style["color"])
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.locator_params(axis="x", nbins=6)
    axis.set(title="Accuracy against training samples", xlabel="training samples seen", ylabel="accuracy, %")
    axis.set_xlim(0, None)
    _finish(figure, [axis], path)


def _new_figure(panels: int, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    try:
        # Without pyplot there is no global state, and no display is asked for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CoTMaskError("--plot needs matplotlib: pip install 'axolotl-cotmask[demo]'") from error

    figure = Figure(figsize=(5.5 * panels + 1.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False, sharey=sharey)[0])


def _style(number: int) -> dict[str, Any]:
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    return {"color": colour, "marker": marker, "markersize": 5, "linewidth": 1.6}


def _if_from(rows: int, estimate: Estimate | None) -> Estimate | None:
    return estimate if estimate is not None and estimate.n >= rows else None


def _draw_series(axis: Axes, series: Mapping[str, Sequence[Estimate | None]]) -> None:
    """Draw one line per label over the places 0, 1, ..., with error bars; what is None is left out."""
    for number, (label, estimates) in enumerate(series.items()):
        # Beside each other, so that no error bar hides another.
        offset = 0.12 * (number - (len(series) - 1) / 2)
        points = [(place + offset, estimate) for place, estimate in enumerate(estimates) if estimate is not None]
        values = [100 * estimate.value for _, estimate in points]
        below = [100 * (estimate.value - estimate.low) for _, estimate in points]
        above = [100 * (estimate.high - estimate.value) for _, estimate in points]
        places = [place for place, _ in points]
        axis.errorbar(places, values, yerr=[below, above], label=label, capsize=3, elinewidth=1, **_style(number))


def _finish(figure: Figure, axes: Sequence[Axes], path: Path) -> None:
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="0.9")
        axis.set_axisbelow(True)
        # A little below 0, so that a marker at 0 is whole.
        top = axis.get_ylim()[1]
        axis.set_ylim(-0.015 * top, top)
    axes[-1].legend(frameon=False, title="with 95 % intervals", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
