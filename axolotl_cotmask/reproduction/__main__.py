"""The stages of a run, as `Snakefile` calls them: ``python -m axolotl_cotmask.reproduction --help``."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.common.errors import one_sentence
from axolotl_cotmask.reproduction import stages

_PATH = click.Path(path_type=Path)


@click.group()
def stage() -> None:
    """Do one stage of a run of plan.json; `axolotl cotmask repro` does them all."""


@stage.command()
@click.argument("cell")
@click.argument("output", type=_PATH)
@one_sentence
def data(cell: str, output: Path) -> None:
    """Tokenise the data of CELL."""
    stages.data(cell, output)


@stage.command()
@click.argument("cell")
@click.argument("prepared", type=_PATH)
@click.argument("output", type=_PATH)
@click.argument("model", type=_PATH)
@one_sentence
def train(cell: str, prepared: Path, output: Path, model: Path) -> None:
    """Train CELL."""
    stages.train(cell, prepared, output, model)


@stage.command()
@click.argument("cell")
@click.argument("task")
@click.argument("output", type=_PATH)
@one_sentence
def evaluate(cell: str, task: str, output: Path) -> None:
    """Score CELL on TASK."""
    stages.evaluate(cell, task, output)


@stage.command()
@click.argument("results", type=_PATH)
@click.argument("task")
@click.argument("output", type=_PATH)
@one_sentence
def score(results: Path, task: str, output: Path) -> None:
    """Write the verdicts in RESULTS, by question, to OUTPUT."""
    stages.score(results, task, output)


if __name__ == "__main__":
    stage()
