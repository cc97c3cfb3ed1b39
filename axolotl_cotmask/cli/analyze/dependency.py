"""``axolotl cotmask analyze dependency``: do numbers depend on the question, or on what stands right before?"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.common import (
    RegularFile,
    cell,
    command,
    json_option,
    labelled,
    plot_option,
    print_table,
    quiet_libraries,
)
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl

if TYPE_CHECKING:
    from axolotl_cotmask.analysis.dependency import MeasuredDependency

_FORMATS = ("gsm8k", "query_response", "instruction_output", "math", "metamath", "mathinstruct")


@command()
@click.argument("models", nargs=-1, required=True, metavar="LABEL=MODEL...")
@click.option(
    "--data",
    type=RegularFile(),
    metavar="FILE.jsonl",
    help="JSON lines in the fields of --format.  [default: GSM8K's test split]",
)
@click.option(
    "--format", "row_format", type=click.Choice(_FORMATS), default="gsm8k", show_default=True, help="Of the rows."
)
@click.option("--rows", type=click.IntRange(min=1), default=200, show_default=True, help="The first N rows.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Rows per forward pass.")
@plot_option
@json_option
def dependency(
    models: tuple[str, ...],
    data: Path | None,
    row_format: str,
    rows: int,
    batch_size: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Replace numbers one at a time, and count how often the model's prediction of a later number changes.

    By the distance between the two, with the replaced number in the question and in the chain of thought (the paper's
    Figures 1, 6 and 9 to 11). MODEL is a directory with a model or a LoRA adapter, or the name of a model on the hub.
    Intervals cover 95 %; rows are what is independent.
    """
    # What libraries print does not belong to the result.
    with contextlib.redirect_stdout(sys.stderr):
        from axolotl_cotmask.analysis import plots

        names = labelled(models, "model")
        if plot is not None:
            plots.check_plot(plot)
        content, place = _rows(data, row_format, rows), str(data or "gsm8k_test")
        measured = {
            label: _measure(label, name, content, place, row_format, batch_size) for label, name in names.items()
        }
        if plot is not None:
            plots.plot_dependency(measured, plot)
    if as_json:
        click.echo(json.dumps(measured, default=asdict))
    else:
        _print_measured(measured)


def _rows(data: Path | None, row_format: str, count: int) -> list[dict[str, Any]]:
    from axolotl_cotmask.data.sources import load

    if data is None:
        if row_format != "gsm8k":
            raise CoTMaskError(f"--format {row_format} is not the format of GSM8K: name the rows with --data")
        return list(islice(load("gsm8k_test"), count))
    rows = list(islice(read_jsonl(data), count))
    if not rows:
        raise CoTMaskError(f"{data} holds no rows: give a file with at least one")
    return rows


def _measure(
    label: str, name: str, rows: Sequence[Mapping[str, Any]], place: str, row_format: str, batch_size: int
) -> MeasuredDependency:
    from rich.console import Console
    from rich.progress import track

    with quiet_libraries():
        # What loading a model imports, too.
        import_module("transformers.quantizers.auto")
        from transformers.utils import logging

        format_module = import_module(f"axolotl_cotmask.prompt_strategies.{row_format}")
        from axolotl_cotmask.analysis.dependency import measure, numeric_tokens
        from axolotl_cotmask.analysis.models import load_model, tokenise
    if not sys.stderr.isatty():
        logging.disable_progress_bar()

    model, tokenizer = load_model(name)
    tokenised = tokenise(rows, format_module.ROW_FORMAT, model, tokenizer, place)
    progress = partial(track, description=label, console=Console(stderr=True))
    return measure(model, tokenised, numeric_tokens(tokenizer), batch_size=batch_size, progress=progress)


def _print_measured(measured: Mapping[str, MeasuredDependency]) -> None:
    results = list(measured.values())
    rows: list[tuple[str, ...]] = []
    for place, total in enumerate(results[0].totals):
        of_models = [[bucket for bucket in result.cells if bucket.source == total.source] for result in results]
        lines = [(buckets[0].distances, buckets) for buckets in zip(*of_models, strict=True)]
        lines.append(("all", tuple(result.totals[place] for result in results)))
        for distances, buckets in lines:
            shares = (cell(bucket.share) for bucket in buckets)
            rows.append((total.source, distances, _pairs(bucket.pairs for bucket in buckets), *shares))
    # What nothing may change in: a number of the chain that is replaced at or after the predicted one.
    controls = [result.control for result in results]
    changed = (f"{control.changed:,} changed" for control in controls)
    rows.append(("control", "0 or less", _pairs(control.pairs for control in controls), *changed))
    headings = ("replaced in", "distance", "pairs", *measured)
    print_table("predictions of a number changed, % [95 % interval]", headings, rows)
    click.echo("Distance in tokens, from the replaced number to the predicted one.")
    for label, result in measured.items():
        kept = result.without_alternative
        click.echo(
            f"{label}: {result.rows} rows, {result.replaced:,} numbers replaced one at a time"
            + (f", {kept:,} kept for want of another of their kind" if kept else "")
        )


def _pairs(counts: Iterable[int]) -> str:
    """Return one number where all models have as many, as models with the same tokenizer do."""
    numbers = [f"{count:,}" for count in counts]
    return numbers[0] if len(set(numbers)) == 1 else " / ".join(numbers)
