"""``axolotl cotmask tasks-path`` and ``axolotl cotmask fetch``: the YAML that travels with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from axolotl_cotmask.cli.common import DirectoryPlace, command
from axolotl_cotmask.common.files import whole_directory
from axolotl_cotmask.common.resources import directory


@command("tasks-path")
def tasks_path() -> None:
    """Print the directory of the lm-eval tasks, for `lm_eval --include_path`."""
    click.echo(directory("evaltasks"))


@command()
@click.argument("what", type=click.Choice(["recipes", "evaltasks"]))
@click.argument("destination", type=DirectoryPlace(), required=False)
def fetch(what: str, destination: Path | None) -> None:
    """Copy the recipes or the lm-eval tasks to DESTINATION (by default a directory of that name, here)."""
    target = destination or Path(what)
    if target.exists():
        raise click.ClickException(f"{target} exists already: name another DESTINATION, or remove it")
    with whole_directory(target) as new:
        # `made.py` is a tool of the checkout.
        unused = shutil.ignore_patterns("__pycache__", "made.py")
        shutil.copytree(directory(what), new, ignore=unused, dirs_exist_ok=True)
    click.echo(f"copied the {what} to {target}")
