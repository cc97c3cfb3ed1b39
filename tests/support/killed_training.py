"""`axolotl train` started once, and forked where its training begins, so that many kills cost one start."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import shutil
import signal
import threading
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from support import forked

_HANGS = 120  # seconds


def train_and_kill(config: Path, kills: int, seed: int, output: Path) -> None:
    """Train to the end, and then so often with a kill at a random moment and a second try that goes on; for `apart`.

    The first run is left in ``case-0`` beside the output directory, the others in ``case-1`` and so on, and in
    ``kills.json`` when each was killed. A second try begins where Axolotl looks for the last checkpoint; the config that
    was read, the prepared data and the model are those of the one start.
    """
    from axolotl import train

    # The last that happens before it.
    train.setup_model_card = partial(_cases, kills=kills, draw=random.Random(seed))
    words = ["axolotl", "train", str(config), "--launcher", "python"]
    with output.open("wb") as file:
        files = [Connection(os.dup(file.fileno()), readable=False) for _ in range(2)]
    forked._main(words, str(config.parent), dict(os.environ), "", files, leads=True)


def _cases(cfg: Any, kills: int, draw: random.Random) -> None:
    """Come back in each process that is to train; the one that has started them ends here."""
    # A process that is killed while it draws a bar would keep the lock that all of them share otherwise.
    tqdm.set_lock(threading.RLock())
    run = Path(cfg.output_dir)
    begun = shutil.copytree(run, run.with_name("begun"))
    moments: list[str] = []
    for number in range(kills + 1):
        started = time.monotonic()
        if (process := _fork()) == 0:
            return
        if number == 0:
            _end(process)
            seconds = time.monotonic() - started
        else:
            moments.append(_kill(process, run, draw, seconds))
            if (process := _fork()) == 0:
                return
            _end(process)
        run.rename(run.with_name(f"case-{number}"))
        shutil.copytree(begun, run)
    run.with_name("kills.json").write_text(json.dumps(moments))
    os._exit(0)


def _fork() -> int:
    """As `os.fork`; a process that hangs ends in a traceback of where it does."""
    if (process := os.fork()) == 0:
        faulthandler.dump_traceback_later(_HANGS, exit=True)
    return process


def _end(process: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        os._exit(1)


def _kill(process: int, run: Path, draw: random.Random, seconds: float) -> str:
    """Kill a training at any moment, or soon after it began to write a checkpoint or the model; return when."""
    pattern = draw.choice(
        [None, *(f"checkpoint-{step}" for step in (3, 6, 9, 12)), "checkpoint-*/optimizer.pt", "model*"]
    )
    wait = draw.uniform(0, 0.03 if pattern else 0.8 * seconds)
    ended = partial(os.waitid, os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    while pattern and not list(run.glob(pattern)) and not ended():
        time.sleep(0.0005)
    time.sleep(wait)
    os.kill(process, signal.SIGKILL)
    killed = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    return f"{wait:.3f} s after {pattern or 'its start'}" if killed else "not at all"
