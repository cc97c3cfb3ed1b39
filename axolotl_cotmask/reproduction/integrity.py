"""Finds results that changed after they were written, such as a truncated file, so that they are made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, sha256

_MANIFEST = "manifest.json"
_HASHED = 64 * 2**20  # larger files, which are weights, are known by their size alone
#: What rests on what, within a run.
_STAGES = ("data", "train", "model", "evaluate", "scores", "curve.json")


def write_manifest(directory: Path) -> None:
    """Write size and SHA-256 of every file of a finished directory into it."""
    files = {str(path.relative_to(directory)): _known(path) for path in _files(directory)}
    (directory / _MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _files(directory: Path) -> Iterator[Path]:
    # Snakemake adds files of its own, whose names begin with a dot.
    return (path for path in sorted(directory.rglob("*")) if path.is_file() and not path.name.startswith("."))


def _known(path: Path) -> list[int | str]:
    size = path.stat().st_size
    return [size] if size > _HASHED else [size, sha256(path)]


def _damaged(path: Path) -> str | None:
    """Return what is wrong with a finished file or directory, or None."""
    try:
        if path.is_file():
            read_json(path)
            return None
        for name, known in read_json(path / _MANIFEST).items():
            if not (path / name).is_file() or _known(path / name) != known:
                return f"{path / name} is not what was written"
    except CoTMaskError as error:
        return str(error)
    return None


def remove_damaged(runs: Path) -> list[str]:
    """Remove every result below ``runs`` that is not what was written, and what rests on it; return what was wrong."""
    found = []
    manifests = (path.parent for path in runs.rglob(_MANIFEST))
    for path in sorted([*manifests, *runs.rglob("scores/*/*.json"), *runs.rglob("curve.json")]):
        run = next(parent for parent in path.parents if parent.name.startswith("seed-"))
        stage = path.relative_to(run).parts[0]
        # Nobody reads the data of a trained run again.
        if not path.exists() or (stage == "data" and (run / "train").is_dir()) or (wrong := _damaged(path)) is None:
            continue
        found.append(wrong)
        if stage == "evaluate":
            backend, task = path.relative_to(run).parts[1:]
            (run / "scores" / backend / f"{task}.json").unlink(missing_ok=True)
        if stage in ("evaluate", "scores", "curve.json"):
            _remove(path)
        else:
            # Weights and their record belong together.
            for later in _STAGES[1 if stage == "model" else _STAGES.index(stage) :]:
                _remove(run / later)
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
