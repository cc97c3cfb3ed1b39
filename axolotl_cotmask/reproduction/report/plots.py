"""The report's plots: what is drawn of an outcome. Titles, legends and captions are text of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.figures import COLOURS, GLYPHS, MARKERS
from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds
from axolotl_cotmask.reproduction.report.cells import mean_cell, percent, row_labels, rows_by_group
from axolotl_cotmask.reproduction.report.content import (
    Block,
    Column,
    Details,
    LegendKey,
    Paragraph,
    Plot,
    Plots,
    Section,
    Subheading,
    Table,
    TableCell,
    number,
    table,
)
from axolotl_cotmask.reproduction.report.lines import EstimateLine, line_legend, line_plot, shortened
from axolotl_cotmask.reproduction.report.measurements import (
    LOGGED_CURVES,
    LOSS,
    LOSS_CLEAN,
    LoggedCurve,
    last_logged,
)
from axolotl_cotmask.reproduction.report.outcome import PlanOutcome, RowOutcome, RunOutcome
from axolotl_cotmask.reproduction.report.svg import INK, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Training curves are drawn of so many rows, in panels of their own.
TRAINING_ROWS = 12
#: A curve of more steps is drawn as means of neighbouring ones.
TRAINING_POINTS = 150
#: Fig. 3 of the paper needs so many ratios.
RATIOS = 3

_SCHEDULES = {"linear": "warmed up (linear)", "constant": "fixed (constant)", None: "no schedule named"}


def plot_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the sections of plots; those without anything to draw are left out."""
    for title, blocks in (
        ("Accuracy by row", list(_by_row(outcome))),
        ("Accuracy by mask ratio", list(_by_ratio(outcome))),
        ("Training", list(_training(outcome))),
        ("Accuracy by samples seen", list(_by_samples(outcome))),
        ("Dependency", list(_dependency(outcome))),
    ):
        if blocks:
            yield Section(title, blocks)


def _of_group(group: str, drawn: Sequence[Plot], legend: Sequence[LegendKey] = ()) -> Iterator[Block]:
    if drawn:
        if group:
            yield Subheading(group)
        yield Plots(drawn, legend)


def _half(estimate: Estimate) -> float:
    """Return half the width of a seeds' interval in percent; 0 where it is infinite."""
    return percent(estimate.high - estimate.value) if math.isfinite(estimate.high) else 0.0


# Accuracy by row


def _by_row(outcome: PlanOutcome) -> Iterator[Block]:
    for group, rows in rows_by_group(outcome).items():
        measures = [measure for measure in outcome.measures if any(measure in row.estimates for row in rows)]
        published = "published in the paper" if any(row.published for row in rows) else ""
        many = any(len(row.runs) > 1 for row in rows)
        legend = line_legend(*_SEVERAL if many else _SINGLE, published)
        yield from _of_group(group, [_rows_plot(measure, rows) for measure in measures], legend)


_SEVERAL = ("mean over seeds, with its 95 % interval", "each seed")
_SINGLE = ("the one run", "")


def _rows_plot(measure: str, rows: Sequence[RowOutcome]) -> Plot:
    lines = [
        EstimateLine(
            row.label,
            row.estimates.get(measure),
            [run.values[measure] for run in row.runs if measure in run.values],
            row.published.get(measure),
        )
        for row in rows
        if measure in row.estimates or measure in row.published
    ]
    return line_plot(measure, f"{shortened(measure)}, %", lines)


def _legend(labels: Iterable[str]) -> list[LegendKey]:
    return [LegendKey(GLYPHS[series], series + 1, label) for series, label in enumerate(labels)]


# Accuracy by mask ratio


def _by_ratio(outcome: PlanOutcome) -> Iterator[Block]:
    for group, rows in rows_by_group(outcome).items():
        drawn = []
        for measure in outcome.measures:
            measured = [row for row in rows if row.mask_ratio is not None and measure in row.estimates]
            if len({row.mask_ratio for row in measured}) >= RATIOS:
                drawn.append(_ratio_plot(measure, measured))
        yield from _of_group(group, drawn)


def _ratio_plot(measure: str, rows: Sequence[RowOutcome]) -> Plot:
    kinds = list(dict.fromkeys(row.schedule for row in rows))[: len(COLOURS)]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for series, kind in enumerate(kinds):
            by_ratio: dict[float, list[Estimate]] = {}
            for row in rows:
                if row.schedule == kind and row.mask_ratio is not None:
                    by_ratio.setdefault(row.mask_ratio, []).append(row.estimates[measure])
            ratios = sorted(by_ratio)
            means = [percent(fmean(each.value for each in by_ratio[ratio])) for ratio in ratios]
            axis.plot(ratios, means, color=colour(series + 1))
            marked: dict[str, Any] = {"fmt": MARKERS[series], "color": colour(series + 1), "capsize": 3}
            for ratio, estimates in by_ratio.items():
                for estimate in estimates:
                    axis.errorbar(ratio, percent(estimate.value), yerr=_half(estimate) or None, **marked)
        axis.set(xlabel="mask ratio (highest share noised)", ylabel=f"{shortened(measure, 30)}, %")

    caption = (
        "Mean over seeds by mask ratio, with its 95 % interval. Where rows share ratio and schedule, the line goes "
        "through their mean."
    )
    return Plot(measure, caption, 2.9, draw, _legend(_SCHEDULES.get(kind, str(kind)) for kind in kinds))


# Training curves


def _training(outcome: PlanOutcome) -> Iterator[Block]:
    logged = [(row, run) for row in outcome.rows if (run := _first_logged(row)) is not None]
    if not logged:
        return
    text = "One run of each row, as the trainer logged it."
    if len(logged) > TRAINING_ROWS:
        text += f" Shown are the first {TRAINING_ROWS} of {len(logged)} rows; the table below has all."
    yield Paragraph(text)
    shown = logged[:TRAINING_ROWS]
    names = row_labels(outcome)
    drawn = [_training_plot(names[row.name], run) for row, run in shown]
    logged_by_any = {curve for _, run in shown for curve in _curves(run)}
    legend = [
        LegendKey("╌" if curve.dashed else "━", curve.series, curve.legend)
        for curve in LOGGED_CURVES
        if curve in logged_by_any
    ]
    yield Plots(drawn, legend)
    yield Details("What was logged last, by run", [last_logged(outcome)])


def _first_logged(row: RowOutcome) -> RunOutcome | None:
    return next((run for run in row.runs if _curves(run)), None)


_AXES = {"ratio": "share of tokens", "loss": "loss, nats/token"}


def _training_plot(title: str, run: RunOutcome) -> Plot:
    curves = {curve: _thinned(logged) for curve, logged in _curves(run).items()}
    panels = list(dict.fromkeys(curve.panel for curve in curves))

    def draw(figure: Figure) -> None:
        axes: list[Axes] = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
        for panel, axis in zip(panels, axes, strict=True):
            for curve, logged in curves.items():
                if curve.panel == panel:
                    xs, ys = zip(*logged, strict=True)
                    line: dict[str, Any] = {"color": colour(curve.series) if curve.series else INK, "linewidth": 1.5}
                    line |= {"marker": "o" if len(xs) == 1 else None, "zorder": 2 + (not curve.series)}
                    axis.plot(xs, ys, "--" if curve.dashed else "-", **line)
            axis.set(ylabel=_AXES[panel], ylim=(0, None))
        axes[-1].set_xlabel("training step")

    caption = f"Seed {run.seed}."
    longest = max(map(len, _curves(run).values()))
    if longest > TRAINING_POINTS:
        caption += f" Each point is the mean of {math.ceil(longest / TRAINING_POINTS)} logged ones."
    return Plot(title, caption, 0.7 + 1.5 * len(panels), draw)


def _curves(run: RunOutcome) -> dict[LoggedCurve, list[tuple[float, float]]]:
    """Return what is drawn of a run's log: steps and values by curve."""
    entries = [entry for entry in run.history if "step" in entry]
    curves = {
        curve: [(entry["step"], entry[curve.key]) for entry in entries if curve.key in entry] for curve in LOGGED_CURVES
    }
    if curves[LOSS_CLEAN]:
        # The loss of all positions lies between the two parts that it is made of.
        curves[LOSS] = []
    return {curve: logged for curve, logged in curves.items() if logged}


def _thinned(logged: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the steps and values, or means of neighbouring ones where there are more than `TRAINING_POINTS`."""
    size = math.ceil(len(logged) / TRAINING_POINTS)
    means = []
    for start in range(0, len(logged), max(1, size)):
        xs, ys = zip(*logged[start : start + size], strict=True)
        means.append((math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)))
    return means


# Lines with bands: accuracy by samples seen, dependency

#: One share per seed, or none at all, by place on the x axis: a number, or a bucket's name.
Line = Mapping[str, Sequence[float]] | Mapping[int, Sequence[float]]


def _lines_plots(title: str, lines: Mapping[str, Line], xlabel: str, ylabel: str, caption: str) -> list[Plot]:
    """Return a plot of the lines by label, or several where one cannot tell so many apart."""
    starts = range(0, len(lines), len(COLOURS))
    drawn = []
    for part, start in enumerate(starts, 1):
        shown = dict(islice(lines.items(), start, start + len(COLOURS)))

        def draw(figure: Figure, shown: Mapping[str, Line] = shown) -> None:
            axis = figure.subplots()
            words = list(dict.fromkeys(x for line in shown.values() for x in line if isinstance(x, str)))
            for series, line in enumerate(shown.values()):
                means = {x: over_seeds(shares) for x, shares in line.items() if shares}
                xs = [words.index(x) if isinstance(x, str) else x for x in means]
                ys = [percent(mean.value) for mean in means.values()]
                halves = [_half(mean) for mean in means.values()]
                axis.plot(xs, ys, color=colour(series + 1), marker=MARKERS[series])
                low, high = [[y + side * half for y, half in zip(ys, halves, strict=True)] for side in (-1, 1)]
                axis.fill_between(xs, low, high, color=colour(series + 1), alpha=0.15, linewidth=0)
            if words:
                axis.set_xticks(range(len(words)), words)
            else:
                axis.locator_params(axis="x", nbins=5)
                axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.set(xlabel=xlabel, ylabel=ylabel)

        heading = title if len(starts) == 1 else f"{title} ({part} of {len(starts)})"
        drawn.append(Plot(heading, caption, 2.9, draw, _legend(shown)))
    return drawn


def _lines_table(lines_by_heading: Mapping[str, Mapping[str, Line]]) -> Table:
    """Return the means of lines, a row for each label and a column for each place below each heading."""
    rows: dict[str, dict[Column | str, TableCell | str | None]] = {}
    for heading, lines in lines_by_heading.items():
        for label, line in lines.items():
            row = rows.setdefault(label, {"row": label})
            for x, shares in line.items():
                row[number(x if isinstance(x, str) else f"{x:,}", heading)] = mean_cell(shares)
    return table(rows.values())


def _by_samples(outcome: PlanOutcome) -> Iterator[Block]:
    caption = "Mean over seeds of each checkpoint's accuracy; the band is its 95 % interval."
    drawn: list[Plot] = []
    tables: list[Block] = []
    for group, rows in rows_by_group(outcome).items():
        seen = sorted({samples for row in rows for run in row.runs for samples, _ in run.curve})
        curved = [row for row in rows if any(run.curve for run in row.runs)]
        lines = {row.label: _accuracies(row, seen) for row in curved}
        if lines:
            drawn += _lines_plots(group or "All rows", lines, "training samples seen", "accuracy, %", caption)
            numbers = _lines_table({"samples seen": lines})
            tables.append(Details(f"The numbers: {group}" if group else "The numbers", [numbers]))
    if drawn:
        yield Plots(drawn)
        yield from tables


def _accuracies(row: RowOutcome, seen: Sequence[int]) -> Line:
    """Return a row's accuracies by training samples ``seen``, one per seed that has this checkpoint."""
    curve = [point for run in row.runs for point in run.curve]
    return {point: [accuracy for samples, accuracy in curve if samples == point] for point in seen}


def _dependency(outcome: PlanOutcome) -> Iterator[Block]:
    names = {row.name: row.label for row in outcome.rows}
    caption = "Mean over seeds; the band is its 95 % interval."
    axes = "distance, tokens", "predictions changed, %"
    blocks: list[Block] = []
    for group, by_row in outcome.dependency.items():
        by_source: dict[str, dict[str, Line]] = {}
        for row, lines in by_row.items():
            for source, line in lines.items():
                by_source.setdefault(source, {})[names.get(row, row)] = line
        drawn: list[Plot] = []
        for source, of_source in by_source.items():
            drawn += _lines_plots(f"Dependency on the {source}", of_source, *axes, caption)
        if drawn:
            blocks += [*_of_group(group, drawn), Details("The numbers", [_lines_table(by_source)])]
    if blocks:
        yield Paragraph(
            "A number is replaced by another one, in the question or in the chain of thought before: the share of the "
            "later numbers in the chain that are then predicted otherwise, in percent, by distance in tokens."
        )
        yield from blocks
