"""``axolotl cotmask augment hard``: the questions that a model gets wrong, as prompts for a teacher."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.augmentation.contamination import load_test_questions
from axolotl_cotmask.augmentation.hard import hard_examples
from axolotl_cotmask.augmentation.teacher import hard_row
from axolotl_cotmask.cli.augment.common import check_output, output_option, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import command, tell_newest
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.graded import Reading, read_graded
from axolotl_cotmask.evaluation.results import find_tasks
from axolotl_cotmask.evaluation.results_file import holds_answers


@command()
@click.argument("samples", type=click.Path(exists=True, path_type=Path))
@output_option
@click.option("--task", help="Of lm-eval's results.  [default: the only one]")
@click.option(
    "--metric",
    default="exact_match",
    show_default=True,
    help="The field with the verdict, as of `axolotl cotmask compare`.",
)
@known_tests_option
def hard(samples: Path, output: Path, task: str | None, metric: str, tests: tuple[str, ...]) -> None:
    """Write the questions of SAMPLES that the model got wrong, with the messages that ask a teacher for a similar one.

    SAMPLES is a samples_*.jsonl of lm_eval on training questions, or what it was given as --output_path (with
    --log_samples). Each line of the output has `seed_question`, `seed_solution`, `student_answer` and `messages`, for
    `axolotl cotmask augment ask`. Samples of a test set are refused.
    """
    samples = _samples_file(samples, task)
    check_output(output, [samples])
    graded = read_graded(samples, Reading(metric))
    examples = hard_examples(graded, load_test_questions(tests))
    write_rows(output, map(hard_row, examples))
    click.echo(f"{output}: {len(examples):,} questions; {len(graded.concerned):,} were answered")


def _samples_file(path: Path, task: str | None) -> Path:
    """Return the file of samples: ``path``, or what its results name.

    Raises:
        CoTMaskError: the task is not there or its samples were not logged, or there are several and none is named.
    """
    if path.is_file() and holds_answers(path):
        if task is not None:
            raise CoTMaskError(f"--task {task} chooses from results, and {path} is a file of answers: leave it out")
        return path
    results = find_tasks(path)
    if task not in results and (task is not None or len(results) > 1):
        raise CoTMaskError(f"{path}: the tasks are {', '.join(results)}: name one of them with --task")
    result = results[task or next(iter(results))]
    tell_newest([result])
    return result.samples_file()
