"""``axolotl cotmask score``: score a file of generations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from axolotl_cotmask.cli.common import command, json_option
from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.evaluation.scoring import score_file


@command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rule", "rule_name", type=click.Choice(list(RULES)), required=True, help="The answer rule.")
@click.option("--prediction-field", required=True, help="The field with the generation, e.g. filtered_resps.")
@click.option("--gold-field", required=True, help="The field with the reference solution or answer, e.g. target.")
@json_option
def score(file: Path, rule_name: str, prediction_field: str, gold_field: str, as_json: bool) -> None:
    """Score the generations in FILE (JSON lines) by an answer rule.

    FILE is any JSON-lines file with one generation per line, such as lm-eval's samples_*.jsonl.
    """
    result = score_file(file, RULES[rule_name], prediction_field, gold_field)
    if as_json:
        counts = {"n": result.n, "correct": result.correct, "invalid": result.invalid, "accuracy": result.accuracy}
        click.echo(json.dumps(counts))
    else:
        click.echo(
            f"accuracy {result.accuracy:.2%}: {result.correct} of {result.n} right, {result.invalid} without a "
            f"readable answer (rule {rule_name})"
        )
