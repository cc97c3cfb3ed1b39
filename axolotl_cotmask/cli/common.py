"""What the commands have in common: how their errors end, options, labelled arguments, tables, how estimates read."""

from __future__ import annotations

import io
import logging
import math
import shlex
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.interrupts import interruptible
from axolotl_cotmask.common.errors import CoTMaskError, one_line
from axolotl_cotmask.common.places import check_file, check_new_directory, check_new_file

if TYPE_CHECKING:
    from axolotl_cotmask.evaluation.results import TaskResult
    from axolotl_cotmask.evaluation.stats.estimates import Estimate


class Command(click.Command):
    """A command that ends with one sentence and status 1: after a CoTMaskError, for want of a file, or interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        for stream in (sys.stdout, sys.stderr):
            # Half a character of a file, or one that the terminal does not know, is shown by its number.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            with interruptible():
                return super().invoke(ctx)
        except CoTMaskError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(
                f"{error.filename}: {error.strerror}: see that it is there, and may be read or written as needed"
            ) from error


class RegularFile(click.Path):
    """A path to a file that is there, and can be read more than once: no pipe and no device."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        with _refused(value):
            check_file(Path(value))
        return super().convert(value, param, ctx)


@contextmanager
def _refused(value: Any) -> Iterator[None]:
    """Say why a path is none to work with."""
    try:
        yield
    except CoTMaskError as error:
        raise click.ClickException(str(error)) from error
    # Such as a name that is too long.
    except OSError as error:
        raise click.ClickException(f"{one_line(value)}: {error.strerror}: name another one") from error


class FilePlace(click.Path):
    """A path where a file can be written, which is known before any work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        with _refused(value):
            check_new_file(Path(value))
        return super().convert(value, param, ctx)


class DirectoryPlace(click.Path):
    """A path where a directory can be made or filled, which is known before any work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        with _refused(value):
            check_new_directory(Path(value))
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number in a range: neither infinite nor NaN, which lies in every range for click."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep libraries from saying what they lack on this machine while they are imported, above a sentence of ours."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


#: As `click.command`.
command = partial(click.command, cls=Command)

plot_option = click.option("--plot", type=FilePlace(), metavar="FILE.png", help="Draw a figure, too.")


class PagePlace(FilePlace):
    """A path where a page can stand; its name ends in .html, so that no file of data is meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if Path(value).suffix != ".html":
            raise click.ClickException(f"--html {value}: the page is HTML: name a file that ends in .html")
        return super().convert(value, param, ctx)


def page_option(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option ``--html FILE``, the argument ``page``."""
    return click.option("--html", "page", type=PagePlace(), metavar="FILE", help=help_text)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")


def typed_command(name: str) -> str:
    """Return the command line that was typed, from the command ``name`` on, for a shell; "" in other programs."""
    return shlex.join(["axolotl-cotmask", *sys.argv[sys.argv.index(name) :]]) if name in sys.argv else ""


def print_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)
) -> None:
    """Print a table: into a pipe a line of aligned words per row, on a terminal with rules where it is wide enough.

    On a narrower terminal, which would break words at its edge, each row is a few lines of headings and cells. No cell
    is cut anywhere, and what a pipe gets depends on no width or colour.

    Args:
        title: stands above.
        headings: of the columns; none where the first cell of a row says what the others are.
        rows: a cell for every column; at least one row.
        left: which columns stand on the left, from 0; the others stand on the right.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [headings, *rows] if headings else rows
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    if not sys.stdout.isatty():
        click.echo(title)
        for line in lines:
            cells = [(cell, " " * (width - cell_len(cell))) for cell, width in zip(line, widths, strict=True)]
            padded = (cell + space if place in left else space + cell for place, (cell, space) in enumerate(cells))
            click.echo("  ".join(padded).rstrip())
        return
    console = Console()
    # Rich sets each column between spaces and a rule.
    if sum(widths) + 3 * len(widths) + 1 > console.width:
        echo_words(title)
        for first, *others in rows:
            named = headings[0] if headings else first
            cell = first if headings else ", ".join(others)
            echo_words(f"{named}: {cell}" if named else cell, hanging=4)
            for heading, other in zip(headings[1:], others, strict=False):
                if other:
                    echo_words(f"  {heading}: {other}", hanging=4)
        return
    table = Table(title=Text(title), show_header=bool(headings))
    for place in range(len(widths)):
        title_of_column = Text(headings[place]) if headings else ""
        table.add_column(title_of_column, justify="left" if place in left else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def echo_words(text: str, hanging: int = 0) -> None:
    """Print a text, on a terminal in lines that end between words; all but the first are indented by ``hanging``."""
    from rich.cells import cell_len
    from rich.console import Console

    if not sys.stdout.isatty():
        click.echo(text)
        return
    width = Console().width
    line = text[: len(text) - len(text.lstrip())]
    for word in text.split():
        joint = "" if line.isspace() or not line else " "
        if joint and cell_len(f"{line} {word}") > width:
            click.echo(line)
            line, joint = " " * hanging, ""
        line += joint + word
    click.echo(line)


def grouped(arguments: Sequence[str], what: str) -> dict[str, list[str]]:
    """Return ``LABEL=VALUE`` arguments as the values of each label; ``what`` names them in errors, such as ``model``.

    Raises:
        CoTMaskError: a label or a value is missing.
    """
    values: dict[str, list[str]] = {}
    for argument in arguments:
        label, _, value = argument.partition("=")
        if not label or not value:
            raise CoTMaskError(f"{argument}: no label for the {what}: give LABEL={what.upper()}, e.g. SFT={argument}")
        values.setdefault(label, []).append(value)
    return values


def printable(text: str) -> str:
    """Return a model's text without the control characters that a terminal would obey."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def labelled(arguments: Sequence[str], what: str) -> dict[str, str]:
    """Return ``LABEL=VALUE`` arguments as a mapping; ``what`` as for `grouped`.

    Raises:
        CoTMaskError: a label or a value is missing, or a label comes twice.
    """
    groups = grouped(arguments, what)
    for label, values in groups.items():
        if len(values) > 1:
            raise CoTMaskError(f"the label {label} stands for two of them: give each its own label")
    return {label: values[0] for label, values in groups.items()}


def tell_newest(results: Iterable[TaskResult]) -> None:
    """Say on standard error where the newest of several results counts."""
    for result in results:
        if result.older:
            count = len(result.older) + 1
            click.echo(f"{result.task} was scored {count} times: the newest counts, {result.file}", err=True)


def cell(estimate: Estimate | None) -> str:
    """Return a share and its interval in percent, such as ``41.6 [39.0-44.3]``; a dash for None."""
    if estimate is None:
        return "-"
    # No space inside the brackets: a narrow table breaks before them.
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}–{100 * estimate.high:.1f}]"
