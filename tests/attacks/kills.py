"""`axolotl train` killed at random moments and started again: it goes on by itself, and ends with the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked import Axolotl, Started
from support.project import Project, write_jsonl
from support.tiny_model import gsm8k_rows
from support.trained import LORA, identical, weights

from attacks.outcomes import FINE, STUCK, Counts

#: Of an attack: the run ended, and its weights are not those of a run that nobody killed.
OTHER_BITS = "silently other bits"
_HANGS = 300.0  # seconds
_SHARED: dict[str, Any] = {
    "num_epochs": 2, "save_strategy": "steps", "save_steps": 3, "auto_resume_from_checkpoints": True, "micro_batch_size": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """How is trained: with what in the config, by how many processes."""

    config: dict[str, Any]
    processes: int = 1


MODES = {
    "unpacked": Mode({"save_total_limit": 2}),
    "packed": Mode({"sample_packing": True, "micro_batch_size": 1}),
    "lora": Mode(LORA),
    "stripped": Mode(
        {"cotmask": {"mask_ratio": 0.4, "noise": "mask", "strip_mask_token": True}, "save_total_limit": 1}
    ),
    "two processes": Mode({"micro_batch_size": 2}, processes=2),
    "two processes, packed": Mode({"sample_packing": True, "micro_batch_size": 1}, processes=2),
}


@dataclass(frozen=True)
class Moment:
    """When a run is killed: so long after its start, or after a file or directory that ``pattern`` names is there."""

    seconds: float
    pattern: str | None = None


def moment(draw: random.Random, seconds: float) -> Moment:
    """Draw one over a run that takes so long, with more weight on what writes."""
    match draw.choice(("any", "any", "any", "checkpoint", "checkpoint", "checkpoint", "prepared", "model")):
        case "any":
            return Moment(draw.uniform(0, seconds))
        case "checkpoint":
            # What is left out where the run has no such step: it is not killed then.
            return Moment(draw.uniform(0, 0.1), f"run/checkpoint-{3 * draw.randrange(1, 8)}")
        case "prepared":
            return Moment(draw.uniform(0, 0.1), "run-prepared/[.0-9a-f]*")
        case _:
            return Moment(draw.uniform(0, 0.15), "run/*.safetensors")


class Killer:
    """Runs one mode in directories of its own."""

    def __init__(self, axolotl: Axolotl, model: Path) -> None:
        self._axolotl, self._model = axolotl, model

    def run(self, mode: Mode, directory: Path, when: Moment | None) -> tuple[int | None, str]:
        """Start the command, and return its status and what it wrote; None where it was killed."""
        if not directory.is_dir():
            directory.mkdir(parents=True)
            write_jsonl(directory / "train.jsonl", gsm8k_rows())
        config = Project(directory, self._model, self._axolotl).config("run", **(_SHARED | mode.config))
        with self._axolotl.ranks(mode.processes, "train", config, cwd=directory, leads=True) as started:
            killed = when is not None and _wait_for(when, directory, started)
            deadline = time.monotonic() + _HANGS
            while not killed and any(process.is_alive() for process, _ in started) and time.monotonic() < deadline:
                time.sleep(0.02)
            hung = not killed and any(process.is_alive() for process, _ in started)
            for process, _ in started:
                with suppress(ProcessLookupError):
                    assert process.pid is not None
                    os.killpg(process.pid, signal.SIGKILL)
            for process, _ in started:
                process.join()
        said = "\n".join(output.read_text(errors="replace")[-3000:] for _, output in started)
        statuses = [process.exitcode or 0 for process, _ in started]
        return (None if killed else -1 if hung else max(map(abs, statuses))), said


def _wait_for(when: Moment, directory: Path, started: list[Started]) -> bool:
    """Come back at the moment, True, or when the run has ended before."""
    begun = time.monotonic()
    known = set(directory.glob(when.pattern)) if when.pattern else set()
    while when.pattern and not set(directory.glob(when.pattern)) - known:
        if not all(process.is_alive() for process, _ in started):
            return False
        time.sleep(0.001)
        begun = time.monotonic()
    time.sleep(max(0.0, begun + when.seconds - time.monotonic()))
    return all(process.is_alive() for process, _ in started)


def names(directory: Path) -> set[str]:
    """What lies in a directory."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Kill so many times; what was done stands in ``kills.jsonl``, and is not done again."""
    (directory / "logs").mkdir(exist_ok=True)
    killer = Killer(Axolotl(directory / "logs"), model)
    seconds = {}
    for name, mode in MODES.items():
        begun = time.monotonic()
        if not list((directory / name / "run").glob("*.safetensors")):
            status, said = killer.run(mode, directory / name, None)
            assert status == 0, said
        # Of one that was there already, about what they take.
        seconds[name] = max(time.monotonic() - begun, 4.0)
    done = directory / "kills.jsonl"
    done.touch()
    counts = Counts()
    for case in map(json.loads, done.read_text().splitlines()):
        counts.ends[case["end"]] += case["kills"]
    for number in range(len(done.read_text().splitlines()), 10 * count):
        if counts.ends.total() >= count:
            break
        case = _case(killer, random.Random(f"{seed}-{number}"), number, directory, seconds)
        with done.open("a") as file:
            file.write(json.dumps(case) + "\n")
        counts.ends[case["end"]] += case["kills"]
        if case["end"] != FINE:
            counts.wrong.append(json.dumps(case, indent=1))
    return counts


def _case(
    killer: Killer, draw: random.Random, number: int, directory: Path, seconds: dict[str, float]
) -> dict[str, Any]:
    name = list(MODES)[number % len(MODES)]
    mode, place, moments = MODES[name], directory / f"case-{number}", []
    for _ in range(draw.choice((1, 1, 2, 3))):
        when = moment(draw, seconds[name])
        status, said = killer.run(mode, place, when)
        if status is not None:
            break
        moments.append(f"{when.seconds:.3f} s after {when.pattern or 'its start'}")
    # None where the last one was killed.
    if status is None:
        status, said = killer.run(mode, place, None)
    end = FINE if status == 0 else STUCK
    whole = directory / name / "run"
    if end == FINE and not identical(weights(place / "run"), weights(whole)):
        end = OTHER_BITS
    left = sorted(names(place / "run") ^ names(whole)) if end == FINE else []
    case = {"number": number, "mode": name, "kills": len(moments), "moments": moments, "end": end, "other names": left}
    return case | ({} if end == FINE else {"said": said})
