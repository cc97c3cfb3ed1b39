"""The harness end to end at its smallest: run, run again, killed, damaged, and always the same numbers at the end."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from support.harness import SNAKEMAKE, finish, kill, start
from support.programs import Programs

from axolotl_cotmask.reproduction.laptop.plans import tiny_plan
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.run import reproduce

PLAN = {
    "groups": {
        "copying": {
            "bases": ["copying-1"], "problems": [1], "arms": ["sft", "mft-random-0.1"], "train_rows": 64, "steps": 40
        }
    },
    "test_rows": 24,
    "tasks": ["cotmask_gsm8k"],
    "dependency_rows": 4,
}  # fmt: skip
SFT = Path("runs/copying/sft/seed-1")
MFT = Path("runs/copying/mft-random-0.1/seed-1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SNAKEMAKE / "snakemake").is_file(), reason="Snakemake's environment is not there: nox -s workflow"
    ),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Path:
    """A finished run of the plan, by forked programs; what is killed below are real ones."""
    out = tmp_path_factory.mktemp("repro") / "out"
    status, said = finish(start(PLAN, out, python=programs.python))
    assert status == 0, said
    for name in ("report.html", "report.md"):
        # The other tests write it anew.
        shutil.copy(out / name, out.parent / name)
    return out


def scores(out: Path, run: Path) -> dict[str, object]:
    found = json.loads((out / run / "scores/hf/cotmask_gsm8k.json").read_text())
    return {key: value for key, value in found.items() if key != "signatures"}


def test_every_stage_leaves_its_record_and_the_report_is_there(out: Path) -> None:
    for run in (SFT, MFT):
        data, train = (json.loads((out / run / stage / "provenance.json").read_text()) for stage in ("data", "train"))
        assert data["data"]["rows"] == 64
        assert len(data["data"]["sha256"]) == 64
        assert train["versions"]["axolotl"] == "0.19.0"
        assert train["seconds"] > 0
        assert yaml.safe_load((out / run / "train/recipe.yaml").read_text())["seed"] == 1
        assert json.loads((out / run / "train/trainer_state.json").read_text())["global_step"] == 40
        assert (out / run / "model/model.safetensors").is_file()
        assert not list((out / run / "model").glob("checkpoint-*"))
        assert len(scores(out, run)["questions"]["exact_match"]) == 24
    assert not list((out / "work").rglob("*.yaml"))
    page = (out.parent / "report.html").read_text(encoding="utf-8")
    text = (out.parent / "report.md").read_text(encoding="utf-8")
    for words in (
        "MFT (random 0.1)",
        "one run, no verdict",
        "From 64 problems SFT learnt to solve",
        "for this one pair of models",
        "no evidence for or against",
        "axolotl train",
        "lm_eval --model hf",
    ):
        assert words in page
        assert words in text


def test_a_second_time_nothing_is_done_and_it_says_so(out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()}
    # As a stage leaves it that is killed while it writes.
    scratch = out / MFT / ".model.abcd1234" / "new"
    scratch.mkdir(parents=True)
    (scratch / "manifest.json").write_text("{")
    status, said = finish(start(PLAN, out))
    assert status == 0
    assert "Nothing to be done" in said
    assert before == {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()}


@pytest.mark.parametrize("spelling", [("-np",), ("--dryru", "--quiet")], ids=" ".join)
def test_a_dry_run_counts_the_stages_and_does_none(tmp_path: Path, spelling: tuple[str, ...]) -> None:
    status, said = finish(start(PLAN, tmp_path / "out", *spelling))
    assert status == 0, said
    assert {"2 train", "2 evaluate"} <= set(said.splitlines())
    assert not list(tmp_path.rglob("model"))


def test_a_truncated_file_is_found_and_made_again_without_training(out: Path, programs: Programs) -> None:
    before, model = scores(out, MFT), (out / MFT / "model/model.safetensors").stat().st_mtime_ns
    (samples,) = (out / MFT / "evaluate").rglob("samples_*.jsonl")
    os.truncate(samples, samples.stat().st_size // 2)
    status, said = finish(start(PLAN, out, python=programs.python))
    assert status == 0, said
    assert "is not what was written: it and what rests on it are made again" in said
    assert scores(out, MFT) == before
    assert (out / MFT / "model/model.safetensors").stat().st_mtime_ns == model


def test_killed_in_training_and_in_evaluation_it_ends_in_the_same_numbers(out: Path) -> None:
    before = scores(out, MFT)
    weights = (out / MFT / "model/model.safetensors").read_bytes()
    for stage in ("train", "model", "evaluate", "scores"):
        shutil.rmtree(out / MFT / stage)

    process = start(PLAN, out)
    work = out / "work/copying/mft-random-0.1/seed-1/output"
    kill(
        ("bin/axolotl", "train", str(out / "work" / "copying" / "mft-random-0.1")),
        process,
        ready=work / "checkpoint-1?",
    )
    status, said = finish(process)
    assert status != 0
    assert "failed" in said
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "Run copying/mft-random-0.1/seed-1 failed in stage train." in text
    last = [line for line in (out / "logs" / MFT.relative_to("runs") / "train.log").read_text().split("\r") if line][-1]
    assert last.splitlines()[-1].strip() in text, "the last lines of the log are in the report"
    # The newest checkpoint, as a kill in the middle of writing it would leave it.
    newest = max(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / "trainer_state.json").write_text('{"best_glob', encoding="utf-8")

    process = start(PLAN, out)
    kill(("bin/lm_eval", str(out / MFT)), process)
    assert finish(process)[0] != 0
    train = json.loads((out / MFT / "train/provenance.json").read_text())
    assert len(train["attempts"]) == 2
    assert train["peak_memory_gib"] > 0.1
    assert (out / MFT / "model/model.safetensors").read_bytes() == weights

    status, said = finish(start(PLAN, out))
    assert status == 0, said
    assert scores(out, MFT) == before


def test_the_tiny_version_of_a_row(out: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = out.parent / "tiny.yaml"
    size = {"base": "copying-1", "train_rows": 64, "steps": 4, "test_rows": 24, "tasks": ["cotmask_gsm8k"]}
    settings.write_text(yaml.safe_dump(size), encoding="utf-8")
    plan = tiny_plan(make_plan(["llama2-7b/gsm8k-mft"], 1), str(settings))
    monkeypatch.setenv("PATH", os.pathsep.join([str(SNAKEMAKE), os.environ["PATH"]]))
    monkeypatch.setattr("sys.executable", str(programs.python))
    lines: list[str] = []
    assert reproduce(plan, out, "cpu", [], [], lines.append) == 0, lines
    text = (out / "report.md").read_text(encoding="utf-8")
    for words in ("GSM8K, MFT", "47.1", "not run"):
        assert words in text
