"""The report as Markdown: the same facts, without the plots."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from axolotl_cotmask.reproduction.report.content import (
    Beside,
    Block,
    Details,
    Lead,
    Listing,
    Markdown,
    Paragraph,
    Plots,
    Report,
    Solutions,
    Subheading,
    Table,
    TableCell,
    Tiles,
)


def to_markdown(report: Report) -> str:
    """Return the text of the file."""
    parts = [f"# {_escape(report.title)}", f"Made {_escape(report.made)} by {_code(report.command)}"]
    parts += _blocks(report.lead)
    for section in report.sections:
        parts += [f"## {_escape(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Iterable[Block]) -> list[str]:
    return [_block(block) for block in blocks]


def _block(block: Block) -> str:
    match block:
        case Lead(text):
            return f"**{_escape(text)}**"
        case Paragraph(text):
            return _escape(text)
        case Markdown(text):
            return text
        case Subheading(text):
            return f"### {_escape(text)}"
        case Table():
            return _table(block)
        case Listing(title, text):
            return f"{_escape(title)}:\n\n{_fenced(text)}"
        case Tiles(title, tiles):
            return f"{_escape(title)}: {_escape(', '.join(f'{tile.value} {tile.label}' for tile in tiles))}"
        case Solutions(example):
            answers = [
                f"- **{_escape(answer.label)}, {'right' if answer.right else 'wrong'}:** "
                + "".join(_part(text, wrong) for text, wrong in answer.parts)
                for answer in example.answers
            ]
            caption = f"Shown is {_escape(example.shown)}; its first wrong step is struck out."
            return "\n\n".join([f"> {_escape(example.question)}", "\n".join(answers), caption])
        case Beside(question, columns, reference):
            listed = [
                f"**{_escape(answer.label)}, {'right' if answer.right else 'wrong'}:**\n\n"
                + _fenced("".join(text for text, _ in answer.parts))
                for column in columns
                for answer in column
            ]
            of_reference = [f"**Reference:**\n\n{_fenced(reference)}"] if reference else []
            return "\n\n".join([f"> {_escape(question)}", *listed, *of_reference])
        case Plots(plots):
            return f"Plotted in `report.html`: {_escape('; '.join(plot.title for plot in plots))}."
        case Details(summary, inner):
            heading = f"<details><summary>{html.escape(summary, quote=False)}</summary>"
            return "\n\n".join([heading, *_blocks(inner), "</details>"])


def _part(text: str, wrong: bool) -> str:
    escaped = _escape(text)
    if not wrong or not escaped.strip():
        return escaped
    lead, trail = escaped[: len(escaped) - len(escaped.lstrip())], escaped[len(escaped.rstrip()) :]
    return f"{lead}~~{escaped.strip()}~~{trail}"


def _table(table: Table) -> str:
    titles = [_escape(f"{column.above}: {column.title}" if column.above else column.title) for column in table.columns]
    align = ["---:" if column.numeric else "---" for column in table.columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, align, *map(_row, table.rows)))


def _row(cells: Sequence[TableCell]) -> list[str]:
    return [_escape(f"{cell.text} {cell.note} {f'({cell.below})' if cell.below else ''}".strip()) for cell in cells]


def _escape(text: str) -> str:
    """Return plain text such that Markdown, also within a table, shows it as it is."""
    escaped = html.escape(re.sub(r"\s+", " ", text), quote=False)
    return re.sub(r"([\\`*|~]|(?<!\w)_|_(?!\w)|\](?=[(\[]))", r"\\\1", escaped)


def _code(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
