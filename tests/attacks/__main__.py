"""``python -m attacks NAME [COUNT] [SEED] [DIRECTORY]``: runs an attack, prints its counts, and fails where one is wrong.

In a directory that is named, what `kills` has done stays, and it goes on there.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

_COUNTS = {"configs": 5500, "rows": 4000, "sandbox": 200, "downloads": 2000, "kills": 100, "harness": 1500}


def main(what: str, count: int, seed: int, kept: str | None) -> int:
    """Run one attack."""
    # Axolotl would start a process for each core, for six rows; and its log, of which each case begins one, would wait
    # for itself at its end where it gets the output, too.
    os.environ.update(AXOLOTL_DATASET_NUM_PROC="1", AXOLOTL_TEE_STDOUT="0")
    attack = import_module(f"attacks.{what}").attack
    if what == "configs":
        # Prepared rows are written by processes that are forked from this one.
        import_module("support.preload")
    from support.tiny_model import gsm8k_rows, tiny_model

    logging.disable(logging.CRITICAL)
    with ExitStack() as stack:
        directory = kept or stack.enter_context(tempfile.TemporaryDirectory())
        Path(directory).mkdir(exist_ok=True)
        os.chdir(directory)
        model = Path("model").resolve()
        if what != "sandbox" and not model.is_dir():
            tiny_model(model, gsm8k_rows())
        start = sum(os.times()[:4])
        silent = os.open(os.devnull, os.O_WRONLY)
        out = os.dup(1), os.dup(2)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            counts = attack(count, seed, Path.cwd(), model)
        finally:
            sys.stdout.flush()
            os.dup2(out[0], 1)
            os.dup2(out[1], 2)
        print(*counts.wrong, sep="\n")
        print(f"{count} {what}, seed {seed}: {counts} ({sum(os.times()[:4]) - start:.0f} s of processor time)")
    return 1 if counts.wrong else 0


if __name__ == "__main__":
    from support import hermetic

    hermetic.begin()
    given = sys.argv[1:]
    name = given[0]
    number, drawn = (
        int(given[place]) if len(given) > place else default for place, default in ((1, _COUNTS[name]), (2, 1))
    )
    sys.exit(main(name, number, drawn, given[3] if len(given) > 3 else None))
