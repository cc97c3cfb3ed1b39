"""MAmmoTH's hybrid decoding: a program is asked for and run, and a chain of thought counts where it gave no answer.

As in the evaluation scripts of arXiv 2403.02178 (from MAmmoTH), a generation that contains ``print(`` is a program,
whichever of the two prompts it answers. What it prints is read as ``The answer is ...`` would be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from axolotl_cotmask.evaluation.answers import Rule
from axolotl_cotmask.evaluation.answers.mammoth import ANSWER_MARK
from axolotl_cotmask.evaluation.sandbox import Isolation, Status, run_programs

# The scripts run a program as the body of a function, in a module that has these names: `math.sqrt(2)` works there
# without an import, and `from sympy import *` does not work at all.
_NAMES = "import json, math, os, re, threading"


def program_in(generation: str) -> str | None:
    """Return the program that ``generation`` is, ready to be run, or None when it is a text."""
    if "print(" not in generation:
        return None
    lines = generation.split("### Instruction", maxsplit=1)[0].split("\n")
    return "\n".join([_NAMES, "def run_it():", *(f"  {line}" for line in lines), "run_it()"])


def executed(generations: Sequence[str], isolation: Isolation) -> list[str]:
    """Return ``generations`` with each program replaced by what it answers: nothing, when it did not end well in 5 s.

    Programs run in parallel in the sandbox. Results are kept in the user's cache directory.
    """
    programs = [program_in(generation) for generation in generations]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "axolotl-cotmask", "programs")
    executions = run_programs([p for p in programs if p is not None], isolation=isolation, cache_dir=cache)
    outputs = (run.stdout.strip("\n") if run.status is Status.FINISHED else "" for run in executions)
    return [
        generation if program is None else ANSWER_MARK + next(outputs)
        for generation, program in zip(generations, programs, strict=True)
    ]


def chosen(texts: Sequence[str], rule: Rule) -> str:
    """Return the first of ``texts`` in which ``rule`` finds an answer, or else the last one."""
    return next((text for text in texts if rule.extract(text) is not None), texts[-1])
