"""``axolotl cotmask augment merge``: a teacher's replies as training rows, checked and counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from axolotl_cotmask.augmentation.contamination import (
    SEED_SIMILARITY,
    TEST_SIMILARITY,
    KnownQuestions,
    add_questions,
    load_test_questions,
)
from axolotl_cotmask.augmentation.merge import Merged, read_replies
from axolotl_cotmask.augmentation.merge import merge as merge_replies
from axolotl_cotmask.cli.augment.common import check_output, output_option, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import Number, RegularFile, command, json_option, print_table
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import RULES

_SHOWN = 20  # pairs; --json has all
_SHARE = Number(min=0, max=1)


@command()
@click.argument("answers", nargs=-1, required=True, type=RegularFile(), metavar="ANSWERS...")
@output_option
@click.option(
    "--rule",
    "rule_name",
    type=click.Choice(list(RULES)),
    default="gsm8k_hash",
    show_default=True,
    help="The rule that reads and compares the answers.",
)
@click.option(
    "--votes",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Answers that a question needs; more than half of them have to agree. 1 takes the teacher's word.",
)
@click.option(
    "--seeds",
    multiple=True,
    metavar="NAME",
    help="As --test: questions not to be repeated, besides those that ANSWERS name.",
)
@known_tests_option
@click.option(
    "--seed-similarity",
    type=_SHARE,
    default=SEED_SIMILARITY,
    show_default=True,
    help="ROUGE-L that repeats a question.",
)
@click.option(
    "--test-similarity", type=_SHARE, default=TEST_SIMILARITY, show_default=True, help="ROUGE-L that gives a test away."
)
@click.option(
    "--confirm_run_unsafe_code", "confirmed", is_flag=True, help="As lm-eval's: programs of a model will run."
)
@json_option
def merge(
    answers: tuple[Path, ...],
    output: Path,
    rule_name: str,
    votes: int,
    seeds: tuple[str, ...],
    tests: tuple[str, ...],
    seed_similarity: float,
    test_similarity: float,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Make training rows of a teacher's replies: `query` and `response`, for `type: ...query_response`.

    ANSWERS are files of `augment ask`, of the rows of `augment hard` and `augment solve`, or of your own: JSON lines
    with `answer`, a text with a question and its answer, or with `question` and `answer`. A question is kept when more
    than half of all answers to it agree, or a written answer and what a program prints. What is near to a test question
    is refused and shown; near to a seed or another new question, it is dropped.
    """

    check_output(output, answers)

    def run(programs: Sequence[str]) -> list[str | None]:
        return _run(programs, confirmed)

    known = KnownQuestions(seed_similarity)
    add_questions(known, seeds)
    merged = merge_replies(
        (reply for path in answers for reply in read_replies(path)),
        rule=RULES[rule_name],
        votes=votes,
        seeds=known,
        tests=load_test_questions(tests, test_similarity),
        run_programs=run,
    )
    if merged.rows:
        write_rows(output, merged.rows)
    if as_json:
        described = asdict(merged)
        described["rows"] = len(merged.rows)
        click.echo(json.dumps(described))
    else:
        _print(merged)
    if not merged.rows:
        raise CoTMaskError(f"no question is left, so {output} is not written: the counts above tell why")
    click.echo(f"{output}: {len(merged.rows):,} rows", err=as_json)


def _run(programs: Sequence[str], confirmed: bool) -> list[str | None]:
    from axolotl_cotmask.evaluation.sandbox import Status, detect_isolation, run_programs

    if not programs:
        return []
    if not confirmed:
        raise CoTMaskError(
            f"{len(programs)} of the answers are programs that a model wrote: add --confirm_run_unsafe_code when they "
            "are to run (docs/sandbox.md says what keeps them apart)"
        )
    done = run_programs(programs, isolation=detect_isolation())
    return [run.stdout if run.status is Status.FINISHED else None for run in done]


def _print(merged: Merged) -> None:
    rows = [
        ("different replies", f"{merged.replies:,}"),
        ("new questions in them", f"{merged.questions:,}"),
        *((f"dropped: {reason}", f"{count:,}") for reason, count in merged.dropped.items() if count),
        ("kept", f"{len(merged.rows):,}"),
    ]
    print_table("replies of the teacher", (), rows)
    for refused in merged.contaminated[:_SHOWN]:
        near = refused.near
        click.echo(f"refused, {near.similarity:.2f} like {near.place}:")
        click.echo(f"  new:  {refused.question!r}\n  test: {near.question!r}")
    if len(merged.contaminated) > _SHOWN:
        click.echo(f"and {len(merged.contaminated) - _SHOWN:,} more, which --json lists")
