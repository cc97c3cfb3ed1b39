"""Rows whose data are made of samples of other rows' models: their plans, and a chain end to end, killed in every stage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from support.harness import SNAKEMAKE, finish, kill, start
from support.programs import Programs
from support.project import Project
from support.trained import LORA

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.reproduction.chain_stages import chained_config
from axolotl_cotmask.reproduction.chained_rows import CHAINED
from axolotl_cotmask.reproduction.costs import row_cost
from axolotl_cotmask.reproduction.laptop.data import laptop_rows, question_rows
from axolotl_cotmask.reproduction.laptop.plans import laptop_plan, tiny_plan
from axolotl_cotmask.reproduction.laptop.settings import PlanSettings, read_settings
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.plan import Chain, Plan, RowPlan, Setup, read_run
from axolotl_cotmask.reproduction.recipes import load_recipe
from axolotl_cotmask.reproduction.settings import with_settings

PLAN: dict[str, Any] = {
    "groups": {
        "chained": {
            "bases": ["copying-1"], "problems": [1], "arms": ["sft"], "train_rows": 64, "steps": 120,
            "questions": 24, "samples": 5,
            "chains": {
                "rft": {"from": "sft", "augment": "rft", "arm": "mft-mask-0.4", "steps": 4},
                "dpo": {"from": "sft", "augment": "wrong", "arm": "dpo", "steps": 4},
            },
        }
    },
    "test_rows": 24,
    "tasks": ["cotmask_gsm8k"],
}  # fmt: skip


def test_the_laptops_chains_are_pairs_with_and_without_masking() -> None:
    plan = laptop_plan("laptop-augmented")
    rows = {row.name.rpartition("/")[2]: row for row in plan.rows}
    assert {name: row.chain.source.rpartition("/")[2] for name, row in rows.items() if row.chain} == {
        "sft-rft-sft": "sft", "sft-rft-mft": "sft", "sft-dpo-cot": "sft", "sft-dpo-answer": "sft",
        "sft-dpo-wrong": "sft", "mft-dpo-cot": "mft-mask-0.2", "mft-dpo-answer": "mft-mask-0.2",
        "mft-dpo-wrong": "mft-mask-0.2",
    }  # fmt: skip
    assert {name for name, row in rows.items() if row.chain and row.chain.continues} == {
        name for name in rows if "dpo" in name
    }
    assert all(row.draws == rows["sft"].draws or row.chain for row in rows.values())
    of_rft, of_dpo = plan.runs()["augmented/sft-rft-mft/seed-1"], plan.runs()["augmented/sft-dpo-cot/seed-2"]
    assert of_rft.config is not None
    assert [entry["type"].rpartition(".")[2] for entry in of_rft.config["datasets"]] == ["query_response", "gsm8k"]
    assert of_rft.config["base_model"] == "./bases/copying-5"
    assert of_dpo.chain is not None
    assert of_dpo.chain.source == "augmented/sft/seed-2"
    sampling = plan.runs()["augmented/sft/seed-2"].sampling
    assert sampling is not None
    assert sampling.data_dir == "data/problems-402-rows-300-questions-1000"
    # Each against the same without masking, and against where it began.
    named = {(claim.baseline.rpartition("/")[2], claim.treated.rpartition("/")[2]) for claim in plan.claims}
    assert {("sft-rft-sft", "sft-rft-mft"), ("sft", "sft-rft-sft"), ("sft-dpo-cot", "mft-dpo-cot")} <= named
    together = {claim.treated.rpartition("/")[2]: claim.comparisons for claim in plan.claims}
    assert {name: together[name] for name in together if "rft" in name} == {"sft-rft-sft": 2, "sft-rft-mft": 2}
    assert {together[name] for name in together if "dpo" in name} == {9}


def test_questions_are_none_of_the_problems_and_have_answers_alone() -> None:
    problems, questions = laptop_rows(3, 20, 10), question_rows(3, 20, 10, 30)
    known = {row["question"] for name in ("gsm8k_train", "gsm8k_test") for row in problems[name]}
    assert len(questions) == 30
    assert not known & {row["question"] for row in questions}
    assert all(row["answer"].startswith("#### ") and row["answer"][5:].isdigit() for row in questions)
    assert question_rows(3, 20, 10, 5) == questions[:5]


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ({"from": "mft", "augment": "rft", "arm": "sft"}, "chains.x.from: mft is none of the group's arms"),
        ({"from": "sft", "augment": "rft", "arm": "sfd"}, "chains.x.arm: no recipe is named sfd: did you mean sft?"),
        ({"from": "sft", "augment": "rft", "arm": "dpo"}, "dpo does not train on such data: name one without rl:"),
        ({"from": "sft", "augment": "wrong", "arm": "sft"}, "sft does not train on such data: name one with rl: dpo"),
        ({"from": "sft", "augment": "right", "arm": "dpo"}, "groups.chained.chains.x.augment: "),
        ({"augment": "rft", "arm": "sft"}, "groups.chained.chains.x.from: field required"),
    ],
)
def test_a_wrong_chain_stops_with_a_sentence(chain: dict[str, str], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    group = PLAN["groups"]["chained"] | {"chains": {"x": chain}}
    path.write_text(yaml.safe_dump(PLAN | {"groups": {"chained": group}}), encoding="utf-8")
    with pytest.raises(CoTMaskError) as caught:
        read_settings(str(path), PlanSettings)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", CHAINED)
def test_a_row_of_samples_comes_with_the_row_that_is_sampled(name: str) -> None:
    plan = make_plan([name], 2)
    source, row = plan.rows
    assert row.name == name
    assert source.name == CHAINED[name].source or CHAINED[name].choice
    assert row.chain is not None
    assert row.chain.continues == ("rl" in (row.config or {}))
    assert row.chain.merge == name.startswith("self-refine/"), "an adapter is merged before another is trained on it"
    assert source.sampling is not None
    assert bool(source.sampling.direct_task) == row.chain.direct
    assert row.measures.keys() == source.measures.keys()
    assert plan.runs()[f"{name}/seed-2"].chain.source == f"{source.name}/seed-2"  # type: ignore[union-attr]


@pytest.mark.parametrize("choice", ["obqa", "csqa", "piqa", "siqa"])
def test_self_refine_on_multiple_choice_has_its_own_demonstrations_tasks_and_held_out_questions(choice: str) -> None:
    plan = make_plan([f"self-refine/mistral-7b-{choice}-mft-dpo"], 1)
    source, row = plan.rows
    assert source.name == f"self-refine/mistral-7b-{choice}-mft"
    (entry,), (of_gsm8k,) = (
        (of or {})["datasets"] for of in (source.config, load_recipe("self-refine/mistral-7b-mft"))
    )
    assert entry == of_gsm8k | {"path": f"./demonstrations-{choice}.jsonl"}
    assert [task.name for task in row.tasks] == [f"cotmask_{choice}"]
    assert plan.measures.keys() == {choice.upper()}
    assert source.sampling is not None
    assert SOURCES[f"{choice}_train"].file == source.sampling.file
    known = {path.stem for path in (directory("evaltasks")).rglob("*.yaml")}
    assert {*source.sampling.tasks, f"cotmask_{choice}"} <= known
    assert row.chain is not None
    _, _, _, _, tests, *_ = row.chain.make
    # What is scored on is what no pair may hold.
    (scored,) = (directory("evaltasks") / f"cotmask_{choice}").glob(f"cotmask_{choice}.yaml")
    assert f"source: {tests}\n" in scored.read_text(encoding="utf-8")
    assert len(make_plan([f"self-refine/mistral-7b-{choice}-mft-dpo", "self-refine/mistral-7b-mft-dpo"], 1).rows) == 4
    assert row_cost(plan, source) is row_cost(plan, row) is None, "nobody knows how many demonstrations these are"


def test_rows_that_sample_a_model_in_two_ways_are_refused() -> None:
    assert len(make_plan(["rft/llama2-7b-sft", "rft/llama2-7b-mft", "llama2-7b/gsm8k-sft"], 1).rows) == 3
    with pytest.raises(CoTMaskError, match=r"llama2-7b/gsm8k-sft would be sampled in two ways"):
        make_plan(["rft/llama2-7b-sft", "dpo-st/llama2-7b-sft"], 1)


def test_a_setting_of_the_first_stage_stands_in_the_name_of_the_second() -> None:
    plan = with_settings(make_plan(["dpo-st/llama2-7b-mft"], 1), ["cotmask.mask_ratio=0.2"], None)
    source, row = plan.rows
    assert row.chain is not None
    assert (source.name, row.name) == (
        "llama2-7b/gsm8k-mft,cotmask.mask_ratio:0.2",
        "dpo-st/llama2-7b-mft,cotmask.mask_ratio:0.2",
    )
    assert row.chain.source == source.name
    assert "cotmask" not in (row.config or {})
    both = with_settings(make_plan(["rft/llama2-7b-sft"], 1), ["learning_rate=2e-5"], None)
    assert set(both.runs()) >= {run.chain.source for run in both.runs().values() if run.chain}


def test_a_chain_has_no_tiny_version() -> None:
    with pytest.raises(CoTMaskError, match=r"llama2-7b/gsm8k-sft is part of a chain, which has no tiny version"):
        tiny_plan(make_plan(["rft/llama2-7b-sft"], 1))


def test_what_a_chain_needs_and_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(cotmask, ["repro", "self-refine/llama2-7b-sft-dpo"])
    assert refused.exit_code == 1
    assert refused.output == (
        "Error: self-refine/llama2-7b-sft trains on ./demonstrations.jsonl, which is not there: put it there\n"
    )
    refused = CliRunner().invoke(cotmask, ["repro", "self-refine/llama2-7b-piqa-sft-dpo"])
    assert "self-refine/llama2-7b-piqa-sft trains on ./demonstrations-piqa.jsonl, which is not there" in refused.output
    assert not list(tmp_path.iterdir())
    with pytest.raises(CoTMaskError, match=r"pairs of a model's own samples: name a row that makes them, such as dpo-"):
        make_plan(["dpo-st/llama2-7b"], 1)


def test_a_written_plan_has_its_chains(tmp_path: Path) -> None:
    plan = laptop_plan("laptop-augmented")
    (tmp_path / "plan.json").write_text(plan.as_json(), encoding="utf-8")
    for name in ("augmented/sft/seed-3", "augmented/mft-dpo-cot/seed-3"):
        assert read_run(tmp_path / "plan.json", name)[1] == _as_read(plan, name)


def _as_read(plan: Plan, name: str) -> Any:
    run = plan.runs()[name]
    chain = run.chain and type(run.chain)(**{**vars(run.chain), "make": list(run.chain.make)})
    return type(run)(**{**vars(run), "needs": list(run.needs), "chain": chain})


@pytest.mark.slow
def test_an_adapter_is_merged_before_another_run_goes_on_from_it(project: Project, programs: Programs) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    directory = project.directory
    trained = project.train("first", learning_rate=5e-3, **LORA)
    first = directory / "runs" / "first" / "seed-1"
    (first / "train").mkdir(parents=True)
    shutil.copy(directory / "first.yaml", first / "train" / "recipe.yaml")
    trained.rename(first / "model")
    recipe = yaml.safe_load((first / "train" / "recipe.yaml").read_text())
    chain = Chain("first", ("pairs", "--rule", "wrong"), continues=True, merge=True)
    second = load_recipe("laptop/dpo")
    rows = [
        RowPlan("first", "SFT", "chained", {}, recipe),
        RowPlan("second", "DPO", "chained", {}, second, chain=chain),
    ]
    plan = Plan("a chain", rows, {}, {"first": [1], "second": [1]}, setup=Setup(device="cpu"))
    (directory / "plan.json").write_text(plan.as_json(), encoding="utf-8")

    arguments = ["merge", "second/seed-1", "runs/second/seed-1/start"]
    stage = [programs.python, "-m", "axolotl_cotmask.reproduction", *arguments]
    variables = {**os.environ, "PATH": os.pathsep.join([str(programs.python.parent), os.environ["PATH"]])}
    done = subprocess.run(stage, cwd=directory, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    merged = AutoModelForCausalLM.from_pretrained(directory / "runs/second/seed-1/start")
    base = AutoModelForCausalLM.from_pretrained(project.model)
    ids = torch.arange(5, 25).reshape(2, 10)
    with torch.no_grad():
        of_base = base(ids).logits
        of_adapter = PeftModel.from_pretrained(base, str(first / "model"))(ids).logits
        torch.testing.assert_close(merged.float()(ids).logits, of_adapter, atol=2e-5, rtol=1e-4)
    assert (of_adapter - of_base).abs().max() > 1e-3, "the adapter is something else than its base model"
    run = plan.runs()["second/seed-1"]
    assert chained_config("second/seed-1", run)["base_model"].endswith("runs/second/seed-1/start")
    assert json.loads((directory / "runs/second/seed-1/start/provenance.json").read_text())["seconds"] > 0


# The chain itself.


def with_chains(*names: str) -> dict[str, Any]:
    group = PLAN["groups"]["chained"]
    return PLAN | {"groups": {"chained": group | {"chains": {name: group["chains"][name] for name in names}}}}


def result(out: Path, row: str) -> tuple[dict[str, Any], bytes]:
    run = out / "runs" / "chained" / row / "seed-1"
    scored = json.loads((run / "scores/hf/cotmask_gsm8k.json").read_text())
    return {key: value for key, value in scored.items() if key != "signatures"}, (run / "made/rows.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(
    not (SNAKEMAKE / "snakemake").is_file(), reason="Snakemake's environment is not there: nox -s workflow"
)
def test_a_chain_that_is_killed_in_every_stage_ends_in_the_same_numbers(tmp_path: Path, programs: Programs) -> None:
    out = tmp_path / "out"
    status, said = finish(start(PLAN, out, python=programs.python))
    assert status == 0, said
    runs = out / "runs" / "chained"
    before = {row: result(out, row) for row in ("rft", "dpo")}
    (train,) = [json.loads((runs / "dpo/seed-1" / "train/trainer_state.json").read_text())]
    assert any("rewards/margins" in entry for entry in train["log_history"])
    recipe = yaml.safe_load((runs / "dpo/seed-1" / "train/recipe.yaml").read_text())
    assert recipe["plugins"] == ["axolotl_cotmask.training.progress.ProgressPlugin"]
    assert "then DPO: pairs by the reasoning" in (out / "report.md").read_text(encoding="utf-8")
    report = json.loads((runs / "rft/seed-1/made/report.json").read_text())
    assert report["kept"] > 0, "the model solves some of the questions"
    weights = (runs / "sft/seed-1/model/model.safetensors").read_bytes()

    shutil.rmtree(runs / "sft/seed-1/samples")
    for stage in ("made", "data", "train", "model", "evaluate", "scores"):
        shutil.rmtree(runs / "dpo/seed-1" / stage)
    plan = with_chains("dpo")
    stages = [
        ("bin/axolotl-cotmask", "sample", str(out)),
        ("bin/axolotl-cotmask", "pairs", str(out)),
        ("bin/axolotl", "preprocess", str(runs / "dpo")),
        ("bin/axolotl", "train", str(out / "work/chained/dpo")),
        ("bin/lm_eval", str(runs / "dpo")),
    ]
    # Each stage that fails is begun once more: what is left of the first time is there.
    process = start(plan, out, "--retries", "1", python=programs.python)
    for words in stages:
        kill(words, process)
    status, said = finish(process)
    assert status == 0, said
    assert said.count(" says why, and the report has its last lines") == len(stages), said
    assert {row: result(out, row) for row in ("rft", "dpo")} == before
    assert (runs / "sft/seed-1/model/model.safetensors").read_bytes() == weights
    assert "Nothing to be done" in finish(start(plan, out, python=programs.python))[1]
