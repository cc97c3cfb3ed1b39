"""``axolotl cotmask analyze samples``: accuracy against training samples seen."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from axolotl_cotmask.cli.common import cell, command, json_option, labelled, plot_option, print_table


@command()
@click.argument("runs", nargs=-1, required=True, metavar="LABEL=OUTPUT_DIR...")
@click.option("--task", default="cotmask_gsm8k", show_default=True, help="The lm-eval task.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Of lm_eval.")
@click.option("--limit", type=click.IntRange(min=1), help="Score the first N questions only.  [default: all]")
@click.option("--gen_kwargs", help="Of lm_eval, such as max_gen_toks=100.  [default: the task's]")
@click.option("--confirm_run_unsafe_code", is_flag=True, help="Let the programs run that MAmmoTH's tasks ask for.")
@plot_option
@json_option
def samples(
    runs: tuple[str, ...],
    task: str,
    batch_size: int,
    limit: int | None,
    gen_kwargs: str | None,
    confirm_run_unsafe_code: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Score each checkpoint of a run, and show accuracy against training samples seen (the paper's Figure 2).

    OUTPUT_DIR is that of a config with `save_strategy: epoch`. Axolotl keeps the last few checkpoints only: set
    `save_total_limit` in the config to keep them all. Results lie in CHECKPOINT/cotmask-scores; what is there is used
    again, so a killed analysis continues where it was. Intervals cover 95 %; questions that belong together are
    clusters, as for `axolotl cotmask compare`.
    """
    from axolotl_cotmask.analysis import plots
    from axolotl_cotmask.analysis.checkpoints import EvaluationSettings, accuracy_by_samples, find_checkpoints

    directories = labelled(runs, "output_dir")
    if plot is not None:
        plots.check_plot(plot)
    checkpoints = {label: find_checkpoints(output_dir) for label, output_dir in directories.items()}
    settings = EvaluationSettings(task, batch_size, limit, gen_kwargs, confirm_run_unsafe_code)
    measured = accuracy_by_samples(checkpoints, settings, lambda line: click.secho(line, bold=True, err=True))
    if plot is not None:
        plots.plot_samples(measured, plot)
    if as_json:
        click.echo(json.dumps(measured, default=asdict))
        return
    rows = [
        (label, f"{point.step:,}", f"{point.samples:,}", cell(point.accuracy))
        for label, points in measured.items()
        for point in points
    ]
    print_table("accuracy, % [95 % interval]", ("run", "optimizer steps", "samples seen", "accuracy"), rows)
