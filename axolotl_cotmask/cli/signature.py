"""``axolotl cotmask signature``: what a result rests on besides the model, in one line."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.cli.common import command


@command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="RESULTS...")
@click.option("--task", help="Of lm-eval.  [default: all]")
def signature(results: tuple[Path, ...], task: str | None) -> None:
    """Print a line for each task with what moves its score besides the model: prompt, stops, dtype, data, versions.

    RESULTS are directories or results_*.json of lm_eval. The prompt's fingerprint needs --log_samples.
    """
    lines = [line for path in results for line in _lines(path, task)]
    for line in lines:
        click.echo(line)


def _lines(path: Path, task: str | None) -> list[str]:
    from axolotl_cotmask.common.files import read_json
    from axolotl_cotmask.evaluation import signature
    from axolotl_cotmask.evaluation.results import find_tasks, read_results

    found = find_tasks(path)
    tasks = [task] if task is not None else list(found)
    results = read_results(path, tasks)
    return [str(signature.of(read_json(found[name]), name, results[name].samples)) for name in tasks]
