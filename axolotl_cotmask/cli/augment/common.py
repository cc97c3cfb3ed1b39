"""What the commands of this group have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.cli.common import FilePlace
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.common.places import check_place
from axolotl_cotmask.evaluation.answers import RULES

output_option = click.option("-o", "--output", type=FilePlace(), required=True, help="The JSON lines to write.")
samples_argument = click.argument(
    "samples", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="SAMPLES..."
)
rule_option = click.option(
    "--answer-rule",
    type=click.Choice(list(RULES)),
    help="What tells a right answer. [default: what the samples name; gsm8k_hash for rows made elsewhere]",
)


def check_output(output: Path, inputs: Iterable[Path]) -> None:
    """Check, before any work, that a file can stand at ``output``, and that it is none of the ``inputs``.

    Raises:
        CoTMaskError: it cannot, or is one of them.
    """
    check_place(output)
    if output.resolve() in {path.resolve() for path in inputs}:
        raise CoTMaskError(f"{output}: would be written over what is read from it: name another file")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as lines:
        # As ASCII: half a character, as a text that was cut off may end in, has no UTF-8.
        lines.writelines(json.dumps(row) + "\n" for row in rows)
