"""``axolotl cotmask preview``: see what gets masked before paying for a GPU."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from axolotl_cotmask.cli.common import (
    RegularFile,
    command,
    json_option,
    page_option,
    print_table,
    printable,
    quiet_libraries,
    typed_command,
)
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.recipes import parse_yaml

if TYPE_CHECKING:
    from axolotl_cotmask.training.preview import Preview

_STYLES = {"prompt": "dim", "target": "green", "protected": "cyan underline", "masked": "bold white on red"}
#: What stands around masked tokens elsewhere than on a terminal with colours.
_BEFORE, _AFTER = "[[", "]]"


@command()
@click.argument("config", type=RegularFile())
@click.option("--rows", type=click.IntRange(min=1), default=2, show_default=True, help="Rows of each data set.")
@click.option("--epoch", type=click.IntRange(min=0), default=0, show_default=True, help="Epoch, counted from 0.")
@click.option("--step", type=click.IntRange(min=0), help="Optimizer steps done.  [default: the end of the run]")
@page_option("Write a page with sliders for step and epoch, too.")
@json_option
def preview(config: Path, rows: int, epoch: int, step: int | None, page: Path | None, as_json: bool) -> None:
    """Show training rows of CONFIG's data sets with what is masked, as training does it. Loads no model weights."""
    content = parse_yaml(config.read_bytes(), str(config))
    if not isinstance(content, dict):
        raise CoTMaskError(f"{config}: holds no keys with values: give a config of Axolotl")
    # Axolotl logs to standard output; the result has that for itself.
    with contextlib.redirect_stdout(sys.stderr):
        with quiet_libraries():
            import datasets

            from axolotl_cotmask.training.preparing_rows import prepare_rows
            from axolotl_cotmask.training.preview import make_preview
        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        # Axolotl logs the whole config, which is not what was asked for here.
        logging.disable(logging.INFO)
        try:
            prepared = prepare_rows(str(config))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise CoTMaskError(f"{config}: Axolotl refuses {place} ({first['msg']}): mend the config") from error
        result = make_preview(prepared, rows=rows, epoch=epoch, step=step)
        if page is not None:
            from axolotl_cotmask.common.pages import write_page
            from axolotl_cotmask.training.preview_page import preview_page

            write_page(page, preview_page(prepared, rows, epoch, step, typed_command("preview")))
    if as_json:
        click.echo(json.dumps(result.as_dict(), ensure_ascii=False))
    else:
        show(result)


def show(result: Preview) -> None:
    """Print ``result``: the rows, in colour where there is any, then the ratios of each data set."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console()
    # Where FORCE_COLOR asks for colours in a pipe, colorama, which Axolotl starts, may take them out again.
    coloured = console.color_system is not None and not console.no_color and sys.stdout.isatty()
    if coloured:
        console.print(
            Text.assemble(*(part for kind, style in _STYLES.items() for part in ((f" {kind} ", style), "  ")))
        )
    else:
        console.print(f"masked tokens: {_BEFORE} {_AFTER}", markup=False)
    for dataset in result.datasets:
        for row in dataset.rows:
            text = Text()
            for kind, tokens in groupby(row.tokens, key=lambda token: token.kind):
                seen = "".join(token.text if token.becomes is None else token.becomes for token in tokens)
                marked = kind == "masked" and not coloured
                text.append(f"{_BEFORE}{printable(seen)}{_AFTER}" if marked else printable(seen), _STYLES[kind])
            console.print(
                Panel(text, title=f"row {row.row} of the training data, from {dataset.path}", title_align="left")
            )
    rows = [
        (
            dataset.path,
            f"{dataset.scheduled_ratio:.3f}",
            "-" if dataset.realised_ratio is None else f"{dataset.realised_ratio:.3f}",
            f"{dataset.noised} / {dataset.maskable}",
        )
        for dataset in result.datasets
    ]
    headings = ("data set", "scheduled ratio", "realised ratio", "masked / maskable tokens")
    print_table(f"epoch {result.epoch}, step {result.step} of about {result.max_steps}", headings, rows)
