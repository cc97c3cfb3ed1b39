"""The stages of a run, as `Snakefile` calls them: ``python -m axolotl_cotmask.reproduction --help``."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from axolotl_cotmask.common.errors import one_sentence
from axolotl_cotmask.reproduction import chain_stages, stages


@click.group()
def stage() -> None:
    """Do one stage of a run of plan.json; `axolotl cotmask repro` does them all."""


_OF_CHAINS = (chain_stages.sample, chain_stages.augment, chain_stages.merge)
for command in (*_OF_CHAINS, stages.data, stages.train, stages.evaluate, stages.mistakes, stages.score, stages.seal):
    # Its arguments are those of its function, all given: paths, and the names of a run and of a task.
    arguments = [
        click.Argument([name], type=click.Path(path_type=Path) if parameter.annotation is Path else str)
        for name, parameter in inspect.signature(command, eval_str=True).parameters.items()
    ]
    stage.add_command(
        click.Command(command.__name__, callback=one_sentence(command), params=[*arguments], help=command.__doc__)
    )

if __name__ == "__main__":
    stage()
