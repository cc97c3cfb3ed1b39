"""``axolotl cotmask augment ...``: each way is a module here, and does its work in `axolotl_cotmask.augmentation`."""

from __future__ import annotations

import click

from axolotl_cotmask.cli.augment.pairs import pairs
from axolotl_cotmask.cli.augment.rft import rft
from axolotl_cotmask.cli.augment.sample import sample


@click.group()
def augment() -> None:
    """Make training data of a model's own samples: rejection-sampling rows, preference pairs."""


for command in (sample, rft, pairs):
    augment.add_command(command)
