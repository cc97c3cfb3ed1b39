"""``axolotl cotmask augment hard``: the questions that a model gets wrong, as prompts for a teacher."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.augmentation.contamination import load_test_questions
from axolotl_cotmask.augmentation.hard import hard_examples
from axolotl_cotmask.augmentation.teacher import hard_row
from axolotl_cotmask.cli.augment.common import output_option, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import RegularFile, command
from axolotl_cotmask.evaluation.graded import Reading, read_graded


@command()
@click.argument("samples", type=RegularFile())
@output_option
@click.option(
    "--metric",
    default="exact_match",
    show_default=True,
    help="The field with the verdict, as of `axolotl cotmask compare`.",
)
@known_tests_option
def hard(samples: Path, output: Path, metric: str, tests: tuple[str, ...]) -> None:
    """Write the questions of SAMPLES that the model got wrong, with the messages that ask a teacher for a similar one.

    SAMPLES is a samples_*.jsonl of lm_eval on training questions. Each line of FILE has `seed_question`,
    `seed_solution`, `student_answer` and `messages`, for `axolotl cotmask augment ask`. Samples of a test set are
    refused.
    """
    graded = read_graded(samples, Reading(metric))
    examples = hard_examples(graded, load_test_questions(tests))
    write_rows(output, map(hard_row, examples))
    click.echo(f"{output}: {len(examples):,} questions; {len(graded.concerned):,} were answered")
