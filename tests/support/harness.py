"""The harness as a user starts it, and as a machine kills it when memory runs out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SNAKEMAKE = Path(__file__).parents[2] / ".nox" / "workflow" / "bin"


def start(plan: dict[str, Any], out: Path, *arguments: str, python: Path | None = None) -> subprocess.Popen[str]:
    """Start `axolotl-cotmask repro` on a plan of the laptop's kind, written beside ``out``; ``python`` of `Programs`."""
    path = out.parent / "plan.yaml"
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    program = (
        [Path(sys.executable).with_name("axolotl-cotmask")] if python is None else [python, "-m", "axolotl_cotmask"]
    )
    command = [*map(str, program), "repro", str(path), "--output", str(out)]
    if arguments:
        command += ["--", *arguments]
    programs = os.pathsep.join([str(SNAKEMAKE), os.environ["PATH"]])
    return subprocess.Popen(
        command, env={**os.environ, "PATH": programs}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the harness, and return its status and what it said."""
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def kill(words: tuple[str, ...], process: subprocess.Popen[str], ready: Path | None = None) -> None:
    """Kill the program whose command line holds ``words``, once something matches the pattern ``ready``."""
    deadline = time.monotonic() + 600
    while process.poll() is None:
        assert time.monotonic() < deadline, f"no process with {words}"
        if ready is None or list(ready.parent.glob(ready.name)):
            for pid in _commands(words):
                os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.1)
    raise AssertionError(process.communicate()[0])


def _commands(words: tuple[str, ...]) -> Iterator[int]:
    for directory in Path("/proc").iterdir():
        try:
            arguments = (directory / "cmdline").read_bytes().decode().split("\0") if directory.name.isdigit() else []
        except OSError:
            continue
        # The program itself, not the shells and stages above it.
        if all(any(word in argument for argument in arguments) for word in words) and "-c" not in arguments:
            yield int(directory.name)
