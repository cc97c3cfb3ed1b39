"""``axolotl cotmask analyze corrupted-step``: the cases of the corrupted-step tasks, and what models did with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axolotl_cotmask.cli.common import RegularFile, cell, command, json_option, labelled, print_table, tell_newest
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.benchmarks.corrupted_step import NoCaseReason, StepCase, StepCases, StepKind, find_cases
from axolotl_cotmask.evaluation.graded import Reading, clusters_of, grade
from axolotl_cotmask.evaluation.results import AnswerRow, TaskResult, check_all_there, read_results, read_samples
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share

if TYPE_CHECKING:
    from rich.console import Console

# The tasks over a data set's cases, by what is changed in them; the paper's own cases are few, and stand apart.
_TASKS = {"cotmask_corrupted_step": "prefix", "cotmask_corrupted_question": "question"}
# Their tasks and metrics, with the paper's columns.
_JANET = {
    "cotmask_janet": {
        "follows_question": "prefix changed: 16-3",
        "follows_changed_question": "question changed: 16-n",
    },
    "cotmask_janet_consistent": {"follows_question": "both changed: 16-n", "calculates_right": "and its result right"},
}


@command("corrupted-step")
@click.argument("results", nargs=-1, metavar="[LABEL=RESULTS]...")
@click.option(
    "--data",
    type=RegularFile(),
    help="JSON lines with question and answer.  [default: GSM8K's test split]",
)
@click.option("--show", type=click.IntRange(min=0), help="Cases to show, spread over the data.  [default: 0]")
@json_option
def corrupted_step(results: tuple[str, ...], data: Path | None, show: int | None, as_json: bool) -> None:
    """Ask whether models read operands in the question, or copy them from the solution before.

    Without LABEL=RESULTS: count the cases of a data set, and the reasons why the other rows have none. With them:
    compare models, each a label and the directory that lm_eval wrote with --output_path and --log_samples for the tasks
    cotmask_corrupted_step, cotmask_corrupted_question, cotmask_janet and cotmask_janet_consistent. Intervals cover
    95 %.
    """
    if results and (data is not None or show is not None):
        raise click.UsageError("--data and --show are about cases, LABEL=RESULTS about models: give one or the other")
    if results:
        compared = {label: _compare(source) for label, source in labelled(results, "results").items()}
        if as_json:
            click.echo(json.dumps(compared, default=asdict))
        else:
            _print_comparison(compared)
        return
    cases = _cases(data)
    count = min(show or 0, len(cases.cases))
    # At equal distances.
    shown = [cases.cases[index * len(cases.cases) // count] for index in range(count)]
    if as_json:
        counts = {kind: len(cases.of_kind(kind)) for kind in StepKind}
        content = {"rows": cases.rows, "cases": counts, "reasons": cases.reasons, "shown": shown}
        click.echo(json.dumps(content, ensure_ascii=False, default=asdict))
    else:
        _print_cases(cases, shown)


def _cases(data: Path | None) -> StepCases:
    from axolotl_cotmask.data.sources import load

    if data is None:
        cases = find_cases(load("gsm8k_test"))
    else:
        try:
            cases = find_cases(read_jsonl(data, ("question", "answer")))
        except CoTMaskError as error:
            # The reader of the file names it already, the finder of cases knows the row alone.
            raise CoTMaskError(str(error) if str(data) in str(error) else f"{data}, {error}") from error
    cases.check(str(data or "gsm8k_test"))
    return cases


def _compare(source: str) -> dict[str, Any]:
    """Return what one model did: by change and kind of step the shares with intervals, and those of Tables 4 and 9."""
    results = read_results(source, (*_TASKS, *_JANET))
    tell_newest(results.values())
    compared: dict[str, Any] = {change: _shares(results[task]) for task, change in _TASKS.items() if task in results}
    for task, metrics in _JANET.items():
        if task in results:
            compared[task.removeprefix("cotmask_")] = {name: results[task].metrics.get(name) for name in metrics}
    return compared


def _shares(result: TaskResult) -> dict[str, dict[str, Estimate]]:
    samples = read_samples(result.samples_file())
    check_all_there(result, len(samples))
    _, clusters = clusters_of([sample.document for sample in samples])
    counted = _counted_for(samples)
    shares: dict[str, dict[str, Estimate]] = {}
    for kind in ("all", *StepKind):
        of_kind = [place for place, sample in enumerate(samples) if kind in ("all", _kind(sample))]
        if of_kind:
            shares[kind] = {
                name: share((clusters[place], values[place]) for place in of_kind) for name, values in counted.items()
            }
    return shares


def _kind(sample: AnswerRow) -> str:
    kind = sample.document.get("kind")
    if kind not in list(StepKind):
        raise CoTMaskError(f"{sample.place}: the document's kind is {kind!r}, not first or later: evaluate again")
    return str(kind)


def _counted_for(samples: Sequence[AnswerRow]) -> dict[str, list[float]]:
    """Return what each sample counts for: one of the four outcomes, and the final answer where its gold is known."""
    metrics = {"follows": "follows_question", "copies": "copies_prefix", "none": "no_annotation"}
    values = {name: [row.right for row in grade(samples, Reading(metric))] for name, metric in metrics.items()}
    values["other"] = [1.0 - sum(outcomes) for outcomes in zip(*values.values(), strict=True)]
    if "exact_match" in samples[0].fields:
        values["accuracy"] = [row.right for row in grade(samples, Reading())]
    return values


def _print_cases(cases: StepCases, shown: list[StepCase]) -> None:
    from rich.console import Console

    console = Console()
    for case in shown:
        _print_case(case, console)
    rows = [("rows with a case", *(str(len(cases.of_kind(kind))) for kind in StepKind))]
    for reason in NoCaseReason:
        counts = [cases.reasons[kind][reason] for kind in StepKind]
        if any(counts):
            rows.append((f"none: {reason}", *map(str, counts)))
    print_table(f"corrupted steps of {cases.rows} rows", ("", *(f"{kind} step" for kind in StepKind)), rows)


def _print_case(case: StepCase, console: Console) -> None:
    from rich.panel import Panel
    from rich.text import Text

    reference = case.answer[case.prefix.rfind("\n") + 1 :].partition("\n")[0]
    text = Text.assemble(
        ("question   ", "dim"), case.question, "\n", ("forced     ", "dim"), case.prefix, "\n",
        ("reference  ", "dim"), reference,
    )  # fmt: skip
    for style, (start, end), offset in (
        ("green", case.question_at, len("question   ")),
        ("bold white on red", case.prefix_at, len("question   ") + len(case.question) + 1 + len("forced     ")),
    ):
        text.stylize(style, offset + start, offset + end)
    title = f"row {case.row}, step {case.step}: {case.stated} in the question, {case.replacement} in the prefix"
    console.print(Panel(text, title=title, title_align="left"))


def _print_comparison(compared: dict[str, Any]) -> None:
    names = {"follows": "follows question", "copies": "copies prefix", "other": "other", "none": "no annotation"}
    rows = [
        (label, change, kind, str(shares["follows"].n), *(cell(shares.get(name)) for name in (*names, "accuracy")))
        for change in _TASKS.values()
        for kind in ("all", *StepKind)
        for label, of_model in compared.items()
        if (shares := of_model.get(change, {}).get(kind))
    ]
    headings = ("model", "changed", "step", "rows", *names.values(), "final answer right")
    if rows:
        title = "continuations by the number in the operand's place, % [95 % interval]"
        print_table(title, headings, rows, left=range(3))
    scored = set().union(*compared.values())
    shown = [task for task in _JANET if task.removeprefix("cotmask_") in scored]
    if shown:
        janet = [
            (label, *(_tenths(of_model, task, metric) for task in shown for metric in _JANET[task]))
            for label, of_model in compared.items()
        ]
        title = "Janet's ducks (Tables 4 and 9): share that computes with the question's number"
        print_table(title, ("model", *(column for task in shown for column in _JANET[task].values())), janet)


def _tenths(of_model: dict[str, Any], task: str, metric: str) -> str:
    value = of_model.get(task.removeprefix("cotmask_"), {}).get(metric)
    return "-" if value is None else f"{value:.1f}"
