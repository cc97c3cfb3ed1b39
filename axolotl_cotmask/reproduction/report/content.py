"""What a report is made of: sections of blocks, composed once and rendered as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TableCell:
    """One field of a table: plain text, less important text after it and on a line below it.

    With ``chip`` the text is a verdict or status.
    """

    text: str
    note: str = ""
    below: str = ""
    chip: bool = False


@dataclass(frozen=True)
class Column:
    """A column's title; neighbours with the same ``above`` share a heading."""

    title: str
    numeric: bool = False
    above: str = ""


@dataclass(frozen=True)
class Table:
    """The first cell of a row names it. With ``cards`` each row becomes a card where the page is narrow."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    cards: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Markdown:
    """Markdown text, with no HTML in it."""

    text: str


@dataclass(frozen=True)
class Subheading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Text that keeps its lines: a command, a signature, the end of a log."""

    title: str
    text: str


@dataclass(frozen=True)
class Tile:
    """A count and what is counted; ``chip`` where that is a verdict or status."""

    value: str
    label: str
    chip: bool = False


@dataclass(frozen=True)
class Tiles:
    """Counts at one look, and what all of them count."""

    title: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class LegendKey:
    """An entry of a plot's legend: a glyph in the plot's colour number ``series`` (0: the colour of text)."""

    glyph: str
    series: int
    text: str


@dataclass(frozen=True)
class Plot:
    """An inline SVG, and what stands around it; ``description`` is for those who do not see the plot."""

    title: str
    caption: str
    svg: str
    legend: Sequence[LegendKey] = ()
    description: str = ""


@dataclass(frozen=True)
class Plots:
    """Plots side by side, and the legend that they share."""

    plots: Sequence[Plot]
    legend: Sequence[LegendKey] = ()


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away."""

    summary: str
    blocks: Sequence[Block]


Block = Table | Paragraph | Markdown | Subheading | Listing | Tiles | Plots | Details


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """The whole: ``lead`` stands between the title and the table of contents."""

    title: str
    made: str
    command: str
    lead: Sequence[Block]
    sections: Sequence[Section]
