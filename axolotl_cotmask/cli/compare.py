"""``axolotl cotmask compare``: two models on the same questions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.cli.common import cell, command, json_option, page_option, print_table, tell_newest, typed_command
from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.evaluation.comparison import Compared, compare_answers, pair_answers, pair_sides
from axolotl_cotmask.evaluation.graded import Reading
from axolotl_cotmask.evaluation.shown import SCORED_TEXT

_METRIC = "exact_match"
_PER_SIDE = "Twice where A and B differ."
_SOURCE = click.Path(path_type=Path)


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
@click.option(
    "--text-field",
    "texts",
    multiple=True,
    help=f"With --html: the text of the answer. {_PER_SIDE}  [default: {SCORED_TEXT}]",
)
@page_option("Write a page with all answers side by side, too.")
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
    texts: tuple[str, ...],
    page: Path | None,
    as_json: bool,
) -> None:
    """Compare two models on the same questions: B against A.

    A and B are each what lm_eval was given as --output_path (with --log_samples), one of its results_*.json or
    samples_*.jsonl, or any JSON lines with a question and a verdict or a generation. Fields may be dotted to reach into
    an object; a metric of lm-eval may name the filter, as in exact_match,strict-match. Files that are not about the
    same questions are refused.

    Intervals cover 95 %: of an accuracy Wilson's, of the difference a paired bootstrap's. p is McNemar's exact test.
    Where questions belong together (base_id, original_question, seed_question or row in the documents, as in GSM-IC),
    whole clusters are resampled, and the p that counts is that of the exact sign-flip test of the clusters. A warning
    tells what besides the models may have moved scores.
    """
    options = {"--prediction-field": predictions, "--gold-field": golds}
    for name, values in {"--metric": metrics, "--question-field": questions, "--text-field": texts, **options}.items():
        if len(values) > 2:
            raise click.UsageError(f"{name} comes {len(values)} times: give it once, or once for A and once for B")
    for name, values in options.items():
        if bool(values) != (rule_name is not None):
            raise click.UsageError(f"--rule and {name} go together: give both or neither")
    if rule_name is not None and metrics:
        raise click.UsageError("--metric reads verdicts, --rule makes them: give one or the other")
    if texts and page is None:
        raise click.UsageError("--text-field says what --html shows: give both, or neither")
    rule = None if rule_name is None else RULES[rule_name]
    readings = [
        Reading(
            metric=(metrics or (_METRIC,))[side],
            rule=rule,
            prediction=(predictions or ("",))[side],
            gold=(golds or ("",))[side],
            question=(questions or (None,))[side],
        )
        for side in (0, -1)
    ]
    pairs, left_out = pair_sides(a, b, task, *readings)
    tell_newest(side.result for pair in pairs for side in pair if side.result is not None)
    metric = rule_name or " / ".join(dict.fromkeys(reading.metric for reading in readings))
    comparisons, shown = [], []
    for pair in pairs:
        paired = pair_answers(*pair)
        comparisons.append(compare_answers(paired))
        if page is not None:
            from axolotl_cotmask.evaluation.comparison_page import compared_task

            name = comparisons[-1].task or ""
            shown.append(
                compared_task(paired, name, _numbers(comparisons[-1]), [(texts or ("",))[side] for side in (0, -1)])
            )
    if page is not None:
        from axolotl_cotmask.common.pages import write_page
        from axolotl_cotmask.evaluation.comparison_page import comparison_page

        write_page(page, comparison_page(shown, metric, {"A": str(a), "B": str(b)}, typed_command("compare")))
    if left_out:
        click.echo(f"not compared, for want of a partner or the metric: {', '.join(left_out)}", err=True)
    if as_json:
        described = [_as_dict(compared) for compared in comparisons]
        click.echo(json.dumps({"metric": metric, "comparisons": described, "left_out": left_out}))
    else:
        for compared in comparisons:
            _print(metric, compared)
    for compared in comparisons:
        for warning in _warnings(compared):
            click.echo(f"warning: {_place(compared)}{warning}", err=True)


def _warnings(compared: Compared) -> list[str]:
    unknown = [side for side, line in compared.signatures.items() if line is None]
    if len(unknown) == 1:
        return [f"the settings of {unknown[0]} are not known: it has no results"]
    return [f"the evaluations differ in {difference}" for difference in compared.signature_differences]


def _place(compared: Compared) -> str:
    return "" if compared.task is None else f"{compared.task}: "


def _as_dict(compared: Compared) -> dict[str, Any]:
    return {
        "task": compared.task,
        "a_file": str(compared.a.answers),
        "b_file": str(compared.b.answers),
        **dataclasses.asdict(compared.comparison),
        "cluster_field": compared.cluster_field,
        **{f"{side.lower()}_signature": line and str(line) for side, line in compared.signatures.items()},
        "signature_differences": compared.signature_differences,
    }


def _numbers(compared: Compared) -> list[tuple[str, str]]:
    """Return the comparison in numbers: what, and how much."""
    result = compared.comparison
    points = [
        f"{100 * share:+.1f}" for share in (result.difference.value, result.difference.low, result.difference.high)
    ]
    rows = [
        ("questions", f"{result.n:,}"),
        ("A", cell(result.a)),
        ("B", cell(result.b)),
        ("B - A, points", "{} [{}, {}]".format(*points)),
        ("right in A alone", f"{result.only_a:,}"),
        ("right in B alone", f"{result.only_b:,}"),
    ]
    if compared.cluster_field is None:
        rows.append(("p, McNemar", f"{result.p:.2g}"))
    else:
        rows.insert(1, (f"clusters, by {compared.cluster_field}", f"{result.clusters:,}"))
        rows.append(("p, sign flips of clusters", f"{result.p:.2g}"))
        rows.append(("p, McNemar, as if no clusters", f"{result.mcnemar_p:.2g}"))
    return rows


def _print(metric: str, compared: Compared) -> None:
    result = compared.comparison
    print_table(f"{_place(compared)}{metric}, % [95 % interval]", (), _numbers(compared))
    if compared.cluster_field is not None:
        click.echo("The p that counts is that of the sign flips: the questions of a cluster are not independent.")
    if result.clusters == 1:
        click.echo("One independent question says nothing about others.")
    elif result.only_a + result.only_b == 0:
        click.echo("No question flipped, so the interval has no width: other questions may still flip.")
    click.echo(f"A: {compared.a.answers}\nB: {compared.b.answers}")
    lines = compared.signatures
    if lines["A"] == lines["B"]:
        lines = {"A and B": lines["A"]}
    for side, line in lines.items():
        if line is not None:
            click.echo(f"Signature of {side}: {line}")
