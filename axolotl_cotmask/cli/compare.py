"""``axolotl cotmask compare``: two models on the same questions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.common import cell, command, json_option
from axolotl_cotmask.evaluation.answers import RULES

if TYPE_CHECKING:
    from axolotl_cotmask.evaluation.comparison import Compared
    from axolotl_cotmask.evaluation.graded import Reading
    from axolotl_cotmask.evaluation.same_questions import FieldPair
    from axolotl_cotmask.evaluation.stats.estimates import Estimate

_METRIC = "exact_match"
_PER_SIDE = "Twice where A and B differ."
_SOURCE = click.Path(exists=True, path_type=Path)


@command()
@click.argument("a", type=_SOURCE)
@click.argument("b", type=_SOURCE)
@click.option("--task", help="Of lm-eval's results.  [default: all that A and B have in common]")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help=f"The field with the verdict: 1 or 0, or true, false or invalid. {_PER_SIDE}  [default: {_METRIC}]",
)
@click.option("--rule", "rule_name", type=click.Choice(list(RULES)), help="Score the answers by this rule, instead.")
@click.option("--prediction-field", "predictions", multiple=True, help=f"With --rule: the generation. {_PER_SIDE}")
@click.option("--gold-field", "golds", multiple=True, help=f"With --rule: the reference. {_PER_SIDE}")
@click.option(
    "--question-field",
    "questions",
    multiple=True,
    help=f"What has to be the same in A and B. {_PER_SIDE}  [default: lm-eval's document; question, source, ...]",
)
@json_option
def compare(
    a: Path,
    b: Path,
    task: str | None,
    metrics: tuple[str, ...],
    rule_name: str | None,
    predictions: tuple[str, ...],
    golds: tuple[str, ...],
    questions: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare two models on the same questions: B against A.

    A and B are each a directory or results_*.json of lm_eval (with --log_samples), one of its samples_*.jsonl, or any
    JSON lines with a question and a verdict or a generation. Fields may be dotted to reach into an object; a metric of
    lm-eval may name the filter, as in exact_match,strict-match. Files that are not about the same questions are
    refused.

    Intervals cover 95 %: of an accuracy Wilson's, of the difference a paired bootstrap's. p is McNemar's exact test.
    Where questions belong together (base_id, original_question, seed_question or row in the documents, as in GSM-IC),
    whole clusters are resampled, and the p that counts is that of the exact sign-flip test of the clusters. A warning
    tells what besides the models may have moved scores.
    """
    options = {"--prediction-field": predictions, "--gold-field": golds}
    for name, values in {"--metric": metrics, "--question-field": questions, **options}.items():
        if len(values) > 2:
            raise click.UsageError(f"{name} comes {len(values)} times: give it once, or once for A and once for B")
    for name, values in options.items():
        if bool(values) != (rule_name is not None):
            raise click.UsageError(f"--rule and {name} go together: give both or neither")
    if rule_name is not None and metrics:
        raise click.UsageError("--metric reads verdicts, --rule makes them: give one or the other")
    readings = _readings(metrics, rule_name, predictions, golds)
    question_fields = _of_side(questions, 0), _of_side(questions, -1)
    comparisons, left_out = _compare_all(a, b, task, readings, question_fields)
    if left_out:
        click.echo(f"not compared, for want of a partner or the metric: {', '.join(left_out)}", err=True)
    metric = rule_name or " / ".join(dict.fromkeys(reading.metric for reading in readings))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "metric": metric,
                    "comparisons": [_as_dict(compared) for compared in comparisons],
                    "left_out": left_out,
                }
            )
        )
    else:
        for compared in comparisons:
            _print(metric, compared)
    for compared in comparisons:
        for difference in _signature_differences(compared):
            click.echo(f"warning: {_place(compared)}the evaluations differ in {difference}", err=True)
        if (compared.a.signature is None) != (compared.b.signature is None):
            unknown = "A" if compared.a.signature is None else "B"
            click.echo(
                f"warning: {_place(compared)}the settings of {unknown} are not known: it has no results", err=True
            )


def _readings(
    metrics: tuple[str, ...],
    rule_name: str | None,
    predictions: tuple[str, ...],
    golds: tuple[str, ...],
) -> tuple[Reading, Reading]:
    from axolotl_cotmask.evaluation.graded import Reading

    rule = None if rule_name is None else RULES[rule_name]
    first, second = (
        Reading(
            _of_side(metrics, side) or _METRIC, rule, _of_side(predictions, side) or "", _of_side(golds, side) or ""
        )
        for side in (0, -1)
    )
    return first, second


def _of_side(values: tuple[str, ...], side: int) -> str | None:
    return values[side] if values else None


def _compare_all(
    a: Path, b: Path, task: str | None, readings: tuple[Reading, Reading], question_fields: FieldPair
) -> tuple[list[Compared], list[str]]:
    from axolotl_cotmask.evaluation.comparison import compare_sides, pair_sides

    pairs, left_out = pair_sides(a, b, task, readings)
    return [compare_sides(*pair, readings, question_fields) for pair in pairs], left_out


def _signature_differences(compared: Compared) -> list[str]:
    from axolotl_cotmask.evaluation.signature import differences

    if compared.a.signature is None or compared.b.signature is None:
        return []
    return differences(compared.a.signature, compared.b.signature)


def _place(compared: Compared) -> str:
    return "" if compared.task is None else f"{compared.task}: "


def _as_dict(compared: Compared) -> dict[str, Any]:
    signatures = (compared.a.signature, compared.b.signature)
    return {
        "task": compared.task,
        "a_file": str(compared.a.side.answers),
        "b_file": str(compared.b.side.answers),
        **dataclasses.asdict(compared.comparison),
        "cluster_field": compared.cluster_field,
        **{f"{side}_signature": line and str(line) for side, line in zip("ab", signatures, strict=True)},
        "signature_differences": _signature_differences(compared),
    }


def _print(metric: str, compared: Compared) -> None:
    from rich.console import Console
    from rich.table import Table

    result = compared.comparison
    click.echo(f"{_place(compared)}{metric}, % [95 % interval]")
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("questions", f"{result.n:,}")
    if compared.cluster_field is not None:
        table.add_row(f"clusters, by {compared.cluster_field}", f"{result.clusters:,}")
    table.add_row("A", cell(result.a))
    table.add_row("B", cell(result.b))
    table.add_row("B - A, points", _points(result.difference), end_section=True)
    table.add_row("right in A alone", f"{result.only_a:,}")
    table.add_row("right in B alone", f"{result.only_b:,}")
    if compared.cluster_field is not None:
        table.add_row("p, sign flips of clusters", f"{result.p:.2g}")
        table.add_row("p, McNemar, as if no clusters", f"{result.mcnemar_p:.2g}")
    else:
        table.add_row("p, McNemar", f"{result.p:.2g}")
    Console().print(table)
    if compared.cluster_field is not None:
        click.echo("The p that counts is that of the sign flips: the questions of a cluster are not independent.")
    if result.clusters == 1:
        click.echo("One independent question says nothing about others.")
    elif result.only_a + result.only_b == 0:
        click.echo("No question flipped, so the interval has no width: other questions may still flip.")
    click.echo(f"A: {compared.a.side.answers}\nB: {compared.b.side.answers}")
    lines = {"A": compared.a.signature, "B": compared.b.signature}
    if lines["A"] == lines["B"]:
        lines = {"A and B": lines["A"]}
    for side, line in lines.items():
        if line is not None:
            click.echo(f"Signature of {side}: {line}")


def _points(difference: Estimate) -> str:
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
