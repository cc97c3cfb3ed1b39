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


@stage.command("data")
@click.argument("run")
@click.argument("output", type=_PATH)
@one_sentence
def data_command(run: str, output: Path) -> None:
    """Tokenise the data of RUN."""
    stages.prepare_data(run, output)


@stage.command("train")
@click.argument("run")
@click.argument("prepared", type=_PATH)
@click.argument("output", type=_PATH)
@click.argument("model", type=_PATH)
@one_sentence
def train_command(run: str, prepared: Path, output: Path, model: Path) -> None:
    """Train RUN."""
    stages.train(run, prepared, output, model)


@stage.command("evaluate")
@click.argument("run")
@click.argument("task")
@click.argument("output", type=_PATH)
@one_sentence
def evaluate_command(run: str, task: str, output: Path) -> None:
    """Score RUN on TASK."""
    stages.evaluate(run, task, output)


@stage.command("score")
@click.argument("results", type=_PATH)
@click.argument("task")
@click.argument("output", type=_PATH)
@one_sentence
def score_command(results: Path, task: str, output: Path) -> None:
    """Write what the report needs of RESULTS to OUTPUT."""
    stages.score(results, task, output)


if __name__ == "__main__":
    stage()
