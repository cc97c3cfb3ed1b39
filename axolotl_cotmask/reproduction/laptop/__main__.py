"""The stages of the laptop reproduction that are ours: ``python -m axolotl_cotmask.reproduction.laptop --help``."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.common.errors import one_sentence

_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group()
def laptop() -> None:
    """Write the data, train a base model; `Snakefile` says how they make the laptop reproduction."""


@laptop.command("write-data")
@click.argument("directory", type=_DIRECTORY)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--train-rows", type=int, required=True)
@click.option("--test-rows", type=int, required=True)
@one_sentence
def write_data_command(directory: Path, seed: int, train_rows: int, test_rows: int) -> None:
    """Write training problems and the test sets into DIRECTORY."""
    from axolotl_cotmask.reproduction.laptop.data import write_laptop_data

    write_laptop_data(directory, seed, train_rows, test_rows)


@laptop.command("train-base")
@click.argument("directory", type=_DIRECTORY)
@click.option("--steps", type=click.IntRange(min=1), required=True)
@click.option("--learning-rate", type=float, required=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--start", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A base to go on from.")
@click.option("--drills", is_flag=True, help="Every other document is an annotated step without a question.")
@one_sentence
def train_base_command(
    directory: Path, steps: int, learning_rate: float, seed: int, start: Path | None, drills: bool
) -> None:
    """Train a base model and save it in DIRECTORY."""
    from axolotl_cotmask.reproduction.laptop.base import train_base

    train_base(directory, steps, learning_rate, seed, start, drills)


if __name__ == "__main__":
    laptop()
