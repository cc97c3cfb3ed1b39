"""``axolotl cotmask augment prompts``: training questions as prompts for a teacher."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.cli.augment.common import check_output, output_option, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import command


@command()
@click.argument("source")
@output_option
@known_tests_option
def prompts(source: str, output: Path, tests: tuple[str, ...]) -> None:
    """Write the training questions of SOURCE as prompts for a teacher, whose answers become demonstrations.

    SOURCE is gsm8k_train, math_train, obqa_train, csqa_train, piqa_train or siqa_train, or a file of JSON lines with
    `question`, `answer`, and `answer_rule` where the answers are not GSM8K's. The teacher is not shown the gold. The
    output is for `axolotl cotmask augment ask`. Test questions are refused.
    """
    from axolotl_cotmask.augmentation.contamination import load_test_questions
    from axolotl_cotmask.augmentation.held_out import refuse_test_question
    from axolotl_cotmask.augmentation.teacher import prompt_row
    from axolotl_cotmask.augmentation.training_questions import each_once, training_questions

    check_output(output, [Path(source)])
    known = load_test_questions(tests)
    questions = each_once(training_questions(source))
    for question, (place, _) in questions.items():
        refuse_test_question(place, question, known)
    write_rows(output, (prompt_row(asked) for _, asked in questions.values()))
    click.echo(f"{output}: {len(questions):,} questions")
