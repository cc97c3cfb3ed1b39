"""``axolotl cotmask analyze judge``: a language model judges steps, and names kinds of errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.common import FilePlace, Number, cell, command, json_option, labelled, print_table, tell_newest
from axolotl_cotmask.cli.endpoints import KEY_HELP, ask, endpoint_options
from axolotl_cotmask.evaluation.graded import read_graded_task
from axolotl_cotmask.evaluation.results import read_results
from axolotl_cotmask.evaluation.same_questions import check_same_questions

if TYPE_CHECKING:
    from axolotl_cotmask.analysis.judge import JudgedModel
    from axolotl_cotmask.evaluation.stats.paired import Comparison

_NAMED = 3  # answers with an unreadable judgement, in the table


@command(epilog=KEY_HELP)
@click.argument("results", nargs=-1, required=True, metavar="LABEL=RESULTS...")
@click.option(
    "-o",
    "--output",
    type=FilePlace(),
    required=True,
    metavar="FILE.jsonl",
    help="The judge's replies, kept line by line; what is there is not asked again.",
)
@endpoint_options
@click.option(
    "--temperature", type=Number(min=0, max=100), default=0.0, show_default=True, help="Of the judge's sampling."
)
@click.option("--task", default="cotmask_gsm8k", show_default=True, help="The lm-eval task.")
@click.option(
    "--questions", type=click.IntRange(min=1), default=200, show_default=True, help="So many are drawn at random."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@json_option
def judge(
    results: tuple[str, ...],
    output: Path,
    temperature: float,
    task: str,
    questions: int,
    seed: int,
    as_json: bool,
    **endpoint: Any,
) -> None:
    """Ask a judge which steps of answers are correct, and what kind of error they have (the paper's Tables 6 and 7).

    RESULTS is what lm_eval wrote with --output_path and --log_samples; all models have to be scored on the same
    questions. The judge is any chat endpoint that speaks OpenAI's protocol, and its prompt is ours: the paper prints
    none. A false positive is a right final answer with a wrong step. Intervals cover 95 %; each model is compared with
    the first one, question by question.
    """
    from axolotl_cotmask.analysis.judge import (
        RatedAnswer,
        choose,
        compare_judged,
        describe,
        judge_question,
        read_rating,
    )

    evaluations = {label: read_results(source, [task])[task] for label, source in labelled(results, "results").items()}
    tell_newest(evaluations.values())
    runs = {label: read_graded_task(result) for label, result in evaluations.items()}
    first, *others = runs.values()
    for other in others:
        check_same_questions(first, other)
    places = choose(first, questions, seed)
    chosen = {label: [run.questions[place] for place in places] for label, run in runs.items()}
    asked = [judge_question(question) for of_model in chosen.values() for question in of_model]
    replies = iter(ask(asked, output, settings={"temperature": temperature}, **endpoint))
    rated = {
        label: [RatedAnswer(question, read_rating(next(replies)["answer"])) for question in of_model]
        for label, of_model in chosen.items()
    }
    judged = {label: describe(of_model) for label, of_model in rated.items()}
    label, *labels = rated
    compared = {other: compare_judged(rated[label], rated[other]) for other in labels}
    if as_json:
        described = {other: {name: asdict(value) for name, value in of.items()} for other, of in compared.items()}
        models = {name: asdict(model) for name, model in judged.items()}
        click.echo(json.dumps({"judge": endpoint["model"], "models": models, "compared_with_first": described}))
        return
    _print_judged(judged)
    _print_compared(label, compared)


def _print_judged(judged: Mapping[str, JudgedModel]) -> None:
    headings = ("model", "answers", "right", "false positives", "of the right ones", "correct steps", "steps")
    rows = [
        (
            label, f"{model.judged:,}", f"{model.right:,}", f"{model.false_positive_count:,}",
            cell(model.false_positives), cell(model.step_accuracy),
            "-" if model.steps is None else f"{model.steps:.2f}",
        )
        for label, model in judged.items()
    ]  # fmt: skip
    print_table("steps, % [95 % interval]", headings, rows)
    kinds = list(next(iter(judged.values())).error_types)
    of_kinds = ("model", "wrong answers", *kinds, "no error named", "<<a=b>> wrong, counted")
    errors = [
        (
            label, f"{model.errors:,}", *map(cell, model.error_types.values()), f"{model.untyped:,}",
            cell(model.wrong_annotations),
        )
        for label, model in judged.items()
    ]  # fmt: skip
    print_table("kinds of errors among wrong answers, % [95 % interval]", of_kinds, errors)
    for label, model in judged.items():
        if model.unreadable:
            named = "; ".join(model.unreadable[:_NAMED]) + ("; ..." if len(model.unreadable) > _NAMED else "")
            click.echo(f"{label}: the judge's reply on {len(model.unreadable)} answers cannot be read: {named}")


def _print_compared(first: str, compared: Mapping[str, Mapping[str, Comparison]]) -> None:
    rows = [
        (
            f"{label} - {first}", name, f"{result.n:,}",
            "{:+.1f} [{:+.1f}, {:+.1f}]".format(
                *(100 * value for value in (result.difference.value, result.difference.low, result.difference.high))
            ),
            f"{result.only_b:,} / {result.only_a:,}", f"{result.p:.2g}",
        )
        for label, of_model in compared.items()
        for name, result in of_model.items()
    ]  # fmt: skip
    if rows:
        headings = ("models", "answers with", "questions", "difference, points", "only in one", "p")
        print_table("on the same questions [95 % interval]", headings, rows, left=(0, 1))
