"""``axolotl cotmask analyze unanimous``: what all runs of one method solve and all of another fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axolotl_cotmask.analysis.unanimous import Case, Unanimous, find_unanimous
from axolotl_cotmask.cli.common import FilePlace, command, grouped, json_option, print_table, printable, typed_command
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.graded import Reading
from axolotl_cotmask.evaluation.shown import SCORED_TEXT

if TYPE_CHECKING:
    from axolotl_cotmask.reproduction.report.content import Block

_METRIC = "exact_match"


@command()
@click.argument("results", nargs=-1, required=True, metavar="LABEL=RESULTS...")
@click.option("--task", help="Of lm-eval's results.  [default: the only one]")
@click.option("--metric", default=_METRIC, show_default=True, help="The field with the verdict, as for compare.")
@click.option("--question-field", help="What is the same in all.  [default: lm-eval's document; question, source, ...]")
@click.option("--text-field", default=SCORED_TEXT, show_default=True, help="The field with the text of an answer.")
@click.option("--rows", type=click.IntRange(min=0), default=3, show_default=True, help="Questions to print, of each.")
@click.option(
    "--page",
    type=FilePlace(),
    metavar="FILE",
    help="Write all of them, side by side: FILE.html or FILE.md.",
)
@json_option
def unanimous(
    results: tuple[str, ...],
    task: str | None,
    metric: str,
    question_field: str | None,
    text_field: str,
    rows: int,
    page: Path | None,
    as_json: bool,
) -> None:
    """Show the questions that all runs of one method solve and all of another fail (the paper's Tables 12 and 13).

    Two labels, each as often as the method has runs: SFT=run-1 SFT=run-2 MFT=run-3 MFT=run-4. RESULTS is what lm_eval
    wrote with --output_path and --log_samples, one of its samples_*.jsonl, or any JSON lines with a question, a verdict
    (--metric) and a text (--text-field). All have to be about the same questions.
    """
    groups = grouped(results, "results")
    if len(groups) != 2:
        raise CoTMaskError(
            f"the runs are those of {len(groups)} methods ({', '.join(groups)}): give two labels, each as often as the "
            "method has runs, e.g. SFT=run-1 SFT=run-2 MFT=run-3 MFT=run-4"
        )
    if page is not None and page.suffix not in (".html", ".md"):
        raise CoTMaskError(f"--page {page}: the page is HTML or Markdown: name a file that ends in .html or .md")
    first, second = ([Path(path) for path in paths] for paths in groups.values())
    found = find_unanimous(first, second, task, Reading(metric, question=question_field), text_field)
    runs = {label: len(paths) for label, paths in groups.items()}
    if page is not None:
        _write_page(page, found, runs)
    if as_json:
        click.echo(json.dumps({"runs": runs, **asdict(found), "split": found.split}))
        return
    _print(found, runs, rows)


def _counts(found: Unanimous, runs: dict[str, int]) -> list[tuple[str, str]]:
    first, second = runs
    return [
        (f"only {first}", f"{len(found.only_first):,}"),
        (f"only {second}", f"{len(found.only_second):,}"),
        ("both", f"{found.both:,}"),
        ("neither", f"{found.neither:,}"),
        ("runs disagree", f"{found.split:,}"),
    ]


def _directions(found: Unanimous, runs: dict[str, int]) -> list[tuple[str, Sequence[Case]]]:
    """Return both kinds of questions, each with what they are in words."""
    first, second = runs
    return [
        (f"all runs of {one} solve and all of {other} fail", cases)
        for one, other, cases in ((first, second, found.only_first), (second, first, found.only_second))
    ]


def _listed(runs: dict[str, int]) -> str:
    return " and ".join(f"{label} ({count} run{'s' if count > 1 else ''})" for label, count in runs.items())


def _answers(case: Case, runs: dict[str, int]) -> list[list[tuple[str, str]]]:
    """Return the texts of both methods, each with the label of its run."""
    return [
        [(label if len(texts) == 1 else f"{label}, run {run}", text) for run, text in enumerate(texts, start=1)]
        for label, texts in zip(runs, (case.first, case.second), strict=True)
    ]


def _print(found: Unanimous, runs: dict[str, int], rows: int) -> None:
    for words, cases in _directions(found, runs):
        if not cases:
            click.echo(f"There is no question that {words}.\n")
        for number, case in enumerate(cases[:rows], start=1):
            click.secho(f"{number} of {len(cases):,} that {words}", bold=True)
            click.echo(printable(case.question))
            for label, text in (answer for side in _answers(case, runs) for answer in side):
                click.echo(f"{click.style(f'[{label}]', bold=True)} {printable(text)}")
            click.echo()
    print_table(f"{found.questions:,} questions solved by all runs of {_listed(runs)}", (), _counts(found, runs))


def _write_page(page: Path, found: Unanimous, runs: dict[str, int]) -> None:
    from axolotl_cotmask.common.pages import now, write_page
    from axolotl_cotmask.reproduction.report.content import Beside, Paragraph, Report, Section
    from axolotl_cotmask.reproduction.report.html import to_html
    from axolotl_cotmask.reproduction.report.markdown import to_markdown
    from axolotl_cotmask.reproduction.report.outcome import Answer

    sections = []
    for solved_by_first, (words, cases) in zip((True, False), _directions(found, runs), strict=True):
        blocks: list[Block] = []
        for case in cases:
            first, second = (
                [Answer(label, right, [(text, False)]) for label, text in side]
                for right, side in zip((solved_by_first, not solved_by_first), _answers(case, runs), strict=True)
            )
            blocks.append(Beside(case.question, (first, second), case.reference))
        none = Paragraph(f"There is no question that {words}.")
        sections.append(Section(f"What {words}: {len(cases):,}", blocks or [none]))
    report = Report(
        title=f"{' and '.join(runs)}: where all runs agree",
        made=now(),
        command=typed_command("analyze"),
        lead=[Paragraph(f"{found.questions:,} questions, {_listed(runs)}.")],
        sections=sections,
    )
    write_page(page, to_html(report) if page.suffix == ".html" else to_markdown(report))
