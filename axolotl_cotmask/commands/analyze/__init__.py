"""``axolotl cotmask analyze ...``: each analysis is a module here, and does its work in `axolotl_cotmask.analysis`."""

from __future__ import annotations

import click

from axolotl_cotmask.commands.analyze.corrupted_step import corrupted_step
from axolotl_cotmask.commands.analyze.dependency import dependency
from axolotl_cotmask.commands.analyze.length import length
from axolotl_cotmask.commands.analyze.samples import samples


@click.group()
def analyze() -> None:
    """Measure what the paper explains itself with: dependency, corrupted steps, answer length, samples seen."""


for command in (dependency, length, samples, corrupted_step):
    analyze.add_command(command)
