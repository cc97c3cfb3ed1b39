"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count, groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

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
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = count(1)

    def svg(plot: Plot) -> Markup:
        return Markup(render(f"plot-{next(numbers)}", plot.height, plot.draw))

    environment.filters |= {
        "kind": lambda block: type(block).__name__,
        "chip": lambda text: _CHIPS.get(text, ("other", "")),
        "markdown": _markdown,
        "svg": svg,
        "spans": _spans,
        "anchor": _anchor,
    }
    return environment.get_template("report.html.jinja").render(report=report).lstrip()


def _markdown(text: str) -> Markup:
    # No HTML, which could break the page, and no images, which would be files outside it.
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(text))


def _spans(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Return the upper row of a header: shared headings and the columns below each; "" for a column without one."""
    spans: list[tuple[str, list[Column]]] = []
    for above, neighbours in groupby(columns, key=lambda column: column.above):
        members = list(neighbours)
        spans += [(above, members)] if above else [("", [column]) for column in members]
    return spans


def _anchor(title: str, number: int) -> str:
    return f"{number}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"
