"""The option for the questions that no new one may be near to."""

from __future__ import annotations

import click


def _names(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    return () if names == ("none",) else names


known_tests_option = click.option(
    "--test",
    "tests",
    multiple=True,
    default=("gsm8k_test",),
    show_default=True,
    callback=_names,
    metavar="NAME",
    help="A test set of `axolotl cotmask fetch-data`, or a file of JSON lines; may be given again. none: without.",
)
