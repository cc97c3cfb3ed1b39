"""matplotlib figures as inline SVG whose colours are CSS variables of the page, so that they follow dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How many lines a plot can tell apart: each has a colour and a marker (matplotlib's name, and the legend's glyph).
SERIES = 6
MARKERS = ("o", "s", "^", "D", "v", "P")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")

# Colours that stand for a variable while matplotlib draws.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line"}

#: Inches; the page shows them about as wide as a phone.
WIDTH = 5.0


def colour(series: int) -> str:
    """Return the stand-in for the page's colour number ``series``, from 1 to `SERIES`."""
    return f"#0{series}0a0b"


_VARIABLES |= {colour(series): f"--series-{series}" for series in range(1, SERIES + 1)}


def render(name: str, height: float, draw: Callable[[Figure], None]) -> str:
    """Return what ``draw`` draws as an ``<svg>`` element, the same for the same drawing.

    Args:
        name: letters, digits and hyphens, different for every figure of a page: ids within the SVG derive from it.
        height: in inches.
        draw: fills the figure.

    Raises:
        CoTMaskError: matplotlib is not installed.
    """
    try:
        # Without pyplot there is no global state, and no display is asked for.
        from matplotlib import rc_context, rcdefaults
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CoTMaskError("the report's plots need matplotlib: pip install 'axolotl-cotmask[demo]'") from error
    text = io.StringIO()
    with rc_context():
        # A user's own matplotlibrc must not change the report.
        rcdefaults()
        with rc_context({**_STYLE, "svg.hashsalt": name}):
            figure = Figure(figsize=(WIDTH, height), layout="constrained")
            draw(figure)
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _inline(text.getvalue(), name)


_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    # A dollar sign in a label is one.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "axes.formatter.useoffset": False,
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
    svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return svg
