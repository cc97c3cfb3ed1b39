"""``axolotl cotmask analyze dependency``: do numbers depend on the question, or on what stands right before?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.common import cell, command, json_option, labelled, plot_option
from axolotl_cotmask.common.errors import CoTMaskError

if TYPE_CHECKING:
    from rich.table import Table

    from axolotl_cotmask.analysis.dependency import Batch, DistanceBucket, MeasuredDependency

_FORMATS = ("gsm8k", "query_response", "instruction_output")


@command()
@click.argument("models", nargs=-1, required=True, metavar="LABEL=MODEL...")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
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
    Figures 1 and 6). MODEL is a directory with a model or a LoRA adapter, or the name of a model on the hub. Intervals
    cover 95 %; rows are what is independent.
    """
    import contextlib
    import sys

    # What libraries print does not belong to the result.
    with contextlib.redirect_stdout(sys.stderr):
        measured = _measure_all(labelled(models, "model"), data, row_format, rows, batch_size, plot)
    if as_json:
        click.echo(json.dumps({label: result.as_dict() for label, result in measured.items()}))
    else:
        _print_table(measured)


def _measure_all(
    models: Mapping[str, str], data: Path | None, row_format: str, count: int, batch_size: int, plot: Path | None
) -> dict[str, MeasuredDependency]:
    from axolotl_cotmask.analysis import plots

    if plot is not None:
        plots.check_plot(plot)
    rows = _rows(data, row_format, count)
    place = str(data or "gsm8k_test")
    measured = {label: _measure(label, name, rows, place, row_format, batch_size) for label, name in models.items()}
    if plot is not None:
        plots.plot_dependency(measured, plot)
    return measured


def _rows(data: Path | None, row_format: str, count: int) -> list[dict[str, Any]]:
    from itertools import islice

    from axolotl_cotmask.common.files import read_jsonl
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
    from importlib import import_module

    from rich.console import Console
    from rich.progress import track

    from axolotl_cotmask.analysis.dependency import measure, numeric_tokens
    from axolotl_cotmask.analysis.models import load_model, tokenise

    def progress(batches: Sequence[Batch]) -> Iterable[Batch]:
        return track(batches, label, console=Console(stderr=True))

    format_module = import_module(f"axolotl_cotmask.prompt_strategies.{row_format}")
    model, tokenizer = load_model(name)
    tokenised = tokenise(rows, format_module.ROW_FORMAT, model, tokenizer, place)
    return measure(model, tokenised, numeric_tokens(tokenizer), batch_size=batch_size, progress=progress)


def _print_table(measured: Mapping[str, MeasuredDependency]) -> None:
    from rich.console import Console
    from rich.table import Table

    results = list(measured.values())
    table = Table(title="predictions of a number changed, % [95 % interval]")
    for heading in ("replaced in", "distance", "pairs"):
        table.add_column(heading, justify="left" if heading == "replaced in" else "right", no_wrap=True)
    for label in measured:
        table.add_column(label, justify="right")
    for place, total in enumerate(results[0].totals):
        of_models = [[bucket for bucket in result.cells if bucket.source == total.source] for result in results]
        for buckets in zip(*of_models, strict=True):
            _add_row(table, buckets, buckets[0].distances)
        _add_row(table, [result.totals[place] for result in results], "all")
        table.add_section()
    # What nothing may change in: a number of the chain that is replaced at or after the predicted one.
    controls = [result.control for result in results]
    table.add_row(
        "control", "0 or less", _pairs(c.pairs for c in controls), *(f"{c.changed:,} changed" for c in controls)
    )
    console = Console()
    console.print(table)
    console.print("Distance in tokens, from the replaced number to the predicted one.", highlight=False)
    for label, result in measured.items():
        kept = result.without_alternative
        console.print(
            f"{label}: {result.rows} rows, {result.replaced:,} numbers replaced one at a time"
            + (f", {kept:,} kept for want of another of their kind" if kept else ""),
            highlight=False,
        )


def _add_row(table: Table, buckets: Sequence[DistanceBucket], distances: str) -> None:
    shares = (cell(bucket.share) for bucket in buckets)
    table.add_row(buckets[0].source, distances, _pairs(bucket.pairs for bucket in buckets), *shares)


def _pairs(counts: Iterable[int]) -> str:
    """Return one number where all models have as many, as models with the same tokenizer do."""
    numbers = [f"{count:,}" for count in counts]
    return numbers[0] if len(set(numbers)) == 1 else " / ".join(numbers)
