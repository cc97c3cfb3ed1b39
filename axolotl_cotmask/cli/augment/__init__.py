"""``axolotl cotmask augment ...``: a module per command, whose work is done in `axolotl_cotmask.augmentation`."""

from __future__ import annotations

import click

from axolotl_cotmask.cli.augment.ask import ask
from axolotl_cotmask.cli.augment.demonstrations import demonstrations
from axolotl_cotmask.cli.augment.hard import hard
from axolotl_cotmask.cli.augment.merge import merge
from axolotl_cotmask.cli.augment.pairs import pairs
from axolotl_cotmask.cli.augment.prompts import prompts
from axolotl_cotmask.cli.augment.rft import rft
from axolotl_cotmask.cli.augment.sample import sample
from axolotl_cotmask.cli.augment.solve import solve


@click.group()
def augment() -> None:
    """Make training rows: of a model's own samples, or of what a teacher writes."""


for command in (sample, rft, pairs, prompts, ask, demonstrations, hard, solve, merge):
    augment.add_command(command)
