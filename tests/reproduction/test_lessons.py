"""LLM2LLM's rounds in the harness: their plan, and a teacher that is asked, interrupted, or a file of replies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from click.testing import CliRunner
from support.chat_stub import Body, ChatStub, Raw, chat_stub
from support.forked import Axolotl
from support.harness import SNAKEMAKE
from support.project import Rows, write_jsonl

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.reproduction import chain_stages, lessons, stages
from axolotl_cotmask.reproduction.costs import cost_table, teacher_requests
from axolotl_cotmask.reproduction.integrity import remove_damaged, write_manifest
from axolotl_cotmask.reproduction.laptop.plans import tiny_plan
from axolotl_cotmask.reproduction.layout import RunFiles
from axolotl_cotmask.reproduction.lesson_rows import LESSONS
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.plan import Plan, Setup, read_run
from axolotl_cotmask.reproduction.recipes import load_recipe
from axolotl_cotmask.reproduction.settings import with_settings, with_teacher

NAME = "llm2llm/llama2-7b-sft"
URL = "http://localhost:8000/v1"


def test_a_round_begins_from_the_mistakes_of_the_one_before_and_trains_the_base_on_all() -> None:
    plan = make_plan([NAME], 2)
    assert [row.name for row in plan.rows] == [f"{NAME}/round-{number}" for number in range(11)]
    first, *others = plan.rows
    assert (first.chain, first.teacher, first.rows) == (None, None, 74)
    types = [[entry["type"].rpartition(".")[2] for entry in (row.config or {})["datasets"]] for row in plan.rows]
    assert types == [["gsm8k"], *[["query_response", "gsm8k"]] * 10]
    assert [row.chain.source for row in others if row.chain] == [row.name for row in plan.rows[:-1]]
    assert not any(row.chain.continues for row in others if row.chain), "each from the base model"
    assert {row.teacher for row in others} == {""}
    assert [len(row.measures) for row in plan.rows] == [2, *[1] * 9, 2]
    assert {tuple(row.needs) for row in plan.rows} == {(str(Path("seeds/gsm8k_train.jsonl").resolve()),)}
    changed = {key for key in (first.config or {}) if (first.config or {})[key] != (others[0].config or {})[key]}
    assert changed == {"datasets"}
    assert teacher_requests(plan) == 2 * 10 * 74 * 3
    assert not [line for line in cost_table(plan) if "?" in line]
    short = make_plan(["llm2llm/llama2-7b-mft/round-2"], 1)
    assert [row.name.rpartition("/")[2] for row in short.rows] == ["round-0", "round-1", "round-2"]
    assert {(row.config or {})["cotmask"]["mask_ratio"] for row in short.rows} == {0.4}
    assert len(make_plan(["llm2llm/llama2-7b-mft/round-0"], 1).rows) == 1
    with pytest.raises(CoTMaskError, match=r"there is nothing called llm2llm/llama2-7b-mft/round-11"):
        make_plan(["llm2llm/llama2-7b-mft/round-11"], 1)
    with pytest.raises(CoTMaskError, match=r"round-1 is part of a chain, which has no tiny version"):
        tiny_plan(make_plan([f"{NAME}/round-1"], 1))


@pytest.mark.parametrize("name", LESSONS)
def test_every_name_of_a_round_can_be_planned(name: str) -> None:
    assert make_plan([name], 1).rows[-1].name == (name if "round" in name else f"{name}/round-10")


def test_another_teacher_makes_other_runs_and_another_address_does_not(tmp_path: Path) -> None:
    plan = with_settings(make_plan([f"{NAME}/round-1"], 1), ["learning_rate=1e-5"], None)
    first, second = with_teacher(plan, "meta/llama 70b", URL).rows
    assert first.name == f"{NAME}/round-0,learning_rate:1e-5"
    assert second.name == f"{NAME}/round-1,learning_rate:1e-5,teacher:meta_llama_70b"
    assert second.chain is not None
    assert (second.chain.source, second.teacher, first.teacher) == (first.name, "meta/llama 70b", None)
    here, there = (with_teacher(plan, "m", url) for url in (URL, "https://api.example.com/v1"))
    assert here.runs() == there.runs()
    assert (here.endpoint, here.seeds) == (URL, there.seeds)
    files = [tmp_path / place / "replies.jsonl" for place in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.touch()
    names = [with_teacher(plan, str(file), "").rows[1].name for file in files]
    assert names[0] != names[1]
    assert all(",teacher:replies-" in name for name in names)
    assert with_teacher(plan, str(files[0]), "").rows[1].teacher == str(files[0])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([NAME], f"{NAME}/round-1 is trained on what a teacher writes, and none is named: give --teacher NAME"),
        ([NAME, "--teacher", "none.jsonl"], "--teacher none.jsonl: there is no file of this name: name a file of"),
        ([NAME, "--teacher", ""], "--teacher : there is no file of this name"),
        ([NAME, "--teacher", "m", "--endpoint", "localhost"], "'localhost' is no address of an endpoint"),
        ([NAME, "--teacher", "m", "--endpoint", "http://u:p@x/v1"], "the address of x holds more than host and path"),
        ([NAME, "--endpoint", URL], f"--endpoint {URL} is a teacher's: name its model there with --teacher"),
        (["table1", "--teacher", "m", "--endpoint", URL], "--teacher m: nothing that is named learns of a teacher"),
        ([f"{NAME}/round-0", "--teacher", "m", "--endpoint", URL], "nothing that is named learns of a teacher"),
        ([NAME, "--teacher", "", "--endpoint", URL], "is trained on what a teacher writes, and none is named"),
    ],
)
def test_what_a_lesson_lacks_is_told_before_anything_runs(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "gsm8k_train.jsonl").touch()
    refused = CliRunner().invoke(cotmask, ["repro", *words])
    assert refused.exit_code == 1
    assert sentence in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["seeds"]


# The stages, in the order in which the workflow calls them.

NAMES = ["Ann", "Ben", "Cem", "Dora", "Eve", "Finn", "Gus", "Hal"]


def problem(n: int) -> tuple[str, str]:
    """A teacher's n-th problem and its solution."""
    question = f"{NAMES[n]} has {n + 3} boxes of {n + 5} {NAMES[-n]}-cards and finds {n + 2} more. How many is that?"
    total = (n + 3) * (n + 5) + n + 2
    return question, f"{(n + 3) * (n + 5)} + {n + 2} = {total}\n#### {total}"


@pytest.fixture
def lesson(tmp_path: Path, gsm8k_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Lay out two rounds' plan in an output directory, with the seeds beside it; it becomes the working directory."""
    out, where = tmp_path / "out", tmp_path / "here"
    for directory in (out, where / "seeds", tmp_path / "data"):
        directory.mkdir(parents=True)
    write_jsonl(where / "seeds" / "gsm8k_train.jsonl", gsm8k_rows[:3])
    write_jsonl(tmp_path / "data" / "gsm8k_test.jsonl", gsm8k_rows[40:])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(out)

    def lay_out(teacher: str, endpoint: str = "") -> Plan:
        plan = with_teacher(make_plan([f"{NAME}/round-2"], 1), teacher, endpoint)
        rows = [replace(row, gpus=0) for row in plan.rows]
        setup = Setup(device="cpu", directory=str(where), generation="max_gen_toks=4")
        plan = replace(plan, rows=rows, setup=setup)
        (out / "plan.json").write_text(plan.as_json(), encoding="utf-8")
        return plan

    return lay_out


def wrong(name: str, rows: Rows, numbers: set[int]) -> None:
    """Write what lm-eval leaves of a model that answers these of three seed questions wrongly."""
    mistakes = RunFiles(Path(), name).mistakes
    mistakes.mkdir(parents=True)
    samples = [
        {"doc_id": n, "doc": row, "resps": [["4"] * 5], "filter": "none", "solved": float(n not in numbers)}
        for n, row in enumerate(rows[:3])
    ]
    write_jsonl(mistakes / "samples_cotmask_sample_gsm8k_2026-01-01T00-00-00.000000.jsonl", samples)
    results = {"results": {"cotmask_sample_gsm8k": {}}, "configs": {"cotmask_sample_gsm8k": {}}, "config": {}}
    (mistakes / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(results), encoding="utf-8")
    write_manifest(mistakes)


class Teacher:
    """Writes a new problem at each request for one, and solves those that it wrote; ``broken`` from so many on."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.broken: int | None = None
        self._one_at_a_time = Lock()

    def __call__(self, body: Body) -> Raw | str:
        with self._one_at_a_time:
            return self._answer(body)

    def _answer(self, body: Body) -> Raw | str:
        if body["messages"][0]["role"] != "system":
            question = body["messages"][0]["content"].rpartition("\n\n")[2]
            return dict(problem(n) for n in range(len(NAMES)))[question]
        if len(self.written) == self.broken:
            return Raw(status=400, body="no more credit")
        question, solution = problem(len(self.written))
        self.written.append(question)
        return f"Question: {question}\nAnswer: {solution}"


def rows_of(name: str) -> list[str]:
    return [row["query"] for row in read_jsonl(RunFiles(Path(), name).made / "rows.jsonl")]


@pytest.mark.slow
def test_a_teacher_is_asked_about_mistakes_and_not_again_where_it_was_interrupted(
    lesson: Callable[..., Plan],
    gsm8k_rows: Rows,
    tiny_model: Path,
    axolotl: Axolotl,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def in_a_fork(_: Setup, data_dir: str, work: Path, command: list[str], *others: Any) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setenv("COTMASK_DATA_DIR", data_dir)
            axolotl.lm_eval(*command[1:], cwd=tmp_path).check()
        return {}

    monkeypatch.setattr(stages, "run_program", in_a_fork)
    teacher = Teacher()
    with chat_stub(teacher) as stub:
        source, name, _ = lesson("t", stub.url).runs()
        first = RunFiles(Path(), name)
        shutil.copytree(tiny_model, RunFiles(Path(), source).model)
        stages.mistakes(name, first.mistakes)
        asked = [row["doc"] for row in read_jsonl(next(first.mistakes.rglob("samples_*.jsonl")))]
        assert [doc["question"] for doc in asked] == [row["question"] for row in gsm8k_rows[:3]], "the seeds, none else"

        teacher.broken = 2
        with pytest.raises(SystemExit):
            chain_stages.augment(name, first.made)
        assert not first.made.exists()
        teacher.broken, before = None, len(stub.asked)
        chain_stages.augment(name, first.made)
        assert problems_asked(stub, before) == 1, "two of three were there"
        assert rows_of(name) == teacher.written[:3]
        assert not (first.work / "teach").exists()
        record = json.loads((first.made / "provenance.json").read_text())
        assert [part.split()[2] for part in record["command"].split(" && ")] == ["hard", "ask", "solve", "ask", "merge"]
        assert len(record["attempts"]) == 6


def problems_asked(stub: ChatStub, begin: int) -> int:
    return sum(body["messages"][0]["role"] == "system" for body in stub.asked[begin:])


@pytest.mark.slow
def test_a_file_of_replies_gives_those_to_what_was_wrong(
    lesson: Callable[..., Plan], gsm8k_rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_this_process(
        _: Setup, data_dir: str, work: Path, command: list[str], config: Any, printed: Path | None
    ) -> Any:
        done = CliRunner().invoke(cotmask, command[1:])
        assert done.exit_code == 0, done.output
        if printed is not None:
            printed.write_text(done.stdout, encoding="utf-8")
        return {"command": "", "attempts": [{"seconds": 0.0}], "peak_memory_gib": 0.0}

    monkeypatch.setattr(lessons, "run_program", in_this_process)
    seeds = [row["question"] for row in gsm8k_rows[:3]]
    pool: list[dict[str, Any]] = []
    for n, seed in enumerate([*seeds, ["no", "text"]]):
        question, solution = problem(n)
        pool.append({"seed_question": seed, "answer": f"Question: {question}\nAnswer: {solution}"})
        pool += [{"question": question, "answer": solution, "key": str(vote)} for vote in range(2)]
    file = write_jsonl(tmp_path / "pool.jsonl", pool)
    _, *names = lesson(str(file)).runs()
    first, second = (RunFiles(Path(), name) for name in names)
    wrong(names[0], gsm8k_rows, {0, 1})
    chain_stages.augment(names[0], first.made)
    assert rows_of(names[0]) == [problem(n)[0] for n in range(2)], "the third seed was answered rightly"
    assert len(list(read_jsonl(first.made / "replies.jsonl"))) == 6
    wrong(names[1], gsm8k_rows, {0, 2})
    chain_stages.augment(names[1], second.made)
    assert rows_of(names[1]) == [problem(n)[0] for n in range(3)], "those of the round before, too"
    _, run = read_run(Path("plan.json"), names[1])
    config = chain_stages.chained_config(names[1], run)
    assert [entry["path"] for entry in config["datasets"]] == [
        str((second.made / "rows.jsonl").resolve()), "./seeds/gsm8k_train.jsonl"
    ]  # fmt: skip
    assert config["base_model"] == load_recipe(NAME)["base_model"]

    # The next round reads what is there also where this one is trained.
    first.train.mkdir()
    write_manifest(first.train)
    (first.made / "replies.jsonl").write_text("")
    (complaint,) = remove_damaged(Path())
    assert "replies.jsonl is not what was written" in complaint
    assert [path.exists() for path in (first.made, first.train, second.made)] == [False, False, True]

    write_jsonl(file, pool[-3:])
    with pytest.raises(CoTMaskError, match=r"none of its replies has in `seed_question` one of the 2 questions"):
        chain_stages.augment(names[0], first.made)
    assert not first.made.exists()


@pytest.mark.slow
@pytest.mark.skipif(
    not (SNAKEMAKE / "snakemake").is_file(), reason="Snakemake's environment is not there: nox -s workflow"
)
def test_the_workflow_has_a_stage_for_each_part_of_a_round(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "gsm8k_train.jsonl").touch()
    done = subprocess.run(
        ["axolotl-cotmask", "repro", f"{NAME}/round-2", "--seeds", "1", "--teacher", "m", "--endpoint", URL,
         "--output", "out", "--", "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PATH": f"{SNAKEMAKE}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    planned = {"data": 3, "train": 3, "mistakes": 2, "augment": 2, "evaluate": 5, "score": 5}
    lines = done.stderr.splitlines()
    assert all(f"{count} {rule}" in lines for rule, count in planned.items()), done.stderr
