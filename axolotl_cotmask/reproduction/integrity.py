"""Finds results that changed after they were written, such as a truncated file, so that they are made again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import SCRATCH, read_json, sha256, whole_file
from axolotl_cotmask.reproduction.layout import (
    ALIVE,
    LOCK,
    LOGS,
    PLAN,
    RECORD,
    REPLIES,
    REPORTS,
    RUNS,
    WORK,
    RunFiles,
    dependency_file,
    find_runs,
)  # fmt: skip

#: Size and SHA-256 of the files of a finished directory.
MANIFEST = "manifest.json"
#: The checksum of a result that is a file of its own, in it.
_SEAL = "sha256"
_HASHED = 64 * 2**20  # larger files, which are weights, are known by their size alone


def write_manifest(directory: Path) -> None:
    """Write size and SHA-256 of every file of a finished directory into it."""
    files = {str(path.relative_to(directory)): _known(path) for path in _files(directory)}
    (directory / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def read_record(directory: Path) -> dict[str, Any] | None:
    """Return where a finished directory's result comes from; None where that is not there, or not what was written."""
    try:
        known = read_json(directory / MANIFEST).get(RECORD)
        return read_json(directory / RECORD) if known == _known(directory / RECORD) else None
    except (CoTMaskError, OSError):
        return None


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result that is a file of its own, a JSON object, with a checksum in it."""
    as_read = json.loads(json.dumps(content))
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(as_read | {_SEAL: _checksum(as_read)}), encoding="utf-8")


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what `write_sealed` was given."""
    content = read_json(path)
    content.pop(_SEAL, None)
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(directory: Path) -> Iterator[Path]:
    # Snakemake adds files of its own, whose names begin with a dot.
    return (path for path in sorted(directory.rglob("*")) if path.is_file() and not path.name.startswith("."))


def _known(path: Path) -> list[int | str]:
    size = path.stat().st_size
    return [size] if size > _HASHED else [size, sha256(path)]


def _damaged(path: Path) -> str | None:
    """Return what is wrong with a finished file or directory, or None; also where it is not there."""
    try:
        if path.is_file():
            content = read_json(path)
            return None if content.pop(_SEAL, None) == _checksum(content) else f"{path} is not what was written"
        if not path.is_dir():
            return None
        for name, known in read_json(path / MANIFEST).items():
            if not (path / name).is_file() or _known(path / name) != known:
                return f"{path / name} is not what was written"
    except CoTMaskError as error:
        return str(error)
    return None


def remove_damaged(output: Path) -> list[str]:
    """Remove every result in ``output`` that is not what was written, and what rests on it; return what was wrong."""
    complaints = []
    for run in find_runs(output):
        for path, resting in _results(run):
            if (wrong := _damaged(path)) is not None:
                complaints.append(wrong)
                for result in (path, *resting):
                    _remove(result)
    for path in sorted(dependency_file(output, "*").parent.glob(dependency_file(output, "*").name)):
        if (wrong := _damaged(path)) is not None:
            complaints.append(wrong)
            _remove(path)
    return complaints


def _results(run: RunFiles) -> Iterator[tuple[Path, Sequence[Path]]]:
    """Yield what a run has left, each with what rests on it, the one that others rest on first."""
    scored = [run.evaluations, run.all_scores, run.curve]
    # Nobody reads the data of a trained run again, but for a teacher's replies, which the next round reads.
    if not run.train.is_dir() or (run.made / REPLIES).is_file():
        yield run.made, [run.data, run.train, run.model, *scored]
    if not run.made.is_dir():
        yield run.mistakes, []
    if not run.train.is_dir():
        yield run.data, [run.model, *scored]
    # Weights and their record belong together.
    yield run.train, [run.model, *scored]
    yield run.model, [run.train, *scored]
    for backend, task in run.evaluated():
        yield run.evaluation(backend, task), [run.scores(backend, task)]
        yield run.scores(backend, task), []
    yield run.curve, []
    for samples in sorted(run.all_samples.glob("[!.]*")):
        yield samples, []


def check_tree(output: Path, runs: Iterable[str], others: Iterable[str]) -> None:
    """Check, before any work, that nothing in ``output`` is in the way of what is to be written there.

    Args:
        output: the directory.
        runs: names of the runs.
        others: further results, by their paths in ``output``.

    Raises:
        CoTMaskError: a file is where a directory is to be, or a directory where a file is to be.
    """
    of_runs = [RunFiles(output, name) for name in runs]
    results = [dependency_file(output, "*"), *(output / name for name in others)]
    needed = [output / name for name in (RUNS, LOGS, WORK, ".snakemake")] + [path.parent for path in results]
    for directory in [*needed, *(path for run in of_runs for path in run.directories())]:
        for path in (directory, *directory.parents):
            if path == output:
                break
            if os.path.lexists(path) and not path.is_dir():
                raise CoTMaskError(f"{path} is no directory, where one is to be: move it away")
    logs = [path for run in of_runs for path in run.log("").parent.glob("*.log")]
    for path in [*logs, *(output / name for name in (PLAN, LOCK, ALIVE, *REPORTS))]:
        if path.is_dir():
            raise CoTMaskError(f"{path} is a directory, where a file is to be: move it away")


def remove_scratch(output: Path) -> None:
    """Remove the directories that `whole_directory` was at work in, in ``output``, when its process was killed."""
    visible = [path for path in output.iterdir() if path.is_dir() and not path.name.startswith(".")]
    hidden = [path for top in visible for path in top.rglob(".*") if path.is_dir()]
    for path in hidden:
        if path.is_dir() and {inner.name for inner in path.iterdir()} <= SCRATCH:
            shutil.rmtree(path)


def _remove(path: Path) -> None:
    # Of a link the link, and not what it leads to.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
