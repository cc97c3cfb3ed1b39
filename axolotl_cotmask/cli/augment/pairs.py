"""``axolotl cotmask augment pairs``: preference pairs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from axolotl_cotmask.augmentation.pairs import MOST_PAIRS, RULES
from axolotl_cotmask.cli.augment.common import check_output, output_option, rule_option, samples_argument, write_rows
from axolotl_cotmask.cli.augment.known import known_tests_option
from axolotl_cotmask.cli.common import command, json_option, print_table
from axolotl_cotmask.common.errors import CoTMaskError


@command()
@samples_argument
@click.option("--rule", type=click.Choice(list(RULES)), required=True, help="Which texts make a pair.")
@click.option(
    "--direct",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="For cot: samples of a cotmask_sample_*_direct task; may be given again. Without, the reasoning is cut off.",
)
@click.option("--most", type=click.IntRange(1), default=MOST_PAIRS, show_default=True, help="Pairs of a question.")
@output_option
@rule_option
@known_tests_option
@click.option(
    "--gsm-ic",
    multiple=True,
    type=click.Choice(["gsm_ic_2step", "gsm_ic_mstep", "none"]),
    default=("gsm_ic_2step", "gsm_ic_mstep"),
    show_default=True,
    help="A set of GSM-IC whose base questions are left out; may be given again. none: without.",
)
@json_option
def pairs(
    samples: tuple[Path, ...],
    rule: str,
    direct: tuple[Path, ...],
    most: int,
    output: Path,
    answer_rule: str | None,
    tests: tuple[str, ...],
    gsm_ic: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make preference pairs of a model's own samples, for a config with `rl: dpo`.

    SAMPLES are files that lm-eval wrote for a cotmask_sample_* task, or directories with such files. The rules: `cot`
    prefers a right answer with reasoning to an answer without, `answer` a right final answer to a wrong one, `wrong`
    right to wrong reasoning, the least similar first. The rows have `prompt`, `chosen` and `rejected`. Base questions
    of GSM-IC are left out.
    """
    from axolotl_cotmask.augmentation.contamination import load_test_questions
    from axolotl_cotmask.augmentation.held_out import load_bases, refuse_test_questions
    from axolotl_cotmask.augmentation.pairs import PairsReport, check_any, preference_rows
    from axolotl_cotmask.augmentation.pool import Pool
    from axolotl_cotmask.augmentation.samples import find_samples, read_sampled

    if direct and rule != "cot":
        raise CoTMaskError(f"--direct is for --rule cot, and --rule {rule} has no use for it: take it out")
    files, direct_files = find_samples(samples), find_samples(direct)
    check_output(output, [*files, *direct_files])
    report = PairsReport()
    known = load_test_questions(tests)
    bases = load_bases([name for name in gsm_ic if name != "none"])
    with Pool() as pool:
        for path in files:
            pool.add(read_sampled(path, answer_rule), one_prompt=True)
        for path in direct_files:
            pool.add(read_sampled(path, answer_rule, direct=True))
        questions = refuse_test_questions(pool.questions(), known)
        cut = rule == "cot" and not direct
        rows = preference_rows(questions, rule, report, most, cut, lambda question: bases.same(question) is not None)
        write_rows(output, check_any(rows, report))
    if as_json:
        click.echo(json.dumps(vars(report)))
        return
    click.echo(f"{output}: {report.pairs:,} pairs of {report.questions:,} questions")
    if report.rejected_right:
        click.echo(f"in {report.rejected_right:,} of them the answer without reasoning is right, too")
    for title, counts in (("questions without a pair", report.skipped), ("different texts", report.samples)):
        if counts:
            print_table(title, ("", "number"), [(what, f"{count:,}") for what, count in counts.items()])
