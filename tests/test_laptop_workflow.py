"""The laptop reproduction end to end, at its smallest: killed in the middle, started again, started once more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
LAPTOP = ROOT / "axolotl_cotmask" / "laptop"
PLAN = {
    "data": {"seed": 0, "train_rows": 64, "test_rows": 24},
    "common": {"steps": 3, "learning_rate": 1e-3},
    "bases": {
        "copying": {"steps": 2, "learning_rate": 1e-3, "drills": True},
        "plain": {"steps": 2, "learning_rate": 1e-3, "drills": False},
    },
    "steps": 2,
    "runs": {"copying": {"sft": 1, "mft-mask-0.2": 1}, "plain": {"sft": 1}},
    "tasks": "cotmask_gsm8k,cotmask_gsm_ic,cotmask_corrupted_step",
    "dependency_rows": 4,
}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    snakemake = ROOT / ".nox" / "workflow" / "bin" / "snakemake"
    if not snakemake.is_file():
        pytest.skip("Snakemake's environment is not there: nox -s workflow")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN), encoding="utf-8")
    return [
        str(snakemake),
        *("--snakefile", str(LAPTOP / "Snakefile"), "--configfile", str(tmp_path / "plan.yaml")),
        *("--directory", str(tmp_path / "out"), "--cores", "2", "--rerun-incomplete", "--show-failed-logs"),
        *("--config", f"recipes={ROOT / 'recipes'}", f"evaltasks={ROOT / 'evaltasks'}"),
    ]


def environment() -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}


def finish(command: list[str]) -> str:
    done = subprocess.run(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_it_continues_where_it_was_killed_and_then_has_nothing_to_do(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 240
    # The first trained model is there: something is done, something is being done, most is not begun.
    while not list(out.glob("runs/*/*/*/model/config.json")) and process.poll() is None:
        assert time.monotonic() < deadline, "no model was trained"
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "report.md").exists()
    base = (out / "bases" / "common" / "model.safetensors").stat().st_mtime_ns

    finish([*command, "--unlock"])
    finish(command)
    assert (out / "bases" / "common" / "model.safetensors").stat().st_mtime_ns == base, "the base was trained again"
    report = (out / "report.md").read_text(encoding="utf-8")
    for words in (
        "SFT",
        "MFT, mask 0.2",
        "From the base `copying`",
        "From the base `plain`",
        "under-powered",
        "chain, 1-4 tokens back",
    ):
        assert words in report
    assert (out / "report.png").stat().st_size > 20_000

    assert "Nothing to be done" in finish(command)
