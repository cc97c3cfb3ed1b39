"""What all stages share: results that are whole or not there, the program that is run, and where results come from."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import PROGRESS_VARIABLE, read_json, whole_directory, whole_file
from axolotl_cotmask.data.sources import ENV_VAR
from axolotl_cotmask.reproduction import provenance
from axolotl_cotmask.reproduction.integrity import write_manifest
from axolotl_cotmask.reproduction.layout import PROGRESS, RECORD
from axolotl_cotmask.reproduction.plan import Config, Setup

_CPU = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
_ATTEMPTS, _BEGUN = "attempts.json", "cell.json"
#: What makes rows.
AUGMENT = ("axolotl-cotmask", "augment")
#: The recipe as a program is given it.
CONFIG = "config.yaml"


@contextmanager
def result(path: Path) -> Iterator[Path]:
    """Yield a new directory, which becomes ``path``, with a manifest, when the block ends well."""
    with whole_directory(path) as new:
        yield new
        write_manifest(new)


def begin(work: Path, settings: Any) -> None:
    """Make ``work``, for what a stage leaves when it is killed; what was left with other settings is removed."""
    begun = work / _BEGUN
    if not begun.is_file() or begun.read_bytes() != json.dumps(settings).encode():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        begun.write_text(json.dumps(settings))


def write_config(directory: Path, config: Config) -> str:
    path = directory / CONFIG
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path.resolve())


def write_record(directory: Path, record: dict[str, Any]) -> None:
    _write_json(directory / RECORD, record)
    provenance.write_code_and_versions(directory)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def run_program(
    setup: Setup, data_dir: str, work: Path, command: Sequence[str], config: Config, printed: Path | None = None
) -> dict[str, Any]:
    """Run a stage's program, and return its provenance, with what earlier attempts in ``work`` took.

    Args:
        setup: of the plan.
        data_dir: the program's COTMASK_DATA_DIR; "" leaves the caller's.
        work: gets the program's progress, and what a failed attempt took.
        command: the program with its arguments.
        config: names the models and data sets of the hub whose revisions are recorded.
        printed: a file for what it prints, instead of the log.

    Raises:
        SystemExit: with the program's status; it has said why in the log.
    """
    variables = dict(os.environ, AXOLOTL_DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="false")
    variables[PROGRESS_VARIABLE] = str((work / PROGRESS).resolve())
    if setup.device == "cpu":
        variables |= _CPU
    if data_dir:
        variables[ENV_VAR] = str(Path(data_dir).resolve())
    print(shlex.join(command), flush=True)
    joules, started = provenance.energy(), time.monotonic()
    with ExitStack() as files:
        stdout = None if printed is None else files.enter_context(printed.open("w", encoding="utf-8"))
        process = subprocess.Popen(command, env=variables, cwd=setup.directory or None, stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    attempts = _earlier_attempts(work / _ATTEMPTS)
    attempts.append({"seconds": round(seconds, 1), "joules": provenance.joules_between(joules, provenance.energy())})
    if process.returncode:
        with whole_file(work / _ATTEMPTS) as temporary:
            _write_json(temporary, {"attempts": attempts})
        sys.exit(process.returncode if process.returncode > 0 else 128 - process.returncode)
    repositories = [config.get("base_model"), *(entry["path"] for entry in config.get("datasets", []))]
    return {
        "command": shlex.join(command),
        "seconds": round(sum(attempt["seconds"] for attempt in attempts), 1),
        "attempts": attempts,
        # Of the largest process; the trainer logs that of the GPUs.
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
        **provenance.describe_environment(filter(None, repositories)),
    }


def _earlier_attempts(path: Path) -> list[dict[str, Any]]:
    """Return what earlier attempts took; nothing where that cannot be read, since no result hangs on it."""
    try:
        attempts = read_json(path)["attempts"]
        return [attempt for attempt in attempts if attempt["seconds"] >= 0 and attempt["joules"] is not None]
    except (CoTMaskError, KeyError, TypeError):
        return []
