"""``axolotl cotmask analyze length``: accuracy by the length of the reference answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from axolotl_cotmask.analysis.length import accuracy_by_length
from axolotl_cotmask.cli.common import cell, command, json_option, labelled, plot_option, print_table, tell_newest
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.graded import read_graded_task
from axolotl_cotmask.evaluation.results import read_results


@command()
@click.argument("results", nargs=-1, required=True, metavar="LABEL=RESULTS...")
@click.option("--task", default="cotmask_gsm8k", show_default=True, help="The lm-eval task.")
@click.option("--tokenizer", help="Directory or hub name.  [default: of the model of the first RESULTS]")
@click.option("--buckets", type=click.IntRange(min=1), default=5, show_default=True, help="Of about equal size.")
@plot_option
@json_option
def length(
    results: tuple[str, ...], task: str, tokenizer: str | None, buckets: int, plot: Path | None, as_json: bool
) -> None:
    """Compare the accuracy of models by the length of the reference answer in tokens (the paper's Figure 15).

    RESULTS is what lm_eval wrote with --output_path and --log_samples; all models have to be scored on the same
    questions. Intervals cover 95 %; questions that belong together are clusters, as for `axolotl cotmask compare`.
    """
    from axolotl_cotmask.analysis import plots

    sources = labelled(results, "results")
    if plot is not None:
        plots.check_plot(plot)
    evaluations = {label: read_results(source, [task])[task] for label, source in sources.items()}
    tell_newest(evaluations.values())
    (label, first), *_ = evaluations.items()
    name = tokenizer or first.pretrained
    if name is None:
        raise CoTMaskError(f"{sources[label]}: the results do not say which model was scored: name its --tokenizer")
    runs = {label: read_graded_task(result) for label, result in evaluations.items()}
    measured = accuracy_by_length(runs, _token_counter(name), buckets)
    if plot is not None:
        plots.plot_length(measured, plot)
    if as_json:
        click.echo(json.dumps(measured, default=asdict))
        return
    rows = [
        (f"{bucket.low}–{bucket.high}", str(bucket.questions), *map(cell, bucket.accuracy.values()))
        for bucket in measured
    ]
    print_table("accuracy, % [95 % interval]", ("answer length, tokens", "questions", *runs), rows, left=())


def _token_counter(name: str) -> Callable[[str], int]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CoTMaskError(f"{name}: its tokenizer cannot be loaded ({reason}): name a --tokenizer") from error
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
