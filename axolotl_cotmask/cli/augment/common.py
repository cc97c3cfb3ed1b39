"""What the ways of augmenting have in common: their samples, the test questions, the file that they write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.evaluation.answers import RULES

Function = TypeVar("Function", bound=Callable[..., Any])

samples_argument = click.argument(
    "samples", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="SAMPLES..."
)
output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The JSON lines to write."
)
rule_option = click.option(
    "--answer-rule",
    type=click.Choice(list(RULES)),
    help="What tells a right answer. [default: what the samples name, else gsm8k_hash]",
)


def test_option(*names: str) -> Callable[[Function], Function]:
    """Return the option for the test sets, with defaults."""
    return click.option(
        "--test",
        "tests",
        multiple=True,
        type=click.Choice([*SOURCES, "none"]),
        default=names,
        show_default=True,
        help="A test set of which no question may be among those sampled; may be given again.",
    )


def write_rows(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write JSON lines, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
