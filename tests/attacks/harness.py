"""The output directory of `repro` with something wrong in it: mended, left out or told in a sentence, before any work."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from attacks.outcomes import FINE, Counts, outcome
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.places import check_new_directory
from axolotl_cotmask.reproduction.collect import collect_outcome
from axolotl_cotmask.reproduction.integrity import (
    check_tree,
    remove_damaged,
    remove_scratch,
    write_manifest,
    write_sealed,
)
from axolotl_cotmask.reproduction.layout import (
    ALIVE,
    LOCK,
    LOGS,
    PLAN,
    PROGRESS,
    RECIPE,
    RECORD,
    REPORTS,
    RUNS,
    STATE,
    WORK,
    RunFiles,
)
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.plan import Plan, Setup, config_of
from axolotl_cotmask.reproduction.progress import WorkflowProgress
from axolotl_cotmask.reproduction.report import write_report
from axolotl_cotmask.reproduction.stage_program import begin, run_program

#: Of an attack: what cannot be right is in the report.
WRONG = "silently otherwise"
_ROWS = ("llama2-7b/math-sft", "llama2-7b/math-mft")
_TASK = "cotmask_math"
_RECORD = {"command": "a program", "seconds": 60.0, "attempts": [], "hardware": {}, "versions": {}, "revisions": {}}
_CONTENTS = (
    b"", b"\xff\xfe\x00", b"null", b"[]", b"5", b'"x"', b"{", b"{}", b"[" * 3000, b'{"a": 1, "a": 2}', b"\x00" * 40, b"9" * 5000,
    b'{"' + b"x" * 5000 + b'": [1]}', b'{"../../x": [1]}', b'{"\\u0000": null}', b'{"attempts": 5, "step": null}', b'{"attempts": [5]}',
    b'{"step": "x", "max_steps": [], "loss": null, "seconds_left": {}}', b"2026-13-45", b"- a\n- b\n", b"a: b\n", b"\x1b[31m",
)  # fmt: skip


def plan() -> Plan:
    """Two rows with one run each."""
    return make_plan(_ROWS, 1)


def build(output: Path, of: Plan) -> None:
    """Lay out what two finished runs and an unfinished stage leave, as far as the command reads it."""
    for row in of.rows:
        files = RunFiles(output, f"{row.name}/seed-1")
        for directory in (
            files.data,
            files.train,
            files.evaluation("hf", _TASK),
            files.work,
            files.log("train").parent,
        ):
            directory.mkdir(parents=True)
        (files.train / RECIPE).write_text(yaml.safe_dump(config_of(row, 1)))
        (files.train / STATE).write_text(json.dumps({"log_history": [{"step": 1, "loss": 2.0}]}))
        for directory in (files.data, files.train, files.evaluation("hf", _TASK)):
            (directory / RECORD).write_text(json.dumps(_RECORD))
            write_manifest(directory)
        files.scores("hf", _TASK).parent.mkdir(parents=True)
        right = [1.0, 0.0, 1.0]
        content = {
            "values": {"exact_match": 2 / 3}, "questions": {"exact_match": right}, "clusters": [0, 1, 2], "documents": "abc",
            "signatures": {_TASK: "task:x|n:3"},
        }  # fmt: skip
        write_sealed(files.scores("hf", _TASK), content)
        files.log("train").write_text("went well\n")
        (files.work / PROGRESS).write_text(json.dumps({"step": 1, "max_steps": 2, "loss": 1.0, "seconds_left": 3.0}))
        (files.work / "attempts.json").write_text(json.dumps({"attempts": [{"seconds": 1.0, "joules": {}}]}))
        (files.work / "cell.json").write_text(json.dumps(row.config))
    for name in (PLAN, LOCK, ALIVE, *REPORTS):
        (output / name).write_text("")


def _targets(draw: random.Random, output: Path) -> Path:
    """Something that is there, or could be."""
    there = sorted(path for path in output.rglob("*"))
    others = [
        output / name
        for name in (RUNS, LOGS, WORK, "dependency", "dependency/llama2-7b.json", ".snakemake", "runs/.x", *REPORTS)
    ]
    others += [
        output / "runs" / row / "seed-1" / name
        for row in _ROWS
        for name in ("curve.json", "model", "samples", "made", "scores")
    ]
    return draw.choice(draw.choice((there, there, others)))


def _emptied(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _directory(draw: random.Random, path: Path) -> str:
    _emptied(path)
    path.mkdir()
    if draw.random() < 0.5:
        (path / draw.choice(("x", "manifest.json", ".hidden"))).write_bytes(draw.choice(_CONTENTS))
    return "a directory"


def _file(draw: random.Random, path: Path) -> str:
    content = draw.choice(_CONTENTS)
    _emptied(path)
    path.write_bytes(content)
    return f"a file of {content[:30]!r}"


def _link(draw: random.Random, path: Path) -> str:
    target = draw.choice(("nowhere", path.name, "/dev/null", "/sys", "/etc/passwd", ".."))
    _emptied(path)
    path.symlink_to(target)
    return f"a link to {target}"


def _cut(draw: random.Random, path: Path) -> str:
    if path.is_file() and path.stat().st_size:
        path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])
    return "cut"


def _gone(draw: random.Random, path: Path) -> str:
    _emptied(path)
    return "gone"


def _pipe(draw: random.Random, path: Path) -> str:
    _emptied(path)
    os.mkfifo(path)
    return "a pipe"


_MUTATIONS: tuple[Callable[[random.Random, Path], str], ...] = (
    _directory, _directory, _file, _file, _file, _file, _link, _cut, _gone, _pipe,
)  # fmt: skip


def work(output: Path, of: Plan) -> None:
    """Do what the command does before and after Snakemake, and what a stage and the display read."""
    check_new_directory(output)
    check_tree(output, of.runs(), ())
    remove_scratch(output)
    remove_damaged(output)
    for name, run in of.runs().items():
        files = RunFiles(output, name)
        display = WorkflowProgress(output, print, {})
        display.events.take(
            json.dumps({"event": "job_info", "jobid": 1, "rule_name": "train", "log": [f"{LOGS}/{name}/train.log"]})
        )
        display.seconds_left()
        begin(files.work, run.config)
        run_program(Setup(device="cpu"), "", files.work, ["true"], {})
    write_report(collect_outcome(of, output, []), output)


def _told(output: Path, of: Plan) -> None:
    """As the command's own class does it."""
    try:
        work(output, of)
    except OSError as error:
        if error.filename is None:
            raise
        raise CoTMaskError(f"{error.filename}: {error.strerror}") from error


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Try so many directories."""
    counts, draw, of = Counts(), random.Random(seed), plan()
    build(directory / "whole", of)
    for number in range(count):
        output, told = directory / "out", []
        shutil.copytree(directory / "whole", output)
        for _ in range(draw.choice((1, 1, 2, 3))):
            path = _targets(draw, output)
            if path.parent.is_dir() and not path.parent.is_symlink():
                told.append(f"{path.relative_to(output)}: {draw.choice(_MUTATIONS)(draw, path)}")
        end, text = outcome(lambda output=output: _told(output, of))
        if end == FINE:
            text = _fault(output)
            end = WRONG if text else FINE
        counts.add(end, f"{number}: {'; '.join(told)}", text)
        shutil.rmtree(output)
    return counts


def _fault(output: Path) -> str:
    """Return what a report says that no run scored; a missing one is not told of as done."""
    said: Any = (output / REPORTS[1]).read_text()
    scores = [RunFiles(output, f"{row}/seed-1").scores("hf", _TASK).is_file() for row in _ROWS]
    return "a score that is not there" if "66.7" in said and not any(scores) else ""
