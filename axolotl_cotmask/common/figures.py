"""What all figures have in common: colours, markers, style, and that matplotlib is an extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Six lines are as many as one can tell apart: each has a colour, also for the colour-blind, and for black and white a
#: marker (matplotlib's name) and its glyph in a legend made of text.
COLOURS = ("#0b69b0", "#cf5600", "#00795a", "#a8468f", "#8a6d00", "#4f5964")
MARKERS = ("o", "s", "^", "D", "v", "P")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")

_STYLE: dict[Any, Any] = {
    # A dollar sign in a label is one.
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "grid.color": "0.9",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
}


def require_matplotlib(who_needs: str) -> None:
    """Check that figures can be drawn; ``who_needs`` begins the sentence, such as ``--plot needs``.

    Raises:
        CoTMaskError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise CoTMaskError(f"{who_needs} matplotlib: pip install 'axolotl-cotmask[plots]'")


@contextmanager
def new_figure(width: float, height: float, style: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield a figure, to be drawn and saved within the block.

    Args:
        width: in inches, as ``height``.
        height: of the whole figure.
        style: matplotlib's settings on top of those that all figures have; a user's own matplotlibrc changes nothing.
    """
    # Without pyplot there is no global state, and no display is asked for.
    from matplotlib import rc_context, rcdefaults
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()
        with rc_context(_STYLE | dict(style)):
            yield Figure(figsize=(width, height), layout="constrained")
