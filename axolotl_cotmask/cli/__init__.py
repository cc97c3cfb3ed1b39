"""``axolotl cotmask ...``: the command group; each command is a module of `axolotl_cotmask.cli`."""

from __future__ import annotations

import click

from axolotl_cotmask.cli.analyze import analyze
from axolotl_cotmask.cli.augment import augment
from axolotl_cotmask.cli.base_model import base_model
from axolotl_cotmask.cli.check import check
from axolotl_cotmask.cli.compare import compare
from axolotl_cotmask.cli.execute import execute
from axolotl_cotmask.cli.fetch_data import fetch_data
from axolotl_cotmask.cli.preview import preview
from axolotl_cotmask.cli.repro import repro
from axolotl_cotmask.cli.resources import fetch, tasks_path
from axolotl_cotmask.cli.score import score
from axolotl_cotmask.cli.signature import signature
from axolotl_cotmask.cli.tiny_model import tiny_model


@click.group()
def cotmask() -> None:
    """Masked Thought fine-tuning: preview masks, reproduce the paper, score and compare models, find recipes."""


COMMANDS = (
    *(check, preview, repro, score, compare, signature, execute, analyze, augment),
    *(tiny_model, base_model, fetch, fetch_data, tasks_path),
)
for command in COMMANDS:
    cotmask.add_command(command)
