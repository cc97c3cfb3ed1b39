"""``axolotl cotmask augment demonstrations``: a teacher's right answers as training rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from axolotl_cotmask.cli.augment.common import check_output, output_option, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import RegularFile, command, json_option, print_table
from axolotl_cotmask.common.errors import CoTMaskError


@command()
@click.argument("answers", nargs=-1, required=True, type=RegularFile(), metavar="ANSWERS...")
@output_option
@click.option(
    "--most", type=click.IntRange(1), default=1, show_default=True, help="Rows of a question; the shortest are kept."
)
@known_tests_option
@json_option
def demonstrations(answers: tuple[Path, ...], output: Path, most: int, tests: tuple[str, ...], as_json: bool) -> None:
    """Make demonstrations of a teacher's answers: `query` and `response`, for `type: ...query_response`.

    ANSWERS are files of `augment ask`, of the rows of `augment prompts`, or of your own: JSON lines with `question`,
    `gold`, `answer`, and `answer_rule` where the golds are not GSM8K's. Kept are answers that are right, with their
    reasoning, and end as the data set states an answer, such as `#### 72`. Test questions are refused.
    """
    from axolotl_cotmask.augmentation.contamination import load_test_questions
    from axolotl_cotmask.augmentation.demonstrations import demonstrations as make
    from axolotl_cotmask.augmentation.demonstrations import read_teacher_answers
    from axolotl_cotmask.augmentation.held_out import refuse_test_question

    check_output(output, answers)
    known = load_test_questions(tests)
    read = [answer for path in answers for answer in read_teacher_answers(path)]
    for answer in read:
        refuse_test_question(answer.place, answer.asked.question, known)
    made = make(read, most)
    if made.rows:
        write_rows(output, made.rows)
    if as_json:
        click.echo(json.dumps(asdict(made) | {"rows": len(made.rows)}))
    else:
        counts = [("different answers", made.answers)]
        counts += [(f"dropped: {reason}", count) for reason, count in made.dropped.items() if count]
        counts += [("kept", len(made.rows)), ("questions", made.questions), ("questions with a row", made.solved)]
        print_table("answers of the teacher", (), [(what, f"{count:,}") for what, count in counts])
    if not made.rows:
        raise CoTMaskError(f"no answer is left, so {output} is not written: the counts above tell why")
    click.echo(f"{output}: {len(made.rows):,} rows", err=as_json)
