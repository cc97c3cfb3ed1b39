"""``axolotl cotmask augment rft``: rejection-sampling rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from axolotl_cotmask.cli.augment.common import check_output, output_option, rule_option, samples_argument, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import command, json_option, print_table


@command()
@samples_argument
@output_option
@rule_option
@known_tests_option
@json_option
def rft(
    samples: tuple[Path, ...], output: Path, answer_rule: str | None, tests: tuple[str, ...], as_json: bool
) -> None:
    """Keep the samples that rejection-sampling fine-tuning trains on (Yuan et al., arXiv 2308.01825).

    SAMPLES are files that lm-eval wrote for a cotmask_sample_* task, or directories with such files, of one model or of
    several. A path is kept that ends in the right answer, with every <<a=b>> right, one of those with the same
    equations. The rows have `query` and `response`, each question's gold solution first.
    """
    from axolotl_cotmask.augmentation.contamination import load_test_questions
    from axolotl_cotmask.augmentation.held_out import refuse_test_questions
    from axolotl_cotmask.augmentation.pool import Pool
    from axolotl_cotmask.augmentation.rft import RftReport, check_kept, proportions, rft_rows
    from axolotl_cotmask.augmentation.samples import find_samples, read_sampled

    files = find_samples(samples)
    check_output(output, files)
    report = RftReport()
    known = load_test_questions(tests)
    with Pool() as pool:
        for path in files:
            pool.add(read_sampled(path, answer_rule))
        questions = refuse_test_questions(pool.questions(), known)
        write_rows(output, check_kept(rft_rows(questions, report), report))
    if as_json:
        click.echo(json.dumps(vars(report), default=asdict))
        return
    click.echo(
        f"{output}: {report.gold + report.kept:,} rows of {report.questions:,} questions: {report.gold:,} gold "
        f"solutions, {report.kept:,} sampled paths for {report.solved:,} of the questions"
    )
    print_table(
        "samples",
        ("", "number", "%"),
        [(what, f"{count:,}", f"{100 * count / report.samples:.1f}") for what, count in proportions(report)],
    )
    print_table(
        "distinct paths a question",
        ("samples", "with the gold's", "sampled alone"),
        [(f"{row.samples}", f"{row.with_gold:.2f}", f"{row.sampled:.2f}") for row in report.distinct],
    )
