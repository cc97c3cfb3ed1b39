"""Programs per second in the sandbox and by bare `python -c`, in one run: `python bench/sandbox.py [count [rounds]]`.

The programs do next to nothing, so that the times are those of starting, watching and clearing away. Each round runs
all ways in turn, one program after another and then as many at a time as this process may use CPUs, and the ratio is
taken within the round. In use the programs themselves take time, SymPy's import half a second: the ratio is then nearer
to 1.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox import Isolation, Limits, Status, run_program

#: Programs and rounds.
DEFAULTS = (100, 5)
LIMITS = Limits(wall_seconds=60)


def bare(program: str) -> str:
    """Run ``program`` by `python -c`, without any sandbox."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def sandboxed(isolation: Isolation) -> Callable[[str], str]:
    """Return what runs a program at one level."""
    return lambda program: run_program(program, LIMITS, isolation).stdout


def seconds(run: Callable[[str], str], count: int, workers: int) -> tuple[float, float]:
    """Time ``count`` different programs, ``workers`` at a time: seconds that pass, and seconds of processors."""
    programs = [f"print({n})" for n in range(count)]
    with ThreadPoolExecutor(workers) as pool:
        used, started = sum(os.times()[:4]), time.perf_counter()
        written = list(pool.map(run, programs))
        passed, used = time.perf_counter() - started, sum(os.times()[:4]) - used
    assert written == [f"{n}\n" for n in range(count)]
    return passed, used


def works(isolation: Isolation) -> bool:
    """Say whether a program runs at this level on this machine."""
    try:
        return run_program("print(1)", LIMITS, isolation).status is Status.FINISHED
    except CoTMaskError:
        return False


def main() -> None:
    """Time every way and print medians, with the lowest and the highest ratio of a round."""
    count, rounds = (*map(int, sys.argv[1:]), *DEFAULTS[len(sys.argv) - 1 :])
    ways = {"bare `python -c`": bare} | {f"{level}": sandboxed(level) for level in Isolation if works(level)}
    print(f"{count} programs, {rounds} rounds, CPython {sys.version.split()[0]}\n")
    print("| | at a time | programs per second | times as long as bare | processor ms per program |")
    print("|---|---:|---:|---:|---:|")
    for workers in dict.fromkeys([1, len(os.sched_getaffinity(0))]):
        times = [{name: seconds(run, count, workers) for name, run in ways.items()} for _ in range(rounds)]
        bares = [of_round["bare `python -c`"] for of_round in times]
        for name in ways:
            per_second = count / statistics.median(of_round[name][0] for of_round in times)
            ratios = [of_round[name][0] / unboxed[0] for of_round, unboxed in zip(times, bares, strict=True)]
            used = statistics.median(of_round[name][1] for of_round in times) / count * 1000
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {name} | {workers} | {per_second:.1f} | {spread} | {used:.0f} |")


if __name__ == "__main__":
    main()
