"""What stages wrote becomes rows, verdicts and failures: from small files with the stages' names and fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.stats.claims import Verdict
from axolotl_cotmask.evaluation.stats.crossed import over_draws, pooled, pooled_mean
from axolotl_cotmask.reproduction.collect import collect_outcome
from axolotl_cotmask.reproduction.external import read_external
from axolotl_cotmask.reproduction.integrity import remove_damaged, remove_scratch, write_manifest, write_sealed
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.plan import Draw, ExtraRules, Headline, Plan
from axolotl_cotmask.reproduction.recipes import load_recipe
from axolotl_cotmask.reproduction.report import write_report
from axolotl_cotmask.reproduction.report.outcome import RunStatus
from axolotl_cotmask.reproduction.settings import with_settings

SFT, MFT = "llama2-7b/math-sft", "llama2-7b/math-mft"
LORA = Path(__file__).parents[2] / "bench" / "external" / "lora.yaml"


def scored(
    out: Path, row: str, seed: int, right: Sequence[float | None], documents: str = "abc", task: str = "cotmask_math"
) -> None:
    path = out / "runs" / row / f"seed-{seed}" / "scores" / "hf" / f"{task}.json"
    path.parent.mkdir(parents=True)
    known = [value for value in right if value is not None]
    content = {
        "values": {"exact_match": sum(known) / len(known), "robust_match": 0.5, "invalid": 0.25},
        "questions": {"exact_match": right},
        "clusters": list(range(len(right))),
        "documents": documents,
        "signatures": {task: f"task:{task}|data:{documents}|n:{len(right)}"},
    }
    path.write_text(json.dumps(content))
    trained(out, row, seed)


def trained(out: Path, row: str, seed: int, **changes: object) -> None:
    path = out / "runs" / row / f"seed-{seed}" / "train" / "recipe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {"seed": seed, "output_dir": "/elsewhere", "auto_resume_from_checkpoints": True}
    path.write_text(yaml.safe_dump(load_recipe(row) | own | changes))


def test_rows_have_means_and_claims_verdicts_over_runs_and_questions(tmp_path: Path) -> None:
    sft = [[0.0, 0.0, 1.0, 0.0] * 50, [0.0, 0.0, 1.0, 1.0] * 50]
    mft = [[1.0, 0.0, 1.0, 0.0] * 50, [1.0, 1.0, 1.0, 0.0] * 50]
    for seed in (1, 2):
        scored(tmp_path, SFT, seed, sft[seed - 1])
        scored(tmp_path, MFT, seed, mft[seed - 1])
    outcome = collect_outcome(make_plan([SFT, MFT], 2), tmp_path, [])
    row = outcome.rows[1]
    assert (row.estimates["MATH"].value, row.published["MATH"]) == (pytest.approx(0.625), pytest.approx(0.089))
    assert row.deviations["MATH"] == pytest.approx(0.17678, abs=1e-5)
    assert [run.status for run in row.runs] == [RunStatus.DONE] * 2
    assert (row.runs[0].robust["MATH"], row.runs[0].invalid["MATH"]) == (0.5, 0.25)
    (claim,) = outcome.claims
    expected = pooled(sft, mft, range(200))
    assert claim.claimed == pytest.approx(0.013)
    assert claim.measured is not None
    assert (claim.measured.value, claim.measured.low) == (pytest.approx(0.25), pytest.approx(expected.low))
    assert claim.verdict is Verdict.UNDER_POWERED
    assert claim.per_seed[1].only_b == 50


def test_the_average_over_a_tables_pairs(tmp_path: Path) -> None:
    plan = make_plan(["table1"], 2)
    (average,) = (average for average in plan.averages if average.measure == "MATH")
    rows, rng = {row.name: row for row in plan.rows}, np.random.default_rng(0)
    pairs = []
    for pair in average.pairs:
        sides = [(rng.random((2, 60)) < share).astype(float).tolist() for share in (0.3, 0.5)]
        for name, side in zip(pair, sides, strict=True):
            for seed in (1, 2):
                scored(tmp_path, name, seed, side[seed - 1], task=rows[name].measures["MATH"].task.name)
        pairs.append((sides[0], sides[1]))
    *_, on_gsm8k, on_math = collect_outcome(plan, tmp_path, []).claims
    assert (on_math.measured, on_math.claimed) == (pooled_mean(pairs, range(60)), pytest.approx(0.069 / 6))
    assert on_math.verdict is Verdict.REPRODUCED
    assert on_gsm8k.verdict is Verdict.NOT_RUN
    assert "mistral-7b/metamath-mft" in on_gsm8k.missing
    report = outcome_text(plan, tmp_path)
    assert "the mean over 6 pairs of rows: MFT against SFT" in report
    assert "Table 1, mean of 6 pairs; the abstract says +1" in report
    # One row with other questions has no common mean with the others.
    last = average.pairs[-1][1]
    (tmp_path / "runs" / last / "seed-2" / "scores" / "hf" / "cotmask_mammoth_math.json").unlink()
    (tmp_path / "runs" / last / "seed-2" / "scores" / "hf").rmdir()
    scored(tmp_path, last, 2, [1.0] * 60, documents="other", task="cotmask_mammoth_math")
    on_math = collect_outcome(plan, tmp_path, []).claims[-1]
    assert (on_math.measured, on_math.verdict) == (None, Verdict.NOT_RUN)
    assert "the same questions" in on_math.missing


def outcome_text(plan: Plan, out: Path) -> str:
    write_report(collect_outcome(plan, out, []), out)
    return (out / "report.md").read_text(encoding="utf-8")


def test_claims_that_are_read_together_have_wider_intervals_and_say_so(tmp_path: Path) -> None:
    plan = make_plan(["methods", "table5"], 2)
    rng = np.random.default_rng(0)
    runs = {
        name: (rng.random((2, 80)) < 0.5).astype(float).tolist()
        for name in ("gsm8k-sft", "gsm8k-rft-100-sft", "gsm8k-mft")
    }
    for name, side in runs.items():
        for seed in (1, 2):
            scored(tmp_path, f"llama2-7b/{name}", seed, side[seed - 1], task="cotmask_gsm8k")
    claims = {
        (claim.baseline, claim.treated): claim
        for claim in collect_outcome(plan, tmp_path, []).claims
        if claim.measure == "GSM8K"
    }
    together = claims["llama2-7b/gsm8k-sft", "llama2-7b/gsm8k-rft-100-sft"]
    assert together.measured == pooled(runs["gsm8k-sft"], runs["gsm8k-rft-100-sft"], range(80), 4)
    alone = claims["llama2-7b/gsm8k-sft", "llama2-7b/gsm8k-mft"]
    assert alone.measured == pooled(runs["gsm8k-sft"], runs["gsm8k-mft"], range(80))
    verdicts, _, _ = outcome_text(plan, tmp_path).partition("Each seed")
    lines = [line for line in verdicts.splitlines() if line.startswith("| GSM8K (") and "[" in line]
    said = ["one of 4 read together" in line for line in lines]
    assert sorted(said) == [False, True, True], "MFT against SFT is a claim of its own"


def test_a_metric_may_leave_questions_out(tmp_path: Path) -> None:
    for seed in (1, 2):
        scored(tmp_path, SFT, seed, [0.0, None, 1.0, 0.0])
        scored(tmp_path, MFT, seed, [1.0, 1.0, 1.0, None])
    (claim,) = collect_outcome(make_plan([SFT, MFT], 2), tmp_path, []).claims
    assert claim.measured is not None
    assert claim.measured.value == pytest.approx(0.5)
    assert claim.per_seed[1].n == 2


def test_a_baseline_of_another_plan_in_the_same_directory_counts(tmp_path: Path) -> None:
    scored(tmp_path, MFT, 1, [1.0, 0.0])
    plan = make_plan([MFT], 1)
    (claim,) = collect_outcome(plan, tmp_path, []).claims
    assert (claim.verdict, claim.missing, claim.measured) == (Verdict.NOT_RUN, SFT, None)
    scored(tmp_path, SFT, 1, [0.0, 0.0])
    (claim,) = collect_outcome(plan, tmp_path, []).claims
    assert (claim.verdict, claim.missing) == (Verdict.UNDER_POWERED, "")


def test_other_questions_are_not_compared(tmp_path: Path) -> None:
    scored(tmp_path, MFT, 1, [1.0, 0.0])
    scored(tmp_path, SFT, 1, [1.0, 0.0], documents="other")
    (claim,) = collect_outcome(make_plan([SFT, MFT], 1), tmp_path, []).claims
    assert (claim.verdict, claim.measured) == (Verdict.NOT_RUN, None)
    assert claim.missing.startswith("scores on the same questions: remove")


def drawn(out: Path, pairs: Mapping[int, tuple[str, str]], **right: Mapping[int, Sequence[float]]) -> Plan:
    """A plan of SFT and MFT whose seeds stand for these pairs, and the scores that are given."""
    draws = {seed: Draw(base, problems, {}, "data") for seed, (base, problems) in pairs.items()}
    plan = make_plan([SFT, MFT], len(pairs))
    for name, by_seed in right.items():
        for seed, values in by_seed.items():
            scored(out, {"sft": SFT, "mft": MFT}[name], seed, values, documents=pairs[seed][1])
    return replace(plan, rows=[replace(row, draws=draws) for row in plan.rows])


def test_with_bases_and_problems_the_interval_is_over_both(tmp_path: Path) -> None:
    pairs = {1: ("a", "x"), 2: ("a", "y"), 3: ("b", "x"), 4: ("b", "y")}
    sft = {seed: [0.0, 0.0, 1.0, 0.0] for seed in pairs}
    mft = {1: [1.0, 0.0, 1.0, 0.0], 2: [1.0, 1.0, 1.0, 0.0], 3: [0.0, 0.0, 1.0, 1.0], 4: [1.0, 1.0, 1.0, 1.0]}
    outcome = collect_outcome(drawn(tmp_path, pairs, sft=sft, mft=mft), tmp_path, [])
    (claim,) = outcome.claims
    assert claim.measured == over_draws({("a", "x"): 0.25, ("a", "y"): 0.5, ("b", "x"): 0.25, ("b", "y"): 0.75})
    assert {seed: pair.difference.value for seed, pair in claim.per_seed.items()} == {1: 0.25, 2: 0.5, 3: 0.25, 4: 0.75}
    # The data of different sets are no difference in how a pair was scored.
    assert (claim.missing, claim.note) == ("", "")
    assert outcome.rows[0].estimates["MATH"].value == 0.25
    assert [run.made_of for run in outcome.rows[0].runs] == ["a, x", "a, y", "b, x", "b, y"]


def test_a_set_of_problems_counts_when_all_bases_have_it(tmp_path: Path) -> None:
    pairs = {1: ("a", "x"), 2: ("a", "y"), 3: ("b", "x"), 4: ("b", "y")}
    sft = {1: [0.0, 0.0], 2: [0.0, 0.0], 3: [0.0, 0.0]}
    mft = {1: [1.0, 0.0], 2: [1.0, 1.0], 3: [1.0, 0.0], 4: [1.0, 1.0]}
    plan = drawn(tmp_path, pairs, sft=sft, mft=mft)
    (claim,) = collect_outcome(plan, tmp_path, []).claims
    assert claim.measured is not None
    assert (claim.measured.value, claim.measured.n) == (0.5, 2)
    assert set(claim.per_seed) == {1, 2, 3}


def test_where_each_base_has_a_set_of_its_own_every_run_counts(tmp_path: Path) -> None:
    pairs = {1: ("a", "x"), 2: ("b", "y"), 3: ("c", "z")}
    plan = drawn(tmp_path, pairs, sft={1: [0.0, 0.0], 2: [0.0, 0.0]}, mft={1: [1.0, 0.0], 2: [1.0, 1.0], 3: [1.0, 1.0]})
    (claim,) = collect_outcome(plan, tmp_path, []).claims
    assert claim.measured == over_draws({("a", "x"): 0.5, ("b", "y"): 1.0})
    assert claim.measured.n == 2


def test_sides_without_a_common_seed_or_with_other_questions_are_not_compared(tmp_path: Path) -> None:
    pairs = {1: ("a", "x"), 2: ("a", "y")}
    plan = drawn(tmp_path, pairs, sft={1: [0.0, 1.0]}, mft={2: [0.0, 1.0]})
    assert collect_outcome(plan, tmp_path, []).claims[0].missing == "a seed that both sides have"
    path = tmp_path / "runs" / MFT / "seed-1/scores/hf/cotmask_math.json"
    scored(tmp_path, MFT, 1, [1.0, 1.0], documents="others")
    assert path.is_file()
    (claim,) = collect_outcome(plan, tmp_path, []).claims
    assert claim.missing.startswith("scores on the same questions")
    assert claim.measured is None


def test_scores_of_a_recipe_that_has_changed_since_do_not_count(tmp_path: Path) -> None:
    scored(tmp_path, MFT, 1, [1.0, 0.0])
    scored(tmp_path, SFT, 1, [1.0, 0.0])
    plan = make_plan([MFT], 1)
    assert collect_outcome(plan, tmp_path, []).claims[0].measured is not None
    trained(tmp_path, SFT, 1, learning_rate=1.0)
    assert collect_outcome(plan, tmp_path, []).claims[0].missing == SFT
    trained(tmp_path, MFT, 1, num_epochs=1)
    (run,) = collect_outcome(plan, tmp_path, []).rows[0].runs
    assert (run.status, run.values) == (RunStatus.NOT_RUN, {})


def test_what_was_scored_otherwise_is_noted(tmp_path: Path) -> None:
    scored(tmp_path, MFT, 1, [1.0, 0.0])
    scored(tmp_path, SFT, 1, [1.0, 0.0])
    plan = make_plan([SFT, MFT], 1)
    assert collect_outcome(plan, tmp_path, []).claims[0].note == ""
    path = tmp_path / "runs" / SFT / "seed-1/scores/hf/cotmask_math.json"
    line = "task:cotmask_math|dtype:bfloat16|n:2|axolotl-cotmask:9.9"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"signatures": {"cotmask_math": line}}))
    other = tmp_path / "runs" / MFT / "seed-1/scores/hf/cotmask_math.json"
    line = "task:cotmask_math|dtype:float32|n:2|axolotl-cotmask:9.8"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"signatures": {"cotmask_math": line}}))
    note = collect_outcome(plan, tmp_path, []).claims[0].note
    assert note == "scored differently: task:cotmask_math dtype bfloat16, float32"


def test_a_stage_that_left_a_log_and_no_result_has_failed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / MFT / "seed-1" / "train.log"
    log.parent.mkdir(parents=True)
    log.write_text("loading\n 10%| 1/10\r 20%| 2/10\nCUDA out of memory\n")
    (tmp_path / "runs" / MFT / "seed-1" / "data").mkdir(parents=True)
    (tmp_path / "logs" / "base-copying-1.log").write_text("no memory\n")
    rules = ExtraRules("Snakefile", {}, {"problems.log": "data", "base-copying-1.log": "bases/copying-1"})
    outcome = collect_outcome(replace(make_plan([MFT], 2), extra_rules=rules), tmp_path, [])
    first, second = outcome.rows[0].runs
    assert [(failure.stage, list(failure.last_lines)) for failure in outcome.failures] == [
        ("base-copying-1", ["no memory"])
    ]
    assert first.status is RunStatus.FAILED
    assert first.failure is not None
    assert (first.failure.stage, first.failure.log) == ("train", f"logs/{MFT}/seed-1/train.log")
    assert list(first.failure.last_lines) == ["loading", " 10%| 1/10", " 20%| 2/10", "CUDA out of memory"]
    assert (second.status, second.failure) == (RunStatus.NOT_RUN, None)
    write_report(outcome, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"Run {MFT}/seed-1 failed in stage train." in text
    assert "CUDA out of memory" in text
    assert "no memory" in text


def test_a_released_checkpoint_agrees_within_a_point(tmp_path: Path) -> None:
    plan = make_plan(["calibrate"], 3)
    for model, accuracy in (("adalaw/Llama2-7B-GSM8K-SFT", 0.421), ("adalaw/Llama2-7B-GSM8K-MFT", 0.461)):
        path = tmp_path / "runs/calibrate" / model / "seed-1/scores/hf/cotmask_gsm8k.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"values": {"exact_match": accuracy}, "signatures": {}}))
    log = tmp_path / "logs/calibrate/meta-math/MetaMath-Mistral-7B/seed-1/evaluate-hf-cotmask_metamath_math.log"
    log.parent.mkdir(parents=True)
    log.write_text("no such model\n")
    outcome = collect_outcome(plan, tmp_path, [])
    assert [list(failure.last_lines) for failure in outcome.failures] == [["no such model"]]
    found = {(c.model.split("/")[1], c.measure): c.verdict for c in outcome.calibrated}
    assert found["Llama2-7B-GSM8K-SFT", "GSM8K"] == "agrees"
    assert found["Llama2-7B-GSM8K-MFT", "GSM8K"] == "differs"
    assert found["MetaMath-Mistral-7B", "MATH"] == "not run"


def test_results_of_others_are_judged_by_the_same_rule(tmp_path: Path) -> None:
    first, second = read_external(LORA)
    assert (first.difference.value, second.difference.value) == (pytest.approx(0.036), pytest.approx(0.044))
    assert first.claimed == pytest.approx(0.055)
    assert {first.verdict, second.verdict} == {Verdict.UNDER_POWERED}, "single seeds"
    path = tmp_path / "mine.yaml"
    path.write_text(
        "- {source: me, base: llama2-7b, data: gsm8k, benchmark: gsm8k, setting: x, sft: [41, 42, 41], mft: [47, 47, 46]}"
    )
    (mine,) = read_external(path)
    assert mine.difference.value == pytest.approx(0.16 / 3)
    assert mine.verdict is Verdict.REPRODUCED
    assert collect_outcome(make_plan(["fig3/fixed-0.4"], 1), tmp_path, [mine]).external == [mine]


ENTRY = "source: x, data: gsm8k, benchmark: gsm8k, setting: y"
LLAMA = f"{ENTRY}, base: llama2-7b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1", "give a list of results"),
        ("", "give a list of results"),
        ("- hello", "result 1: holds 'hello', not keys with values"),
        ("-", "result 1: holds None, not keys with values"),
        ("- [a, b]", r"result 1: holds \['a', 'b'\], not keys with values"),
        ("- {1: x}", "unknown keys 1"),
        ("- {source: x}", "base, benchmark, data, setting is missing"),
        (f"- {{{ENTRY}, base: [x], sft: [1], mft: [2]}}", r"result 1: base is \['x'\]: give a text"),
        (f"- {{{ENTRY}, base: null, sft: [1], mft: [2]}}", "result 1: base is None: give a text"),
        (f"- {{{ENTRY}, base: {{a: b}}, sft: [1], mft: [2]}}", "result 1: base is {'a': 'b'}: give a text"),
        (f"- {{{LLAMA}, note: {{a: b}}, sft: [1], mft: [2]}}", "result 1: note is {'a': 'b'}: give a text"),
        (f"- {{{LLAMA}, sft: 1, mft: 2}}", "result 1: sft is 1: give a list of numbers"),
        (f"- {{{LLAMA}, sft: [a], mft: [b]}}", r"result 1: sft is \['a'\]: give a list of numbers"),
        (f"- {{{LLAMA}, sft: [1], mft: null}}", "result 1: mft is None: give a list of numbers"),
        (f"- {{{LLAMA}, sft: [1, 2], mft: [2]}}", "result 1: difference, or sft and mft with a number per seed"),
        (f"- {{{LLAMA}, difference: {{a: 1}}}}", "result 1: difference is {'a': 1}: give a list of numbers"),
        (f"- {{{LLAMA}, difference: [.nan]}}", r"result 1: difference is \[nan\]: give a list of numbers"),
        ("- {source: [", "cannot be read as YAML"),
        ("- {colour: x}", "unknown keys colour"),
        (
            "- {source: x, base: llama2-7b, data: gsm8k, benchmark: gsm8k, setting: y, sft: [1]}",
            "difference, or sft and mft",
        ),
        (
            "- {source: x, base: gpt, data: gsm8k, benchmark: gsm8k, setting: y, difference: [1]}",
            "the paper has no claim",
        ),
    ],
)
def test_a_wrong_external_file_stops_with_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "external.yaml"
    path.write_text(text)
    with pytest.raises(CoTMaskError, match=sentence):
        read_external(path)


def test_settings_lead_to_runs_of_their_own(tmp_path: Path) -> None:
    scored(tmp_path, MFT, 1, [1.0, 0.0])
    changed = with_settings(make_plan([MFT], 1), ["learning_rate=1e-4"], None)
    assert collect_outcome(changed, tmp_path, []).rows[0].runs[0].status is RunStatus.NOT_RUN


def finished(run: Path, *stages: str) -> None:
    for stage in stages:
        (run / stage).mkdir(parents=True)
        (run / stage / "file.txt").write_text(stage)
        write_manifest(run / stage)


def test_only_the_stages_of_this_plan_are_asked_whether_they_failed(tmp_path: Path) -> None:
    logs = tmp_path / "logs" / MFT / "seed-1"
    logs.mkdir(parents=True)
    (logs / "evaluate-vllm-cotmask_math.log").write_text("of a plan with another backend\n")
    (run,) = collect_outcome(make_plan([MFT], 1), tmp_path, []).rows[0].runs
    assert (run.status, run.failure) == (RunStatus.NOT_RUN, None)
    (logs / "evaluate-hf-cotmask_math.log").write_text("no memory\n")
    (run,) = collect_outcome(make_plan([MFT], 1), tmp_path, []).rows[0].runs
    assert run.failure is not None
    assert (run.status, run.failure.stage, list(run.failure.last_lines)) == (
        RunStatus.FAILED,
        "evaluate",
        ["no memory"],
    )


@pytest.mark.parametrize(
    ("damaged", "left"),
    [
        ("data", {"data", "train", "model", "evaluate/hf/a", "evaluate/hf/b", "scores/hf/a.json", "scores/hf/b.json"}),
        ("train", {"data"}),
        ("model", {"data"}),
        ("evaluate/hf/a", {"data", "train", "model", "evaluate/hf/b", "scores/hf/b.json"}),
        ("evaluate/hf/a/manifest.json", {"data", "train", "model", "evaluate/hf/b", "scores/hf/b.json"}),
        ("scores/hf/a.json", {"data", "train", "model", "evaluate/hf/a", "evaluate/hf/b", "scores/hf/b.json"}),
    ],
)
def test_damage_takes_what_rests_on_it_along(damaged: str, left: set[str], tmp_path: Path) -> None:
    run = tmp_path / "runs" / "row" / "seed-1"
    finished(run, "data", "train", "model", "evaluate/hf/a", "evaluate/hf/b")
    for name in ("a", "b"):
        (run / "scores/hf").mkdir(parents=True, exist_ok=True)
        write_sealed(run / f"scores/hf/{name}.json", {"values": {"exact_match": 0.0}})
    assert remove_damaged(tmp_path) == []
    path = run / damaged
    if path.suffix:
        path.unlink() if path.name == "manifest.json" else path.write_text("{")
    else:
        (path / "file.txt").write_text("{")
    # Nobody reads the data of a trained run again.
    assert len(remove_damaged(tmp_path)) == (0 if damaged == "data" else 1)
    everything = ("data", "train", "model", "evaluate/hf/a", "evaluate/hf/b", "scores/hf/a.json", "scores/hf/b.json")
    assert {name for name in everything if (run / name).exists()} == left
    assert remove_damaged(tmp_path) == []


@pytest.mark.parametrize(
    "place", ["runs/row/seed-1/scores/hf/a.json", "runs/row/seed-1/curve.json", "dependency/a.json"]
)
@pytest.mark.parametrize(
    "edit",
    [lambda text: text.replace("0.25", "0.99"), lambda _: "{}", lambda _: "", lambda _: "[]", lambda text: text[:-1]],
    ids=["another number", "emptied", "empty", "a list", "cut off"],
)
def test_an_edited_result_is_made_again(place: str, edit: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    write_sealed(path, {"values": {"exact_match": 0.25}, "nan": float("nan"), "by number": {2: 1, 10: 2}})
    assert remove_damaged(tmp_path) == []
    path.write_text(edit(path.read_text()))
    (said,) = remove_damaged(tmp_path)
    assert str(path) in said
    assert not path.exists()


def test_what_a_killed_stage_was_at_work_on_is_no_result_and_is_removed(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "row" / "seed-1"
    finished(run, "data", "train", "model")
    finished(run, ".model.abcd1234/new", "evaluate/hf/.task.abcd1234/replaced")
    for scratch in (run / ".model.abcd1234/new", run / "evaluate/hf/.task.abcd1234/replaced"):
        (scratch / "file.txt").write_text("half")
    (tmp_path / "bases" / ".copying.abcd1234" / "new").mkdir(parents=True)
    (tmp_path / ".snakemake" / "new").mkdir(parents=True)
    (run / "model" / ".cache").mkdir()
    (run / "model" / ".cache" / "file").touch()
    assert remove_damaged(tmp_path) == []
    assert {path.name for path in run.iterdir()} == {"data", "train", "model", "evaluate", ".model.abcd1234"}
    remove_scratch(tmp_path)
    assert not list(tmp_path.rglob("*abcd1234*"))
    assert {path.name for path in run.iterdir()} == {"data", "train", "model", "evaluate"}
    assert (tmp_path / ".snakemake" / "new").is_dir()
    assert (run / "model" / ".cache" / "file").is_file()


def test_the_report_begins_with_the_pairs_that_its_interval_is_about(tmp_path: Path) -> None:
    pairs = {1: ("a", "x"), 2: ("b", "x"), 3: ("a", "y"), 4: ("b", "y")}
    sft = {seed: [0.0, 0.0] for seed in (1, 2, 3)}
    plan = drawn(tmp_path, pairs, sft=sft, mft={1: [1.0, 0.0], 2: [1.0, 1.0], 3: [1.0, 0.0]})
    outcome = collect_outcome(replace(plan, headline=Headline("MATH", SFT, MFT, 300)), tmp_path, [])
    assert outcome.opening is not None
    assert set(outcome.claims[0].per_seed) == {1, 2, 3}
    assert set(outcome.opening.claim.per_seed) == {1, 2}, "the second set is not complete"
    assert outcome.opening.claim.measured == over_draws({("a", "x"): 0.5, ("b", "x"): 1.0})
    assert outcome.opening.example is None
