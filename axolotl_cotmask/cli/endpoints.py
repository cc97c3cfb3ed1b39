"""The options of commands that ask a chat endpoint, and how they show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.cli.common import Number
from axolotl_cotmask.common.chat import KEY_VARIABLE, Endpoint
from axolotl_cotmask.common.chat_answers import ChatQuestion, ask_all

_OPTIONS = (
    click.option("--endpoint", "url", required=True, metavar="URL", help="Up to /v1, as in http://localhost:8000/v1."),
    click.option("--model", required=True, metavar="NAME", help="As the endpoint calls it."),
    click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer.  [default: the endpoint's]"),
    click.option(
        "--timeout", type=Number(min=0, max=86400, min_open=True), default=300, show_default=True,
        help="Seconds that may pass without an answer.",
    ),
    click.option(
        "--retries", type=click.IntRange(min=0), default=5, show_default=True,
        help="Of a request that is refused for now or not answered, after longer and longer waits.",
    ),
    click.option(
        "--concurrency", type=click.IntRange(min=1, max=256), default=4, show_default=True,
        help="Requests at the same time.",
    ),
)  # fmt: skip

#: What a command that asks says of the key.
KEY_HELP = f"The key of the endpoint, if it wants one, is taken from the environment variable {KEY_VARIABLE}."


def endpoint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `ask` takes to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def ask(
    questions: Sequence[ChatQuestion],
    output: Path,
    *,
    url: str,
    model: str,
    max_tokens: int | None,
    timeout: float,
    retries: int,
    concurrency: int,
    settings: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return the lines of all answers, as `ask_all`; how far it is stands on standard error.

    Raises:
        CoTMaskError: as `ask_all`.
    """
    from rich.console import Console
    from rich.progress import track

    sent = {name: value for name, value in {**settings, "max_tokens": max_tokens}.items() if value is not None}
    endpoint = Endpoint(url, model, sent, timeout, retries)
    console = Console(stderr=True)

    def progress(answers: Iterable[Any], total: int) -> Iterable[Any]:
        return track(answers, model, total, console=console) if total else answers

    def begin(kept: int, missing: int) -> None:
        click.echo(f"{output}: {kept} answers are there, {missing} are asked for", err=True)

    return ask_all(endpoint, questions, output, at_once=concurrency, progress=progress, begin=begin)
