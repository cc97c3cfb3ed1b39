"""``axolotl cotmask fetch-data``: the data sets that the Hugging Face hub does not hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from axolotl_cotmask.cli.common import command, print_table
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data import sources as data
from axolotl_cotmask.data.download import alone_in, fetch_file
from axolotl_cotmask.data.transfer import ReportProgress


@command("fetch-data")
@click.argument("names", type=click.Choice([name for name, source in data.SOURCES.items() if source.url]), nargs=-1)
def fetch_data(names: tuple[str, ...]) -> None:
    """Download the data sets NAMES to the directory that COTMASK_DATA_DIR names; without NAMES, list them.

    The first download of a file is recorded in checksums.json there, and the file is checked against it from then on.
    An interrupted download goes on where it stopped.
    """
    directory = data.named_dir()
    if directory is None:
        raise click.ClickException(f"{data.ENV_VAR} is not set: set it to the directory to keep data sets in")
    if names:
        _fetch_all(names, directory)
    else:
        _list(directory)


def _fetch_all(names: tuple[str, ...], directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CoTMaskError(
            f"{directory} cannot be created ({error.strerror}): name another in {data.ENV_VAR}"
        ) from error

    def waiting() -> None:
        click.echo(f"another fetch-data is at work in {directory}: waiting for it to end", err=True)

    with alone_in(directory, waiting):
        for name in names:
            source = data.SOURCES[name]
            assert source.url is not None
            path = directory / source.files[0]
            with _progress_bar(path.name) as progress:
                done = fetch_file(source.url, path, partial(data.find_fault, source=source), progress)
            click.echo(f"{path}: {done}")


@contextmanager
def _progress_bar(label: str) -> Iterator[ReportProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _list(directory: Path) -> None:
    rows = []
    for name, source in data.SOURCES.items():
        if source.url is not None:
            file = next((file for file in source.files if (directory / file).is_file()), "no")
            rows.append((name, source.files[0], "yes" if file == source.files[0] else file, source.url))
    print_table(str(directory), ("name", "file", "there", "URL"), rows, left=range(4))
