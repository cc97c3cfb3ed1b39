"""``axolotl cotmask analyze ...``: each analysis is a module here, and does its work in `axolotl_cotmask.analysis`."""

from __future__ import annotations

import click

from axolotl_cotmask.cli.analyze.calculator import calculator
from axolotl_cotmask.cli.analyze.corrupted_step import corrupted_step
from axolotl_cotmask.cli.analyze.dependency import dependency
from axolotl_cotmask.cli.analyze.judge import judge
from axolotl_cotmask.cli.analyze.length import length
from axolotl_cotmask.cli.analyze.samples import samples
from axolotl_cotmask.cli.analyze.unanimous import unanimous


@click.group()
def analyze() -> None:
    """Measure what the paper explains itself with: dependency, corrupted steps, answer length, samples seen, ..."""


for command in (dependency, length, samples, corrupted_step, calculator, judge, unanimous):
    analyze.add_command(command)
