"""The demonstration: build, train with SFT and MFT, score, compare. ``python -m axolotl_cotmask.demo --help``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from axolotl_cotmask import data
from axolotl_cotmask.demo.problems import write_demo_data
from axolotl_cotmask.demo.report import console_table, write_report
from axolotl_cotmask.demo.tiny_model import SHAPES, build_from_jsonl
from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.resources import directory

METHODS = {"SFT": "sft", "MFT": "mft"}


@dataclass(frozen=True)
class Setting:
    """What the demonstration trains: the tiny model's shape, and what it changes in recipes/tiny for its data."""

    shape: str
    recipe_options: tuple[str, ...]


SETTINGS = {
    # Made-up problems are short: a smaller model learns them in about two minutes when they are packed.
    "problems": Setting("micro", ("--learning-rate=4e-3", "--sample-packing", "--micro-batch-size=3")),
    # Real GSM8K: the recipes as they are.
    "gsm8k": Setting("mini", ()),
}
TRAIN_ROWS, TEST_ROWS = 14_000, 300


@click.command()
@click.option(
    "--data",
    "which",
    type=click.Choice(sorted(SETTINGS)),
    default="problems",
    show_default=True,
    help="Made-up word problems, or real GSM8K and GSM-IC from COTMASK_DATA_DIR.",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="[default: outputs/demo-DATA]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the problems and of the model's weights.")
def demo(which: str, output: Path | None, seed: int) -> None:
    """Train a tiny model on the CPU with SFT and with MFT, score both, and write a table and a figure."""
    try:
        _demo(SETTINGS[which], which, (output or Path("outputs") / f"demo-{which}").resolve(), seed)
    except CoTMaskError as error:
        raise click.ClickException(str(error)) from error


def _demo(setting: Setting, which: str, output: Path, seed: int) -> None:
    started = time.monotonic()
    data_dir = _data(which, output, seed)
    base = output / "base"
    _heading("building the tiny model", started)
    build_from_jsonl(base, data_dir / data.SOURCES["gsm8k_train"].file, seed, SHAPES[setting.shape])
    for method, recipe in METHODS.items():
        _heading(f"training with {method}", started)
        trained = output / recipe
        shutil.rmtree(trained, ignore_errors=True)
        _run(
            data_dir,
            *("axolotl", "train", str(directory("recipes") / "tiny" / f"gsm8k-{recipe}.yaml"), "--launcher=python"),
            *(f"--base-model={base}", f"--output-dir={trained}", f"--dataset-prepared-path={output / 'prepared'}"),
            *setting.recipe_options,
        )
    for method, recipe in METHODS.items():
        _heading(f"scoring {method}", started)
        scores = output / f"{recipe}-scores"
        shutil.rmtree(scores, ignore_errors=True)
        _run(
            data_dir,
            *("lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", "64"),
            *("--model_args", f"pretrained={output / recipe},dtype=float32"),
            *("--include_path", str(directory("evaltasks")), "--tasks", "cotmask_gsm8k,cotmask_gsm_ic"),
            *("--output_path", str(scores), "--log_samples"),
        )
    state = max((output / "mft").glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
    runs = {method: output / f"{recipe}-scores" for method, recipe in METHODS.items()}
    scored = write_report(output, runs, trainer_state=state)
    _heading("done", started)
    from rich.console import Console

    Console().print(console_table(scored))
    click.echo(f"{output / 'report.md'}\n{output / 'report.png'}")


def _data(which: str, output: Path, seed: int) -> Path:
    if which == "problems":
        write_demo_data(output / "data", seed, TRAIN_ROWS, TEST_ROWS)
        return output / "data"
    found = data.data_dir()
    if found is None:
        raise CoTMaskError(
            f"--data gsm8k reads real data from a directory: set {data.ENV_VAR} to one that holds "
            f"{', '.join(source.file for source in data.SOURCES.values())}"
        )
    return found


def _heading(text: str, started: float) -> None:
    click.secho(f"\n== {time.monotonic() - started:4.0f} s: {text}", bold=True)


def _run(data_dir: Path, program: str, *arguments: str) -> None:
    """Run a program that is installed beside this Python; its progress stays visible.

    Raises:
        CoTMaskError: it failed; it has said why.
    """
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(scripts), os.environ.get("PATH", "")]),
        "ACCELERATE_USE_CPU": "true",
        "AXOLOTL_DO_NOT_TRACK": "1",
        "AXOLOTL_LOG_LEVEL": "WARNING",
        "TOKENIZERS_PARALLELISM": "false",
        data.ENV_VAR: str(data_dir),
    }
    done = subprocess.run([str(scripts / program), *arguments], env=environment, check=False)
    if done.returncode != 0:
        raise CoTMaskError(f"{program} ended with status {done.returncode}: its own words stand above")


if __name__ == "__main__":
    demo()
