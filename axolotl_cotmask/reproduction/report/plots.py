"""The report's plots: what is drawn of an outcome. Titles, legends and captions are text of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds
from axolotl_cotmask.reproduction.report.cells import groups, labels
from axolotl_cotmask.reproduction.report.content import Block, Details, Key, Paragraph, Plot, Plots, Section, Subheading
from axolotl_cotmask.reproduction.report.measurements import curve_table, curve_values, dependency_table, last_logged
from axolotl_cotmask.reproduction.report.outcome import Outcome, Row, Run
from axolotl_cotmask.reproduction.report.svg import GLYPHS, GRID, INK, MARKERS, MUTED, SERIES, colour, render

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


def plots(outcome: Outcome) -> Iterator[Section]:
    """Yield the sections of plots; those without anything to draw are left out."""
    numbers = count(1)
    for title, blocks in (
        ("Accuracy by row", list(_by_row(outcome, numbers))),
        ("Accuracy by mask ratio", list(_by_ratio(outcome, numbers))),
        ("Training", list(_training(outcome, numbers))),
        ("Accuracy by samples seen", list(_by_samples(outcome, numbers))),
        ("Dependency", list(_dependency(outcome, numbers))),
    ):
        if blocks:
            yield Section(title, blocks)


def _headed(group: str, blocks: Sequence[Block]) -> Iterator[Block]:
    if blocks:
        if group:
            yield Subheading(group)
        yield from blocks


def _half(found: Estimate) -> float:
    """Return half the width of a seeds' interval; 0 where it is infinite."""
    return found.high - found.value if math.isfinite(found.high) else 0.0


# Accuracy by row


def _by_row(outcome: Outcome, numbers: Iterator[int]) -> Iterator[Block]:
    for group, rows in groups(outcome).items():
        drawn = [
            _rows_plot(f"plot-{next(numbers)}", measure, rows)
            for measure in outcome.measures
            if any(measure in row.estimates for row in rows)
        ]
        legend = [Key("●", 1, "mean over seeds, with its 95 % interval"), Key("|", 0, "each seed")]
        if any(row.published for row in rows):
            legend.append(Key("◇", 2, "published in the paper"))
        yield from _headed(group, [Plots(drawn, legend)] if drawn else [])


def _rows_plot(name: str, measure: str, rows: Sequence[Row]) -> Plot:
    shown = [row for row in rows if measure in row.estimates or measure in row.published]

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for place, row in enumerate(shown):
            # The label stands above its row, so that it has the whole width.
            words: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "va": "center"}
            axis.text(0, place - 0.22, _short(row.label), ha="left", **words)
            found = row.estimates.get(measure)
            if measure in row.published:
                axis.plot(row.published[measure], place + 0.22, "D", mfc="none", mec=colour(2), mew=1.6, ms=7, zorder=4)
            if found is not None:
                axis.text(1, place - 0.22, f"{found.value:.1f}", ha="right", weight="bold", **words)
                seeds = [run.values[measure] for run in row.runs if measure in run.values]
                if len(seeds) > 1:
                    axis.plot(seeds, [place + 0.22] * len(seeds), "|", color=MUTED, ms=9, mew=1.2, zorder=2)
                bar: dict[str, Any] = {"ecolor": colour(1), "elinewidth": 2, "capsize": 3} if _half(found) else {}
                axis.errorbar(
                    found.value,
                    place + 0.22,
                    xerr=_half(found) or None,
                    fmt="o",
                    color=colour(1),
                    ms=6,
                    zorder=3,
                    **bar,
                )
            if place:
                axis.axhline(place - 0.5, color=GRID, linewidth=0.8)
        axis.set(xlabel=f"{_short(measure)}, %", ylim=(len(shown) - 0.5, -0.5))
        axis.margins(x=0.06)
        axis.yaxis.set_visible(False)
        axis.spines["left"].set_visible(False)

    means = ", ".join(f"{row.label} {row.estimates[measure].value:.1f}" for row in shown if measure in row.estimates)
    svg = render(name, 0.75 + 0.45 * len(shown), draw)
    return Plot(measure, "", svg, description=f"Mean over seeds in percent: {means}.")


def _short(label: str, width: int = 48) -> str:
    return label if len(label) <= width else f"{label[: width - 1]}…"


# Accuracy by mask ratio


def _by_ratio(outcome: Outcome, numbers: Iterator[int]) -> Iterator[Block]:
    for group, rows in groups(outcome).items():
        drawn = []
        for measure in outcome.measures:
            measured = [row for row in rows if row.mask_ratio is not None and measure in row.estimates]
            if len({row.mask_ratio for row in measured}) >= RATIOS:
                drawn.append(_ratio_plot(f"plot-{next(numbers)}", measure, measured))
        yield from _headed(group, [Plots(drawn)] if drawn else [])


def _ratio_plot(name: str, measure: str, rows: Sequence[Row]) -> Plot:
    kinds = list(dict.fromkeys(row.schedule for row in rows))

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for number, kind in enumerate(kinds[:SERIES]):
            by_ratio: dict[float, list[Estimate]] = {}
            for row in rows:
                if row.schedule == kind and row.mask_ratio is not None:
                    by_ratio.setdefault(row.mask_ratio, []).append(row.estimates[measure])
            ratios = sorted(by_ratio)
            means = [over_seeds([found.value for found in by_ratio[ratio]]).value for ratio in ratios]
            axis.plot(ratios, means, color=colour(number + 1))
            for ratio, estimates in by_ratio.items():
                for found in estimates:
                    axis.errorbar(
                        ratio,
                        found.value,
                        yerr=_half(found) or None,
                        fmt=MARKERS[number],
                        color=colour(number + 1),
                        capsize=3,
                    )
        axis.set(xlabel="mask ratio (highest share noised)", ylabel=f"{_short(measure, 30)}, %")

    legend = [
        Key(GLYPHS[number], number + 1, _SCHEDULES.get(kind, str(kind))) for number, kind in enumerate(kinds[:SERIES])
    ]
    caption = (
        "Mean over seeds by mask ratio, with its 95 % interval. Where rows share ratio and schedule, the line goes "
        "through their mean."
    )
    return Plot(measure, caption, render(name, 2.9, draw), legend)


# Training curves


def _training(outcome: Outcome, numbers: Iterator[int]) -> Iterator[Block]:
    logged = [(row, run) for row in outcome.rows if (run := _first_logged(row)) is not None]
    if not logged:
        return
    text = "One run of each row, as the trainer logged it."
    if len(logged) > TRAINING_ROWS:
        text += f" Shown are the first {TRAINING_ROWS} of {len(logged)} rows; the table below has all."
    yield Paragraph(text)
    shown = logged[:TRAINING_ROWS]
    names = labels(outcome)
    drawn = [_training_plot(f"plot-{next(numbers)}", names[row.name], run) for row, run in shown]
    keys = {key for _, run in shown for key in _curves(run)}
    lines = [line for key, line in _LINES.items() if key in keys]
    yield Plots(drawn, [Key(glyph, series, title) for _, title, series, _, glyph in lines])
    yield Details("What was logged last, by run", [last_logged(outcome)])


def _first_logged(row: Row) -> Run | None:
    return next((run for run in row.runs if _curves(run)), None)


#: The lines by key of the log: which panel, what it is called, colour, dashes, glyph.
_LINES: Mapping[str, tuple[str, str, int, str, str]] = {
    "cotmask/scheduled_ratio": ("ratio", "scheduled ratio", 0, "--", "╌"),
    "cotmask/realised_ratio": ("ratio", "realised ratio", 1, "-", "━"),
    "cotmask/loss_noised": ("loss", "loss on noised positions", 2, "-", "━"),
    "cotmask/loss_clean": ("loss", "loss on clean positions", 3, "-", "━"),
    "loss": ("loss", "loss", 4, "-", "━"),
}
_AXES = {"ratio": "share of tokens", "loss": "loss, nats/token"}


def _training_plot(name: str, title: str, run: Run) -> Plot:
    curves = {key: _thinned(points) for key, points in _curves(run).items()}
    panels = list(dict.fromkeys(_LINES[key][0] for key in curves))

    def draw(figure: Figure) -> None:
        axes: list[Axes] = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
        for panel, axis in zip(panels, axes, strict=True):
            for key, points in curves.items():
                place, _, series, dashes, _ = _LINES[key]
                if place == panel:
                    xs, ys = zip(*points, strict=True)
                    ink = colour(series) if series else INK
                    marker = "o" if len(xs) == 1 else None
                    axis.plot(xs, ys, dashes, color=ink, linewidth=1.5, marker=marker, zorder=2 + (not series))
            axis.set(ylabel=_AXES[panel], ylim=(0, None))
        axes[-1].set_xlabel("training step")

    caption = f"Seed {run.seed}."
    logged = max(map(len, _curves(run).values()))
    if logged > TRAINING_POINTS:
        caption += f" Each point is the mean of {math.ceil(logged / TRAINING_POINTS)} logged ones."
    return Plot(title, caption, render(name, 0.7 + 1.5 * len(panels), draw))


def _curves(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Return what is drawn of a run's log: steps and values by key."""
    found = {key: [(e["step"], e[key]) for e in run.history if key in e and "step" in e] for key in _LINES}
    if found["cotmask/loss_clean"]:
        # The loss of all positions lies between the two parts that it is made of.
        found["loss"] = []
    return {key: points for key, points in found.items() if points}


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points, or means of neighbouring ones where there are more than `TRAINING_POINTS`."""
    size = math.ceil(len(points) / TRAINING_POINTS)
    found = []
    for start in range(0, len(points), max(1, size)):
        xs, ys = zip(*points[start : start + size], strict=True)
        found.append((math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)))
    return found


# Lines with bands: accuracy by samples seen, dependency

#: One value per seed by place on the x axis: a number, or a bucket's name.
Line = Mapping[str, Sequence[float]] | Mapping[int, Sequence[float]]


def _lines_plots(
    numbers: Iterator[int],
    title: str,
    lines: Mapping[str, Line],
    xlabel: str,
    ylabel: str,
    caption: str,
) -> list[Plot]:
    """Return a plot of the lines by label, or several where one cannot tell so many apart."""
    names = list(lines)
    parts = [names[start : start + SERIES] for start in range(0, len(names), SERIES)]
    drawn = []
    for number, part in enumerate(parts, 1):
        shown = {label: lines[label] for label in part}

        def draw(figure: Figure, shown: Mapping[str, Line] = shown) -> None:
            axis = figure.subplots()
            words = list(dict.fromkeys(x for line in shown.values() for x in line if isinstance(x, str)))
            for series, line in enumerate(shown.values()):
                xs = [words.index(x) if isinstance(x, str) else x for x in line]
                found = [over_seeds(values) for values in line.values()]
                axis.plot(xs, [mean.value for mean in found], color=colour(series + 1), marker=MARKERS[series])
                low, high = [[mean.value + side * _half(mean) for mean in found] for side in (-1, 1)]
                axis.fill_between(xs, low, high, color=colour(series + 1), alpha=0.15, linewidth=0)
            if words:
                axis.set_xticks(range(len(words)), words)
            else:
                axis.locator_params(axis="x", nbins=5)
                axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.set(xlabel=xlabel, ylabel=ylabel)

        heading = title if len(parts) == 1 else f"{title} ({number} of {len(parts)})"
        legend = [Key(GLYPHS[series], series + 1, label) for series, label in enumerate(shown)]
        drawn.append(Plot(heading, caption, render(f"plot-{next(numbers)}", 2.9, draw), legend))
    return drawn


def _by_samples(outcome: Outcome, numbers: Iterator[int]) -> Iterator[Block]:
    caption = "Mean over seeds of each checkpoint's accuracy; the band is its 95 % interval."
    drawn: list[Plot] = []
    tables: list[Block] = []
    for group, rows in groups(outcome).items():
        curved = [row for row in rows if curve_values(row)]
        if curved:
            lines: dict[str, Line] = {row.label: dict(curve_values(row)) for row in curved}
            drawn += _lines_plots(numbers, group or "All rows", lines, "training samples seen", "accuracy, %", caption)
            tables.append(Details(f"The numbers: {group}" if group else "The numbers", [curve_table(curved)]))
    if drawn:
        yield Plots(drawn)
        yield from tables


def _dependency(outcome: Outcome, numbers: Iterator[int]) -> Iterator[Block]:
    names = {row.name: row.label for row in outcome.rows}
    caption = "Mean over seeds; the band is its 95 % interval."
    blocks: list[Block] = []
    for group, by_row in outcome.dependency.items():
        drawn = []
        for source in dict.fromkeys(source for found in by_row.values() for source in found):
            lines: dict[str, Line] = {
                names.get(row, row): dict(found[source]) for row, found in by_row.items() if source in found
            }
            title = f"Dependency on the {source}"
            drawn += _lines_plots(numbers, title, lines, "distance, tokens", "predictions changed, %", caption)
        if drawn:
            blocks += _headed(group, [Plots(drawn), Details("The numbers", [dependency_table(outcome, group)])])
    if blocks:
        yield Paragraph(
            "A number is replaced by another one, in the question or in the chain of thought before: the share of the "
            "later numbers in the chain that are then predicted otherwise, in percent, by distance in tokens."
        )
        yield from blocks
