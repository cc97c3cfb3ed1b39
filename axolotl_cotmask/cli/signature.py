"""``axolotl cotmask signature``: what a result rests on besides the model, in one line."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.cli.common import command, tell_newest
from axolotl_cotmask.evaluation.results import find_tasks, logged_samples, read_results
from axolotl_cotmask.evaluation.signature import compose


@command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS...")
@click.option("--task", help="Of lm-eval.  [default: all]")
def signature(results: tuple[Path, ...], task: str | None) -> None:
    """Print a line for each task with what moves its score besides the model: prompt, stops, dtype, data, versions.

    RESULTS are directories or results_*.json of lm_eval. The prompt's fingerprint needs --log_samples.
    """
    results_of_paths = [find_tasks(path) if task is None else read_results(path, [task]) for path in results]
    tell_newest(result for of_path in results_of_paths for result in of_path.values())
    lines = [
        compose(result.content, name, logged_samples(result))
        for of_path in results_of_paths
        for name, result in of_path.items()
    ]
    for line in lines:
        click.echo(line)
