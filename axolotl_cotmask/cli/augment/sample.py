"""``axolotl cotmask augment sample``: draw samples of training questions."""

from __future__ import annotations

import json
from pathlib import Path

import click

from axolotl_cotmask.cli.common import DirectoryPlace, command
from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.resources import directory


@command()
@click.argument("model")
@click.option("--task", required=True, help="Such as cotmask_sample_gsm8k.")
@click.option("--samples", default=5, show_default=True, help="Samples of a question: a multiple of 5.")
@click.option("-o", "--output", type=DirectoryPlace(), required=True, help="A directory.")
@click.option("--gen-kwargs", help="Instead of the task's, such as temperature=1.0.")
@click.option("--backend", type=click.Choice(["hf", "vllm"]), default="hf", show_default=True, help="Of lm-eval.")
@click.option("--model-args", default="{}", help='Further ones of the backend, as JSON, such as {"dtype": "bfloat16"}.')
@click.option("--batch-size", help="A number or auto. [default: 16, for vllm auto]")
@click.option("--device", help="Of the model, such as cpu.")
@click.option("--processes", default=1, show_default=True, help="Copies of the model, one per GPU.")
@click.option("--limit", type=int, help="So many questions at most.")
@click.option("--seed", default=0, show_default=True, help="Round n has the seed SEED + n.")
@click.option("--apply-chat-template", is_flag=True, help="Ask with the model's chat template.")
@click.option("--lm-eval", "program", help="The executable of lm-eval, such as that of vLLM's environment.")
def sample(
    model: str,
    task: str,
    samples: int,
    output: Path,
    gen_kwargs: str | None,
    backend: str,
    model_args: str,
    batch_size: str | None,
    device: str | None,
    processes: int,
    limit: int | None,
    seed: int,
    apply_chat_template: bool,
    program: str | None,
) -> None:
    """Draw samples of training questions from MODEL by lm-eval, in rounds of 5 a question.

    A round that is there is not drawn again: after an interruption the same command goes on, and with more --samples it
    adds to them. The directory is what `augment rft` and `augment pairs` take.
    """
    known = sorted(path.stem for path in (directory("evaltasks") / "cotmask_sample").glob("cotmask_*.yaml"))
    if task not in known:
        raise CoTMaskError(
            f"{task} samples no training questions{closest(task, known)}: name one of {', '.join(known)}"
        )
    from axolotl_cotmask.augmentation.sampling import Machine, Sampling
    from axolotl_cotmask.augmentation.sampling import sample as draw

    try:
        settings = json.loads(model_args)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise CoTMaskError(f'--model-args is {model_args}, no JSON object: give one such as {{"dtype": "bfloat16"}}')
    sampling = Sampling(model, task, samples, seed, gen_kwargs, backend, settings, limit, apply_chat_template)
    batch_size = batch_size or ("auto" if backend == "vllm" else "16")
    machine = Machine(batch_size, device, processes, program)
    files = draw(sampling, machine, output, lambda text: click.echo(text, err=True))
    click.echo(f"{samples} samples a question: {len(files)} files below {output}")
