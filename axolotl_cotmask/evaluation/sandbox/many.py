"""Runs many programs in parallel, each different one once, and keeps the results in files."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.evaluation.sandbox.execution import DEFAULT_LIMITS, Execution, Isolation, Limits, Status
from axolotl_cotmask.evaluation.sandbox.one import check_isolation, detect_isolation, run_program

LOG = logging.getLogger(__name__)
#: Rises when the same program could have another result.
_VERSION = 2

#: Is told how many different programs are done, and how many there are.
ProgramProgress = Callable[[int, int], None]


def run_programs(
    programs: Sequence[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    isolation: Isolation | None = None,
    workers: int | None = None,
    cache_dir: Path | None = None,
    progress: ProgramProgress | None = None,
) -> list[Execution]:
    """Return what came of each program, in order; at the detected isolation level if none is given.

    Args:
        workers: programs that run at the same time; as many as this process may use CPUs, if None.
        cache_dir: is made, and keeps a file for each program that ended in time: how long one takes depends on what
            else the machine does.

    Raises:
        CoTMaskError: this machine cannot run a program at this level, or ``cache_dir`` cannot be made.
    """
    level = Isolation(isolation or detect_isolation())
    check_isolation(level)
    if cache_dir is not None:
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CoTMaskError(f"{cache_dir} cannot be made ({error.strerror}): choose another directory") from error

    def execute(program: str) -> Execution:
        path = None if cache_dir is None else cache_dir / f"{_key(program, limits, level)}.json"
        execution = None if path is None else _read(path)
        if execution is None:
            execution = run_program(program, limits, level)
            if path is not None and execution.status is not Status.TIMEOUT:
                _write(path, execution)
        return execution

    different = list(dict.fromkeys(programs))
    with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
        futures = {program: pool.submit(execute, program) for program in different}
        try:
            for done, future in enumerate(as_completed(futures.values()), start=1):
                future.result()
                if progress is not None:
                    progress(done, len(different))
        except BaseException:
            # Or the end of the block would run all the others first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [futures[program].result() for program in programs]


def _key(program: str, limits: Limits, isolation: Isolation) -> str:
    parts = [_VERSION, program, asdict(limits), isolation, sys.version]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(path: Path) -> Execution | None:
    """Return the result in ``path``, or None where there is no file or not one that can be read."""
    try:
        fields = json.loads(path.read_bytes())
        execution = Execution(
            **fields | {"status": Status(fields["status"]), "isolation": Isolation(fields["isolation"])}
        )
        (execution.stdout + execution.detail).encode()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return execution


def _write(path: Path, execution: Execution) -> None:
    try:
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(execution)), encoding="utf-8")
    # Another program may have filled the disk, or have removed the cache where files are in reach.
    except (OSError, CoTMaskError) as error:
        LOG.warning("%s: a result is not kept: %s", path.parent, error)
