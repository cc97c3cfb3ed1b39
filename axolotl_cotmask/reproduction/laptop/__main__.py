"""The stages of the laptop reproduction that are ours: ``python -m axolotl_cotmask.reproduction.laptop --help``."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.common.errors import one_sentence

_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group()
def laptop() -> None:
    """Write data and base models; `Snakefile` says how they make the laptop reproduction."""


@laptop.command("write-data")
@click.argument("directory", type=_DIRECTORY)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--train-rows", type=int, required=True)
@click.option("--test-rows", type=int, required=True)
@click.option("--questions", type=click.IntRange(min=1), help="Instead: so many further ones, without solutions.")
@one_sentence
def write_data_command(directory: Path, seed: int, train_rows: int, test_rows: int, questions: int | None) -> None:
    """Write training problems and the test sets into DIRECTORY."""
    from axolotl_cotmask.reproduction.laptop.data import write_laptop_data

    write_laptop_data(directory, seed, train_rows, test_rows, questions or 0)


@laptop.command("write-base")
@click.argument("name")
@click.argument("directory", type=_DIRECTORY)
@one_sentence
def write_base_command(name: str, directory: Path) -> None:
    """Write the base model NAME, which travels with the package, into DIRECTORY."""
    from axolotl_cotmask.reproduction.laptop.bases import write_base

    write_base(name, directory)


@laptop.command("train-base")
@click.argument("name")
@click.argument("directory", type=_DIRECTORY)
@one_sentence
def train_base_command(name: str, directory: Path) -> None:
    """Train the base model NAME (copying-SEED or plain-SEED) anew into DIRECTORY, and print what it can do."""
    from axolotl_cotmask.reproduction.laptop.base import measure_base, train_base
    from axolotl_cotmask.reproduction.laptop.bases import describe, kind_and_seed

    kind, seed = kind_and_seed(name)
    train_base(directory, seed, drills=kind == "copying")
    click.echo(describe(directory, measure_base(directory)))


if __name__ == "__main__":
    laptop()
