"""``axolotl cotmask analyze calculator``: how many wrong answers have a step that is calculated wrongly."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from axolotl_cotmask.cli.common import cell, command, json_option, labelled, print_table, tell_newest
from axolotl_cotmask.evaluation.graded import read_graded_task
from axolotl_cotmask.evaluation.results import read_results


@command()
@click.argument("results", nargs=-1, required=True, metavar="LABEL=RESULTS...")
@click.option("--task", default="cotmask_gsm8k", show_default=True, help="The lm-eval task.")
@json_option
def calculator(results: tuple[str, ...], task: str, as_json: bool) -> None:
    """Count the wrong answers in which an annotation <<a=b>> is calculated wrongly (CE in the paper's Table 7).

    RESULTS is what lm_eval wrote with --output_path and --log_samples. A result may be rounded to its last digit. Other
    types of errors need a judge, and are not told. Intervals cover 95 %.
    """
    from axolotl_cotmask.analysis.calculator import calculator_errors

    evaluations = {label: read_results(source, [task])[task] for label, source in labelled(results, "results").items()}
    tell_newest(evaluations.values())
    counted = {label: calculator_errors(read_graded_task(result)) for label, result in evaluations.items()}
    if as_json:
        click.echo(json.dumps(counted, default=asdict))
        return
    rows = [
        (
            label,
            f"{errors.errors:,}",
            cell(errors.of_errors),
            cell(errors.right_too),
            f"{errors.wrong_annotations:,} / {errors.annotations:,}",
            f"{errors.unreadable:,}",
        )
        for label, errors in counted.items()
    ]
    headings = ("model", "wrong answers", "with such a step", "right ones with one", "wrong / all steps", "unreadable")
    print_table("answers with a step that is calculated wrongly, % [95 % interval]", headings, rows)
