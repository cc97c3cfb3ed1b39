"""``axolotl cotmask augment ask``: a teacher's answers to rows with messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.augmentation.questions import read_questions
from axolotl_cotmask.cli.augment.common import output_option
from axolotl_cotmask.cli.common import Number, RegularFile, command
from axolotl_cotmask.cli.endpoints import KEY_HELP, endpoint_options
from axolotl_cotmask.cli.endpoints import ask as ask_endpoint


@command(epilog=KEY_HELP)
@click.argument("file", type=RegularFile())
@output_option
@endpoint_options
@click.option("-n", "samples", type=click.IntRange(min=1), default=1, show_default=True, help="Answers to each row.")
@click.option(
    "--temperature", type=Number(min=0, max=100), help="Of the sampling; LLM2LLM's is 1.  [default: the endpoint's]"
)
@click.option("--top-p", type=Number(min=0, max=1), help="Of the sampling.  [default: the endpoint's]")
def ask(
    file: Path, output: Path, samples: int, temperature: float | None, top_p: float | None, **endpoint: Any
) -> None:
    """Ask a chat endpoint that speaks OpenAI's protocol for answers to the rows of FILE.

    Each row has `messages` (of a `role` and a `content`) or a `prompt`; its other fields go along into its answers'
    lines. The output is written line by line: when it ends early, the same command asks for the rest, and with a larger
    -n for more.
    """
    if samples > 1 and temperature == 0:
        raise click.UsageError(f"-n {samples} at temperature 0 gives the same answer {samples} times: raise one")
    settings = {"temperature": temperature, "top_p": top_p}
    answers = ask_endpoint(read_questions(file, samples), output, settings=settings, **endpoint)
    click.echo(f"{output}: {len({answer['key'] for answer in answers}):,} answers")
