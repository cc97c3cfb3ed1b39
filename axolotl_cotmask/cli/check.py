"""``axolotl cotmask check``: what is wrong with a config, all at once, before anything is loaded."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

import click

from axolotl_cotmask.cli.common import RegularFile, command, quiet_libraries


@command()
@click.argument("config", type=RegularFile())
def check(config: Path) -> None:
    """Say what is wrong with CONFIG, with the lines where it stands, as training does before it begins."""
    with contextlib.redirect_stdout(sys.stderr):
        with quiet_libraries():
            from axolotl_cotmask.training.config_check import check_config
        # Axolotl logs the whole config, which is not what was asked for here.
        logging.disable(logging.INFO)
        check_config(config)
    click.echo(f"{config}: nothing wrong was found")
