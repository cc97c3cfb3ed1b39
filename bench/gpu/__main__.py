"""One command for one GPU: throughput of masking against SFT, then SmolLM2-135M on GSM8K. README.md beside this file.

What is done is kept in DIRECTORY, and the same command goes on.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from axolotl_cotmask.common.errors import CoTMaskError, one_line
from axolotl_cotmask.common.versions import installed, package_version
from axolotl_cotmask.data.sources import ENV_VAR
from axolotl_cotmask.evaluation.signature import fingerprint
from axolotl_cotmask.reproduction.smollm2 import PACKAGE
from bench.gpu import accuracy, answers, checks, rehearsal, table
from bench.gpu.sizes import FULL, REHEARSAL, Layout, Sizes
from bench.gpu.steps import Book, Clock, Step, run_steps
from bench.gpu.throughput import measure

PARTS = ("throughput", "accuracy")
#: Names the commit where there is no git to ask.
COMMIT_VARIABLE = "COTMASK_COMMIT"
#: Reckoned seconds on an H100: 13 ways, 7 rounds of 2 steps of 0.6 s or half of it, and the profiler.
_REFERENCE_TOKENS, _THROUGHPUT = 4096, 180.0


def main(arguments: list[str] | None = None) -> int:
    """Run what fits into the minutes; return the exit status."""
    options = _parser().parse_args(arguments)
    disable_progress_bar()
    try:
        return _run(options)
    except CoTMaskError as error:
        sentence = str(error)
    except torch.OutOfMemoryError as error:
        sentence = f"{one_line(str(error))[:200]}: end what else uses the card; what was done is kept"
    except OSError as error:
        sentence = f"{one_line(str(error))}: mend that; what was done is kept"
    except KeyboardInterrupt:
        sentence = "stopped; what was done is kept, and the same command goes on"
    print(f"bench.gpu: {sentence}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", help="where results are kept (default: outputs/gpu)")
    parser.add_argument("--part", choices=PARTS, help="only this part (default: both, in this order)")
    parser.add_argument("--base", type=Path, metavar="DIR", help=f"SmolLM2-135M (default: out of {PACKAGE})")
    parser.add_argument("--minutes", type=_minutes, default=25, help="of this call, at most (default: 25)")
    parser.add_argument("--rehearse", action="store_true", help="at the smallest size, on a CPU: no measurement")
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not minutes > 0:
        raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
    return minutes


def _run(options: argparse.Namespace) -> int:
    clock = Clock(options.minutes)
    sizes = REHEARSAL if options.rehearse else FULL
    directory = options.directory or Path("outputs", "gpu-rehearsal" if options.rehearse else "gpu")
    parts, base = [options.part] if options.part else list(PARTS), options.base
    if options.rehearse:
        base, os.environ[ENV_VAR] = rehearsal.write(Book(directory, sizes.name).directory / "inputs")
    missing = list(checks.faults(parts, directory, base, options.rehearse))
    if missing:
        print("\n".join(f"bench.gpu: {sentence}" for sentence in missing), file=sys.stderr)
        return 1
    book = Book(directory, sizes.name)
    with book.held():
        return _go_on(book, sizes, parts, base, clock)


def _go_on(book: Book, sizes: Sizes, parts: list[str], base: Path | None, clock: Clock) -> int:
    steps: list[Step] = []
    if "throughput" in parts:
        steps += [_throughput_step(sizes, name, layout, clock) for name, layout in sizes.layouts.items()]
    if "accuracy" in parts:
        data = {name: answers.read(name) for name in accuracy.DATA}
        book.claim(base=accuracy.base_identity(base), **{name: fingerprint(rows) for name, rows in data.items()})
        steps += accuracy.steps(sizes, book, base, data, clock.check)

    def after() -> None:
        table.write(book, sizes)
        # A model refers to itself, and stays until somebody looks for such.
        gc.collect()
        torch.cuda.empty_cache()

    left = run_steps(steps, book, clock, made_on(sizes.device), after)
    written = table.write(book, sizes)
    print(f"\n{written.read_text(encoding='utf-8')}\nThis is {written}.")
    if left:
        print(f"{len(left)} of {len(steps)} steps are left, {left[0]} first: the same command goes on with them.")
    return 0


def _throughput_step(sizes: Sizes, name: str, layout: Layout, clock: Clock) -> Step:
    reckoned = _THROUGHPUT * layout.rows * layout.sequence_len / _REFERENCE_TOKENS
    return Step(table.throughput_step(name), "throughput", reckoned, lambda: measure(sizes, layout, clock.check))


def made_on(device: str) -> dict[str, Any]:
    """Return the card, the versions and the commit."""
    version = package_version()
    if "+" not in version:
        version += f"+{os.environ.get(COMMIT_VARIABLE, 'commit not known')}"
    return {
        "card": torch.cuda.get_device_name() if device == "cuda" else f"none ({platform.machine()} CPU)",
        "axolotl-cotmask": version,
        "torch": torch.__version__,
        "CUDA": torch.version.cuda or "none",
        "transformers": installed("transformers"),
        "Python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
