"""Ctrl-C: one line, whatever is at work."""

from __future__ import annotations

import subprocess
import sys

# While the commands are imported.
EARLY = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "axolotl_cotmask.cli.score":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from axolotl_cotmask.__main__ import main
main()
"""
# While another program is at work, to the whole group, as a terminal does.
LATE = """
import sys
from axolotl_cotmask.cli.common import command
from axolotl_cotmask.evaluation.lm_eval import run_command

CHILD = "import os, signal, time; os.killpg(os.getpgid(os.getppid()), signal.SIGINT); time.sleep(600)"

@command()
def waits():
    run_command([sys.executable, "-c", CHILD])

waits()
"""


def interrupted(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True, check=False)  # fmt: skip
    assert run.returncode == 1, run.stderr
    return run.stderr


def test_while_the_commands_are_imported() -> None:
    assert interrupted(EARLY) == "Aborted!\n"


def test_while_lm_eval_is_at_work_and_it_ends_too() -> None:
    # `run` comes back when all that hold the pipe have ended, the child among them.
    assert interrupted(LATE).strip() == "Aborted!"


def test_the_console_script_is_that_program() -> None:
    words = [sys.executable, "-m", "axolotl_cotmask", "tasks-path"]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("evaltasks")
