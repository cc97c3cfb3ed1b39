"""``axolotl cotmask ...``: the command group; each command is a module of `axolotl_cotmask.commands`."""

from __future__ import annotations

import click

from axolotl_cotmask.commands.analyze import analyze
from axolotl_cotmask.commands.fetch_data import fetch_data
from axolotl_cotmask.commands.preview import preview
from axolotl_cotmask.commands.resources import fetch, tasks_path
from axolotl_cotmask.commands.score import score
from axolotl_cotmask.commands.tiny_model import tiny_model


@click.group()
def cotmask() -> None:
    """Masked Thought fine-tuning: preview masks, score answers, analyse models, find recipes, tasks and data."""


for command in (preview, score, analyze, tiny_model, fetch, fetch_data, tasks_path):
    cotmask.add_command(command)
