"""What a report is made of: sections of blocks, composed once and rendered as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axolotl_cotmask.reproduction.report.outcome import Answer, Example

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


#: In place of what is not there.
NONE = TableCell("–")
#: The fields of a table's row by their columns; a text stands for a column or cell that is nothing else.
Row = Mapping[Column | str, TableCell | str | None]


def number(title: str, above: str = "") -> Column:
    """Return a column of numbers."""
    return Column(title, numeric=True, above=above)


def table(rows: Iterable[Row], cards: bool = False) -> Table:
    """Return the table of ``rows``, its columns in the order in which rows name them.

    A column without any cell is left out; where only some of its cells are None, they are dashes.
    """
    rows = list(rows)
    columns = dict.fromkeys(column for row in rows for column in row)
    shown = [column for column in columns if any(row.get(column) is not None for row in rows)]
    return Table(
        [Column(column) if isinstance(column, str) else column for column in shown],
        [[_cell(row.get(column)) for column in shown] for row in rows],
        cards,
    )


def _cell(field: TableCell | str | None) -> TableCell:
    if field is None:
        return NONE
    return TableCell(field) if isinstance(field, str) else field


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Lead:
    """The one sentence that a reader takes away; plain text."""

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
    """What fills a figure of ``height`` inches, and the text around it, ``description`` for those who do not see it."""

    title: str
    caption: str
    height: float
    draw: Callable[[Figure], None]
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


@dataclass(frozen=True)
class Solutions:
    """A question and answers to it, with the wrong step marked."""

    example: Example


@dataclass(frozen=True)
class Beside:
    """A question, the answers of two methods side by side, and the reference; the texts keep their lines."""

    question: str
    columns: tuple[Sequence[Answer], Sequence[Answer]]
    reference: str


Block = Lead | Solutions | Beside | Table | Paragraph | Markdown | Subheading | Listing | Tiles | Plots | Details


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
