"""``axolotl cotmask ...``: the command group; each command is a module of `axolotl_cotmask.commands`."""

from __future__ import annotations

import click

from axolotl_cotmask.commands.analyze import analyze
from axolotl_cotmask.commands.compare import compare
from axolotl_cotmask.commands.execute import execute
from axolotl_cotmask.commands.fetch_data import fetch_data
from axolotl_cotmask.commands.preview import preview
from axolotl_cotmask.commands.repro import repro
from axolotl_cotmask.commands.resources import fetch, tasks_path
from axolotl_cotmask.commands.score import score
from axolotl_cotmask.commands.signature import signature
from axolotl_cotmask.commands.tiny_model import tiny_model


@click.group()
def cotmask() -> None:
    """Masked Thought fine-tuning: preview masks, reproduce the paper, score and compare models, find recipes."""


COMMANDS = (preview, repro, score, compare, signature, execute, analyze, tiny_model, fetch, fetch_data, tasks_path)
for command in COMMANDS:
    cotmask.add_command(command)
