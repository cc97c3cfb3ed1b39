"""Samples a model on training questions by lm-eval, in rounds: one that was killed costs itself, and is done again.

lm-eval's own cache is no help here: it does not answer requests with ``do_sample`` out of it, which would give each
repeat the same text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from axolotl_cotmask.augmentation.samples import find_samples
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, whole_directory, whole_file
from axolotl_cotmask.evaluation.lm_eval import evaluation_command, model_args, run_command

#: The ``repeats`` of the ``cotmask_sample_*`` tasks.
PER_ROUND = 5
#: What was asked for, beside the rounds.
SETTINGS = "sampling.json"


@dataclass(frozen=True)
class Sampling:
    """What is sampled, and how.

    ``samples`` per question are a multiple of `PER_ROUND`; round n has the seed ``seed`` + n. ``generation`` takes the
    place of the task's generation arguments, such as ``temperature=1.0``; ``settings`` are further arguments of the
    backend, such as ``dtype``.
    """

    model: str
    task: str
    samples: int
    seed: int
    generation: str | None
    backend: str
    settings: dict[str, Any]
    limit: int | None
    chat_template: bool


@dataclass(frozen=True)
class Machine:
    """What the samples are drawn on; see `evaluation.lm_eval.evaluation_command`."""

    batch_size: str
    device: str | None
    processes: int
    program: str | None


def sample(sampling: Sampling, machine: Machine, directory: Path, tell: Callable[[str], None]) -> list[Path]:
    """Draw the samples, ``directory/round-001`` and so on, of which those that are there are not drawn again.

    More samples may be asked for later; everything else must stay as it was.

    Args:
        sampling: what to draw.
        machine: what on.
        directory: for the rounds; is made.
        tell: is called before each round with how far it is.

    Returns:
        The files of samples.

    Raises:
        CoTMaskError: the directory holds samples of other settings, or lm-eval ended with an error.
    """
    if sampling.samples < 1 or sampling.samples % PER_ROUND:
        raise CoTMaskError(f"samples is {sampling.samples}: give a multiple of {PER_ROUND}, the samples of a round")
    _check_settings(sampling, directory)
    rounds = [directory / f"round-{number:03}" for number in range(1, sampling.samples // PER_ROUND + 1)]
    try:
        with FileLock(directory / ".lock", timeout=0):
            for killed in directory.glob(".round-*"):
                shutil.rmtree(killed, ignore_errors=True)
            for number, path in enumerate(rounds, start=1):
                if not path.is_dir():
                    done = (number - 1) * PER_ROUND
                    tell(f"round {number} of {len(rounds)}: {done} of {sampling.samples} samples a question are there")
                    _draw(_command(sampling, machine, number), path)
    except Timeout as error:
        raise CoTMaskError(f"{directory}: another command samples into it: wait for it, or name another") from error
    return find_samples(rounds)


def _draw(command: Callable[[Path], list[str]], path: Path) -> None:
    with whole_directory(path) as new:
        status = run_command(command(new))
        if status != 0:
            raise CoTMaskError(f"{path}: lm_eval ended with status {status}: mend what its last lines say, and go on")
        find_samples([new])


def _check_settings(sampling: Sampling, directory: Path) -> None:
    settings = asdict(sampling) | {"written": _written(Path(sampling.model))}
    del settings["samples"]
    path = directory / SETTINGS
    if path.exists():
        found = read_json(path)
        for name in settings:
            if found.get(name) != settings[name] and name == "written":
                raise CoTMaskError(
                    f"{directory}: holds samples of {sampling.model} before it was written anew: name another directory"
                )
            if found.get(name) != settings[name]:
                raise CoTMaskError(
                    f"{directory}: holds samples with {name} {found.get(name)!r}, not {settings[name]!r}: name another "
                    "directory"
                )
        return
    if directory.is_dir() and any(directory.iterdir()):
        raise CoTMaskError(f"{directory}: is not empty, and holds no {SETTINGS}: name another directory")
    directory.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _written(model: Path) -> float | None:
    """Return when the weights in a directory were last written; None for a name on the hub."""
    weights = [*model.glob("*.safetensors"), *model.glob("*.bin")]
    return max((file.stat().st_mtime for file in weights), default=None)


def _command(sampling: Sampling, machine: Machine, number: int) -> Callable[[Path], list[str]]:
    """Return what gives the command of a round that writes to a directory."""
    seed = sampling.seed + number
    settings = dict(sampling.settings)
    if sampling.backend == "vllm":
        settings |= {"seed": seed, "data_parallel_size": machine.processes}
    return lambda output: evaluation_command(
        model_args(sampling.model, sampling.backend, **settings),
        sampling.task,
        output,
        batch_size=machine.batch_size,
        program=machine.program,
        backend=sampling.backend,
        processes=machine.processes,
        device=machine.device,
        generation=sampling.generation,
        limit=sampling.limit,
        seed=seed,
        chat_template=sampling.chat_template,
    )
