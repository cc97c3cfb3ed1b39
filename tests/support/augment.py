"""`axolotl cotmask augment`, called in this process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from axolotl_cotmask.cli import cotmask


def augment(*arguments: str | Path) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(cotmask, ["augment", *map(str, arguments)])


def sentence(result: Result) -> str:
    """The error that a command ended with."""
    assert result.exit_code == 1, (result.output, result.exception)
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line.removeprefix("Error: ")
