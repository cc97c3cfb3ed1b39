"""``axolotl cotmask tiny-model``: a model small enough to train on a CPU."""

from __future__ import annotations

from pathlib import Path

import click

from axolotl_cotmask.cli.common import DirectoryPlace, command


@command("tiny-model")
@click.argument("directory", type=DirectoryPlace())
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the initial weights.")
@click.option(
    "--size",
    type=click.Choice(["micro", "mini"]),
    default="mini",
    show_default=True,
    help="About 0.9 or 3.7 million parameters with GSM8K's vocabulary.",
)
def tiny_model(directory: Path, seed: int, size: str) -> None:
    """Build a tiny, untrained Llama in DIRECTORY, its tokenizer made from the questions and answers of GSM8K.

    With COTMASK_DATA_DIR set, from the gsm8k_train.jsonl in that directory.
    """
    from axolotl_cotmask.data.sources import load
    from axolotl_cotmask.reproduction.laptop.tiny_model import SHAPES, build_tiny_model, training_texts

    rows = load("gsm8k_train")
    texts = training_texts(zip(rows["question"], rows["answer"], strict=True))
    built = build_tiny_model(directory, texts, seed, shape=SHAPES[size])
    click.echo(f"{directory}: built" if built else f"{directory}: the same tiny model is there already")
