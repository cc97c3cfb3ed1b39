"""``axolotl cotmask score``: score a file of generations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from axolotl_cotmask.cli.common import RegularFile, command, json_option
from axolotl_cotmask.evaluation.answers import RULES, Judgement
from axolotl_cotmask.evaluation.graded import Reading, read_graded


@command()
@click.argument("file", type=RegularFile())
@click.option("--rule", "rule_name", type=click.Choice(list(RULES)), required=True, help="The answer rule.")
@click.option("--prediction-field", required=True, help="The field with the generation, e.g. filtered_resps.")
@click.option("--gold-field", required=True, help="The field with the reference solution or answer, e.g. target.")
@json_option
def score(file: Path, rule_name: str, prediction_field: str, gold_field: str, as_json: bool) -> None:
    """Score the generations in FILE (JSON lines) by an answer rule.

    FILE is any JSON-lines file with one generation per line, such as lm-eval's samples_*.jsonl. Fields may be dotted
    to reach into an object.
    """
    reading = Reading(rule=RULES[rule_name], prediction=prediction_field, gold=gold_field)
    ratings = [question.rating for question in read_graded(file, reading).questions]
    correct, invalid = ratings.count(Judgement.TRUE), ratings.count(Judgement.INVALID)
    accuracy = correct / len(ratings)
    if as_json:
        click.echo(json.dumps({"n": len(ratings), "correct": correct, "invalid": invalid, "accuracy": accuracy}))
    else:
        click.echo(
            f"accuracy {accuracy:.2%}: {correct} of {len(ratings)} right, {invalid} without a readable answer "
            f"(rule {rule_name})"
        )
