"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from axolotl_cotmask.common.pages import render as render_page
from axolotl_cotmask.reproduction.report.content import Column, Plot, Report
from axolotl_cotmask.reproduction.report.svg import render

#: The chip of a verdict or status: its kind of colour, and a sign for those who do not see colours.
_CHIPS = {
    "reproduced": ("good", "✓"),
    "not reproduced": ("bad", "✗"),
    "under-powered": ("unsure", "≈"),
    "agrees": ("good", "✓"),
    "differs": ("bad", "✗"),
    "done": ("good", "✓"),
    "failed": ("bad", "✗"),
    "not run": ("none", "○"),
}


def to_html(report: Report) -> str:
    """Return the page.

    Raises:
        CoTMaskError: it has plots, and matplotlib is not installed.
    """
    numbers = count(1)

    def svg(plot: Plot) -> Markup:
        return Markup(render(f"plot-{next(numbers)}", plot.height, plot.draw))  # noqa: S704

    filters: dict[str, Callable[..., Any]] = {
        "kind": lambda block: type(block).__name__,
        "chip": lambda text: _CHIPS.get(text, ("other", "")),
        "markdown": _markdown,
        "svg": svg,
        "spans": _spans,
        "anchor": _anchor,
    }
    return render_page(
        Path(__file__).with_name("report.html.jinja"),
        title=report.title,
        made=report.made,
        command=report.command,
        filters=filters,
        report=report,
    )


def _markdown(text: str) -> Markup:
    # No HTML, which could break the page, and no images, which would be files outside it.
    to_html = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return Markup(to_html.render(text))  # noqa: S704


def _spans(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Return the upper row of a header: shared headings and the columns below each; "" for a column without one."""
    spans: list[tuple[str, list[Column]]] = []
    for above, neighbours in groupby(columns, key=lambda column: column.above):
        members = list(neighbours)
        spans += [(above, members)] if above else [("", [column]) for column in members]
    return spans


def _anchor(title: str, number: int) -> str:
    return f"{number}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"
