"""The laptop reproduction's figure: corrupted steps, accuracy and dependency, by recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.laptop.report import COPYING, Dependency, Values, label
from axolotl_cotmask.statistics import over_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# By recipe, in the order of the plan; Paul Tol's palette, which colour-blind readers can tell apart.
_COLOURS = ("#777777", "#4477aa", "#ee7733", "#aa3377", "#228833")


def draw(values: Values, dependency: Dependency, path: Path) -> None:
    """Draw the figure into ``path``, whose suffix gives the format.

    Raises:
        CoTMaskError: matplotlib is not installed.
    """
    try:
        # Without pyplot there is no global state, and no display is asked for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CoTMaskError("the report's figure needs matplotlib: pip install 'axolotl-cotmask[demo]'") from error
    figure = Figure(figsize=(11, 8), layout="constrained")
    FigureCanvasAgg(figure)
    corrupted, accuracy, question, chain = figure.subplots(2, 2).flat
    groups = {
        f"base `{base}`": {r: c["follows the question"] for r, c in runs.items()} for base, runs in values.items()
    }
    _bars(corrupted, groups, "After a corrupted step: follows the question")
    groups = {
        title: {recipe: columns[title] for recipe, columns in values[COPYING].items()}
        for title in ("clean", "irrelevant sentence", "right after all")
    }
    groups["final answer right after\na corrupted step"] = groups.pop("right after all")
    _bars(accuracy, groups, f"Accuracy (base `{COPYING}`)")
    for axis, source in ((question, "question"), (chain, "chain")):
        for (recipe, found), colour in zip(dependency[COPYING].items(), _COLOURS, strict=False):
            _curve(axis, found.get(source, {}), colour, label(recipe))
        axis.set(
            title=f"Dependency on numbers of the {source} (base `{COPYING}`)",
            xlabel="distance, tokens",
            ylabel="predictions changed, %",
            ylim=(0, None),
        )
    for axis in (corrupted, accuracy, question, chain):
        axis.spines[["top", "right"]].set_visible(False)
    corrupted.legend(frameon=False)
    question.legend(frameon=False)
    figure.savefig(path, dpi=110)


def _bars(axis: Axes, groups: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> None:
    """Draw a group of bars per key, a bar per recipe: the mean over seeds with its interval, and a dot per seed."""
    recipes = list(dict.fromkeys(recipe for group in groups.values() for recipe in group))
    width = 0.8 / len(recipes)
    for number, (recipe, colour) in enumerate(zip(recipes, _COLOURS, strict=False)):
        named = False
        for place, group in enumerate(groups.values()):
            if recipe not in group:
                continue
            x = place + (number - (len(recipes) - 1) / 2) * width
            mean = over_seeds(group[recipe])
            top = max(group[recipe])
            axis.bar(x, mean.value, width * 0.92, color=colour, alpha=0.75, label=None if named else label(recipe))
            if math.isfinite(mean.high):
                top = max(top, mean.high)
                axis.errorbar(x, mean.value, yerr=mean.high - mean.value, color="black", capsize=3, linewidth=1)
                axis.scatter([x] * len(group[recipe]), group[recipe], s=9, color="black", alpha=0.5, zorder=3)
            axis.text(x, min(top, 100) + 1.5, f"{mean.value:.0f}", ha="center", fontsize=8)
            named = True
    axis.set_xticks(range(len(groups)), list(groups))
    # A lone group must not fill the whole width.
    margin = max(0.6, 1.6 - len(groups) / 2)
    axis.set(
        title=title, ylabel="%, with 95 % interval over seeds", ylim=(0, 108), xlim=(-margin, len(groups) - 1 + margin)
    )


def _curve(axis: Axes, buckets: Mapping[str, Sequence[float]], colour: str, name: str) -> None:
    means = [over_seeds(shares) for shares in buckets.values()]
    places = range(len(buckets))
    axis.plot(places, [mean.value for mean in means], color=colour, marker="o", markersize=4, label=name)
    if all(math.isfinite(mean.high) for mean in means):
        axis.fill_between(places, [m.low for m in means], [m.high for m in means], color=colour, alpha=0.15)
    axis.set_xticks(places, list(buckets))
