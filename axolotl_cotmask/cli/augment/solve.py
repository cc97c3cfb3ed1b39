"""``axolotl cotmask augment solve``: a teacher's new questions as prompts, so that it solves them again."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.augmentation.merge import new_questions, read_replies
from axolotl_cotmask.augmentation.teacher import solve_row
from axolotl_cotmask.cli.augment.common import check_output, output_option, write_rows
from axolotl_cotmask.cli.common import RegularFile, command


@command()
@click.argument("answers", nargs=-1, required=True, type=RegularFile(), metavar="ANSWERS...")
@output_option
@click.option("--program", is_flag=True, help="Ask for programs, which `augment merge` runs, and not for steps.")
def solve(answers: tuple[Path, ...], output: Path, program: bool) -> None:
    """Write the new questions in ANSWERS as rows that ask for a solution: the answers check those that came with them.

    ANSWERS are replies to the rows of `augment hard`; FILE is for `axolotl cotmask augment ask`.
    """
    check_output(output, answers)
    questions = new_questions(reply for path in answers for reply in read_replies(path))
    write_rows(output, (solve_row(question, program) for question in questions))
    click.echo(f"{output}: {len(questions):,} questions")
