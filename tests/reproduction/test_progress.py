"""What is shown while a plan runs: from Snakemake's events, as its logger plugin writes them, and the trainer's file."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import axolotl_cotmask.reproduction
from axolotl_cotmask.reproduction import progress
from axolotl_cotmask.reproduction.progress import WorkflowEvents, WorkflowProgress

ROOT = Path(__file__).parents[2]
SNAKEMAKE = ROOT / ".nox" / "workflow" / "bin" / "snakemake"
PLUGINS = Path(axolotl_cotmask.reproduction.__file__).parent / "snakemake_logger"
TRAIN, EVALUATE = "logs/row/seed-1/train.log", "logs/row/seed-1/evaluate-hf-task.log"


def event(name: str, **fields: Any) -> str:
    return json.dumps({"event": name, **fields}) + "\n"


def job(number: int, rule: str, log: str) -> str:
    return event("job_info", jobid=number, rule_name=rule, rule_msg=f"{rule}: row", log=[log] if log else [])


BEGUN = [event("run_info", stats={"train": 1, "evaluate": 2, "all": 1, "total": 4}), job(3, "train", TRAIN)]


def test_events_become_lines_and_counts() -> None:
    events = WorkflowEvents()
    assert [events.take(line) for line in BEGUN] == [None, "train: row"]
    assert list(events.jobs) == [3]
    assert events.take(event("job_finished", job_id=3)) == "[1/4] done"
    assert events.jobs == {}
    assert events.take(job(4, "evaluate", EVALUATE)) == "evaluate: row"
    told = events.take(event("job_error", jobid=4, log=[EVALUATE, "/slurm/1.log"], text="Error in rule evaluate"))
    assert told == f"failed: {EVALUATE} says why, and the report has its last lines"
    assert (events.failed, events.jobs) == ([EVALUATE], {})
    assert events.take(job(0, "all", "")) is None, "a stage without a log is none of ours"
    assert events.take(event("error", exception="LockException", text="cannot be locked")) is None
    assert events.take("a warning of Python\n") is None
    assert events.take("[1, 2]\n") is None
    assert events.texts == ["cannot be locked", "a warning of Python", "[1, 2]"]


def following(tmp_path: Path, **seconds: float) -> WorkflowProgress:
    shown = WorkflowProgress(tmp_path, lambda line: None, seconds)
    for line in BEGUN:
        shown.events.take(line)
    return shown


def trainer_writes(output: Path, text: str) -> None:
    path = output / "work" / "row" / "seed-1" / "progress.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_what_is_left_goes_by_what_stages_take_at_the_pace_of_this_machine(tmp_path: Path) -> None:
    shown = following(tmp_path, train=100.0, evaluate=20.0, all=0.0)
    assert shown.seconds_left() == pytest.approx(140, abs=1)
    shown.events.jobs[3].started -= 1000
    assert shown.seconds_left() == pytest.approx(40, abs=1), "a stage that takes longer than was thought"
    trainer_writes(tmp_path, '{"step": 50, "max_steps": 200, "loss": 0.5, "seconds_left": 150}')
    assert shown.seconds_left() == pytest.approx(150 + 2 * 2 * 20, abs=1), "half the pace that was thought"
    shown.events.jobs[3].started += 700
    shown.events.take(event("job_finished", job_id=3))
    assert shown.seconds_left() == pytest.approx(3 * 40, abs=3)
    for number in (4, 5):
        shown.events.take(job(number, "evaluate", EVALUATE))
    assert shown.seconds_left() == pytest.approx(3 * 20, abs=3), "two abreast"
    shown.events.jobs[4].started -= 30
    shown.events.take(event("job_finished", job_id=4))
    assert shown.seconds_left() == pytest.approx(30, abs=1), "as long as the other one has taken"


def test_what_is_left_where_nothing_is_known(tmp_path: Path) -> None:
    shown = following(tmp_path)
    assert shown.seconds_left() is None
    shown.events.jobs[3].started -= 50
    shown.events.take(event("job_finished", job_id=3))
    assert shown.seconds_left() == pytest.approx(3 * 50, abs=1)


def test_without_a_terminal_a_line_comes_every_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.05)
    trainer_writes(tmp_path, '{"step": 50, "max_steps": 200, "loss": 0.5, "seconds_left": 75.2}')

    def stream() -> Any:
        yield from BEGUN
        time.sleep(0.3)
        yield event("job_finished", job_id=3)

    told: list[str] = []
    events = WorkflowProgress(tmp_path, told.append, {"train": 100.0}).follow(stream())
    assert told == ["train: row", "[1/4] done"]
    assert {rule: len(seconds) for rule, seconds in events.took.items()} == {"train": 1}
    assert "train: row: 50/200, loss 0.500, 1:15 left; 0 of 4 stages, " in capsys.readouterr().err


def test_on_a_terminal_it_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    monkeypatch.setattr(progress, "_REFRESH", 0.05)
    trainer_writes(tmp_path, '{"step": 50, "max_steps": 200, "loss": 0.25, "seconds_left": 3700}')

    def stream() -> Any:
        yield from BEGUN
        time.sleep(0.3)

    WorkflowProgress(tmp_path, lambda line: None, {}).follow(stream())
    assert "50/200, loss 0.250, 1:01:40 left" in screen.getvalue()
    assert "the whole" in screen.getvalue()


def test_a_broken_file_of_the_trainer_is_no_error(tmp_path: Path) -> None:
    shown = following(tmp_path, train=100.0)
    trainer_writes(tmp_path, '{"step": 5')
    assert shown.seconds_left() == pytest.approx(103, abs=1)


@pytest.mark.skipif(not SNAKEMAKE.is_file(), reason="Snakemake's environment is not there: nox -s workflow")
@pytest.mark.slow
def test_snakemake_tells_its_events_through_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: 'good', 'bad'\n"
        "rule good:\n    output: 'good'\n    log: 'logs/good.log'\n    message: 'a good one'\n    shell: 'touch {output}'\n"
        "rule bad:\n    output: 'bad'\n    log: 'logs/bad.log'\n    message: 'a bad one'\n    shell: 'false'\n"
    )
    done = subprocess.run(
        [str(SNAKEMAKE), "--logger", "cotmask", "--cores", "1", "--keep-going", "--directory", str(tmp_path),
         "--snakefile", str(tmp_path / "Snakefile")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    events = WorkflowEvents()
    told = [line for text in done.stdout.splitlines() if (line := events.take(text)) is not None]
    assert done.returncode != 0
    assert events.planned == {"all": 1, "bad": 1, "good": 1}
    assert {rule: len(seconds) for rule, seconds in events.took.items()} == {"good": 1}
    assert events.failed == ["logs/bad.log"]
    assert {"a good one", "a bad one", "[1/3] done"} <= set(told)
    assert events.jobs == {}
