"""``axolotl cotmask augment ...``: a module per command, whose work is done in `axolotl_cotmask.augmentation`."""

from __future__ import annotations

import click

from axolotl_cotmask.cli.augment.ask import ask
from axolotl_cotmask.cli.augment.hard import hard
from axolotl_cotmask.cli.augment.merge import merge
from axolotl_cotmask.cli.augment.solve import solve


@click.group()
def augment() -> None:
    """Make training rows: of what a teacher writes about the questions that a model gets wrong, ..."""


for command in (hard, ask, solve, merge):
    augment.add_command(command)
