"""``axolotl cotmask execute``: run the programs among generations that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import click

from axolotl_cotmask.cli.common import FilePlace, RegularFile, command
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl, whole_file
from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.evaluation.programs import chosen, executed
from axolotl_cotmask.evaluation.sandbox import detect_isolation


@command()
@click.argument("file", type=RegularFile())
@click.argument("output", type=FilePlace())
@click.option(
    "--rule", "rule_name", type=click.Choice(list(RULES)), required=True, help="The rule that reads an answer."
)
@click.option(
    "--confirm_run_unsafe_code", "confirmed", is_flag=True, help="As lm-eval's: programs of a model will run."
)
def execute(file: Path, output: Path, rule_name: str, confirmed: bool) -> None:
    """Run the programs in FILE, the samples of a cotmask_mammoth_*_generate task, and write OUTPUT.

    Each line of OUTPUT is one of FILE with two fields more: `prediction`, the text that the answer is to be read from
    (what the program printed, or the chain of thought where it gave no answer), for `axolotl cotmask score`; and
    `isolation`, how far the programs were kept apart.
    """
    if not confirmed:
        raise click.ClickException(
            "this runs programs that a model wrote: add --confirm_run_unsafe_code when that is meant (docs/sandbox.md "
            "says what keeps them apart)"
        )
    rows = list(numbered_jsonl(file, ("resps",)))
    generations: list[list[str]] = []
    for number, row in rows:
        match row["resps"]:
            case [[str() as program], [str() as chain]]:
                generations.append([program, chain])
            case _:
                raise CoTMaskError(
                    f"{file}, line {number}: resps does not hold the answers to two prompts: give the samples of a "
                    "cotmask_mammoth_*_generate task"
                )
    if not rows:
        raise CoTMaskError(f"{file} holds no rows: give the samples of a cotmask_mammoth_*_generate task")
    with whole_file(output) as temporary, temporary.open("w", encoding="utf-8") as lines:
        isolation = detect_isolation()
        click.echo(f"isolation: {isolation}", err=True)
        texts = iter(executed([text for pair in generations for text in pair], isolation))
        for _, row in rows:
            prediction = chosen([next(texts), next(texts)], RULES[rule_name])
            # As ASCII: half a character, as a text that was cut off may end in, has no UTF-8.
            lines.write(json.dumps({**row, "prediction": prediction, "isolation": isolation}) + "\n")
    click.echo(f"{output}: {len(rows)} questions")
