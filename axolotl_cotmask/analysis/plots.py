"""Figures of the analyses: several models in one picture, 95 % intervals at every point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.analysis.checkpoints import Point
from axolotl_cotmask.analysis.dependency import SOURCES, MeasuredDependency
from axolotl_cotmask.analysis.length import LengthBucket
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.figures import COLOURS, MARKERS, new_figure, require_matplotlib
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.evaluation.stats.estimates import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A point from fewer rows says next to nothing, and its interval would set the scale; the table has it.
_FEWEST_ROWS = 10


def check_plot(path: Path) -> None:
    """Check, before anything is measured for it, that a figure can be written to ``path``.

    Raises:
        CoTMaskError: matplotlib is not installed, or the directory does not exist, or the file is no PNG.
    """
    require_matplotlib("--plot needs")
    if path.suffix != ".png":
        raise CoTMaskError(f"--plot {path}: the figure is a PNG: let the name end in .png")
    if not path.parent.is_dir():
        raise CoTMaskError(f"--plot {path}: there is no directory {path.parent}: create it")


def plot_dependency(models: Mapping[str, MeasuredDependency], path: Path) -> None:
    """Draw the share of changed predictions by distance, with a in the question and in the chain (Figures 1 and 6).

    Buckets with pairs from fewer than 10 rows (or all rows, where there are fewer) are left out.
    """
    titles = {
        "question": "a number of the question is replaced",
        "chain": "a number of the chain of thought is replaced",
    }
    with _drawn(path, len(SOURCES)) as axes:
        for axis, source in zip(axes, SOURCES, strict=True):
            cells = {label: [c for c in result.cells if c.source == source] for label, result in models.items()}
            shares = {
                label: [_if_from(min(_FEWEST_ROWS, models[label].rows), cell.share) for cell in of_model]
                for label, of_model in cells.items()
            }
            _draw_series(axis, shares)
            ranges = [cell.distances for cell in next(iter(cells.values()))]
            axis.set_xticks(range(len(ranges)), ranges)
            axis.set_xlim(-0.5, len(ranges) - 0.5)
            axis.set(title=titles[source], xlabel="distance from the replaced to the predicted number, tokens")
        axes[0].set_ylabel("predictions of a number that change, %")


def plot_length(buckets: Sequence[LengthBucket], path: Path) -> None:
    """Draw accuracy by the length of the reference answer (Figure 15)."""
    labels = list(buckets[0].accuracy)
    with _drawn(path) as [axis]:
        _draw_series(axis, {label: [bucket.accuracy[label] for bucket in buckets] for label in labels})
        axis.set_xticks(range(len(buckets)), [f"{b.low}–{b.high}\nn = {b.questions:,}" for b in buckets])
        xlabel = "length of the reference answer, tokens (n: questions)"
        axis.set(title="Accuracy by length", xlabel=xlabel, ylabel="accuracy, %")


def plot_samples(runs: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Draw accuracy against training samples seen (Figure 2); the bands are the intervals."""
    with _drawn(path) as [axis]:
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


@contextmanager
def _drawn(path: Path, panels: int = 1) -> Iterator[list[Axes]]:
    """Yield the axes of a new figure, side by side on one scale, and write it to ``path`` when the block ends well."""
    with new_figure(5.5 * panels + 1.5, 4.5, {"axes.grid.axis": "y"}) as figure:
        axes = list(figure.subplots(1, panels, squeeze=False, sharey=True)[0])
        yield axes
        for axis in axes:
            # A little below 0, so that a marker at 0 is whole.
            top = axis.get_ylim()[1]
            axis.set_ylim(-0.015 * top, top)
        axes[-1].legend(frameon=False, title="with 95 % intervals", loc="upper left", bbox_to_anchor=(1.0, 1.0))
        with whole_file(path) as temporary:
            figure.savefig(temporary, dpi=150)


def _style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


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
