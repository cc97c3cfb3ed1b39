"""Plots of one line per estimate: the mean with its interval, what it is the mean of, and what was published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.evaluation.stats.estimates import Estimate
from axolotl_cotmask.reproduction.report.cells import percent, points
from axolotl_cotmask.reproduction.report.content import LegendKey, Plot
from axolotl_cotmask.reproduction.report.svg import GRID, INK, MUTED, colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EstimateLine:
    """A line of a plot. Shares, or differences of shares, from -1 to 1."""

    label: str
    estimate: Estimate | None
    each: Sequence[float]
    published: float | None


def line_legend(mean: str, each: str, published: str) -> list[LegendKey]:
    """Return what the signs of a plot mean; a sign that means nothing is left out."""
    keys = [LegendKey("●", 1, mean), LegendKey("|", 0, each), LegendKey("◇", 2, published)]
    return [key for key in keys if key.text]


def line_plot(title: str, axis_label: str, lines: Sequence[EstimateLine], sign: str = "") -> Plot:
    """Return the plot; with ``sign="+"`` the lines are differences, and no difference is marked."""

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        for place, line in enumerate(lines):
            # The label stands above its line, so that it has the whole width.
            above, below = place - 0.22, place + 0.22
            if sign:
                axis.plot([0, 0], [below - 0.2, below + 0.2], color=INK, linewidth=0.8, zorder=1)
            words: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "va": "center"}
            axis.text(0, above, shortened(line.label), ha="left", **words)
            if line.published is not None:
                diamond: dict[str, Any] = {"mfc": "none", "mec": colour(2), "mew": 1.6, "ms": 7, "zorder": 4}
                axis.plot(percent(line.published), below, "D", **diamond)
            if line.estimate is not None:
                axis.text(1, above, points(line.estimate.value, sign), ha="right", weight="bold", **words)
                if len(line.each) > 1:
                    each = [percent(share) for share in line.each]
                    axis.plot(each, [below] * len(each), "|", color=MUTED, ms=9, mew=1.2, zorder=2)
                dot: dict[str, Any] = {"fmt": "o", "color": colour(1), "ms": 6, "zorder": 3}
                if any(sides := _sides(line.estimate)):
                    dot |= {"xerr": [[side] for side in sides], "ecolor": colour(1), "elinewidth": 2, "capsize": 3}
                axis.errorbar(percent(line.estimate.value), below, **dot)
            if place:
                axis.axhline(place - 0.5, color=GRID, linewidth=0.8)
        axis.set(xlabel=axis_label, ylim=(len(lines) - 0.5, -0.5))
        axis.margins(x=0.06)
        if not sign:
            # A share is seen for what it is from 0 on.
            axis.set_xlim(left=min(0.0, axis.get_xlim()[0]))
        axis.yaxis.set_visible(False)
        axis.spines["left"].set_visible(False)

    means = ", ".join(
        f"{line.label} {points(line.estimate.value, sign)}" for line in lines if line.estimate is not None
    )
    kind = "difference in points" if sign else "over seeds in percent"
    return Plot(title, "", 0.75 + 0.45 * len(lines), draw, description=f"Mean {kind}: {means}.")


def shortened(label: str, width: int = 48) -> str:
    """Return a label that fits."""
    return label if len(label) <= width else f"{label[: width - 1]}…"


def _sides(estimate: Estimate) -> tuple[float, float]:
    """Return how far an interval reaches to both sides, in percent; 0 where it is infinite."""
    if not math.isfinite(estimate.low) or not math.isfinite(estimate.high):
        return 0.0, 0.0
    return percent(estimate.value - estimate.low), percent(estimate.high - estimate.value)
