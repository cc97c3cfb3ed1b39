"""matplotlib figures as inline SVG whose colours are CSS variables of the page, so that they follow dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.figures import COLOURS, new_figure, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that stand for a variable while matplotlib draws.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line"}

#: Inches; the page shows them about as wide as a phone.
WIDTH = 5.0


def colour(series: int) -> str:
    """Return the stand-in for the page's colour number ``series``, from 1."""
    return f"#0{series}0a0b"


_VARIABLES |= {colour(series): f"--series-{series}" for series in range(1, len(COLOURS) + 1)}


def render(name: str, height: float, draw: Callable[[Figure], None]) -> str:
    """Return what ``draw`` draws as an ``<svg>`` element, the same for the same drawing.

    Args:
        name: letters, digits and hyphens, different for every figure of a page: ids within the SVG derive from it.
        height: in inches.
        draw: fills the figure.

    Raises:
        CoTMaskError: matplotlib is not installed.
    """
    require_matplotlib("the report's plots need")
    text = io.StringIO()
    with new_figure(WIDTH, height, {**_STYLE, "svg.hashsalt": name}) as figure:
        draw(figure)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _inline(text.getvalue(), name)


_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def _inline(document: str, name: str) -> str:
    """Return the ``<svg>`` element of a document, with unique ids, variable colours and the width of its container."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    svg = re.sub(r"<svg[^>]*>", f'<svg {box[0]} aria-hidden="true">', svg, count=1)
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return svg
