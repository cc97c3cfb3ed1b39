"""From names to plans: what is run, on what, and which claims it is held to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from support import recipe_files

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.costs import cost_table, row_cost, stage_seconds
from axolotl_cotmask.reproduction.laptop.plans import is_laptop, laptop_plan, tiny_plan
from axolotl_cotmask.reproduction.laptop.settings import settings_path
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.ablations import FIG3, TABLE3
from axolotl_cotmask.reproduction.paper_plan import make_plan
from axolotl_cotmask.reproduction.plan import Plan, read_run
from axolotl_cotmask.reproduction.recipes import load_recipe, plan_names, recipe_gpus
from axolotl_cotmask.reproduction.settings import with_settings


def test_a_row_has_the_recipe_the_tasks_of_its_scores_and_three_cells() -> None:
    plan = make_plan(["llama2-7b/gsm8k-mft"], 3)
    (row,) = plan.rows
    assert row.config == load_recipe("llama2-7b/gsm8k-mft")
    assert {title: (m.task.name, m.published) for title, m in row.measures.items()} == {
        "GSM8K": ("cotmask_gsm8k", pytest.approx(0.471)),
        "GSM-IC": ("cotmask_gsm_ic", pytest.approx(0.592)),
    }
    runs = plan.runs()
    assert list(runs) == [f"llama2-7b/gsm8k-mft/seed-{seed}" for seed in (1, 2, 3)]
    assert [(run.config or {})["seed"] for run in runs.values()] == [1, 2, 3]
    assert runs["llama2-7b/gsm8k-mft/seed-1"].gpus == 8
    claims = {claim.measure: (claim.baseline, claim.difference) for claim in plan.claims}
    assert claims["GSM8K"] == ("llama2-7b/gsm8k-sft", pytest.approx(0.055))
    assert claims["GSM-IC"] == ("llama2-7b/gsm8k-sft", pytest.approx(0.112))


@pytest.mark.parametrize(
    ("what", "rows", "claims"),
    [
        ("table1", 20, 14),
        ("table2", 6, 3),
        ("table5", 6, 4),
        ("table3", 28, 26),
        ("table4", 3, 0),
        ("methods", 6, 8),
        ("fig3", 14, 0),
        ("fig2", 2, 0),
        ("llama2-13b", 4, 3),
        ("calibrate", 6, 0),
    ],
)
def test_tables_figures_and_bases(what: str, rows: int, claims: int) -> None:
    plan = make_plan([what], 3)
    assert (len(plan.rows), len(plan.claims)) == (rows, claims)
    for row in plan.rows:
        assert all(title in plan.measures for title in row.measures)


def test_table1_holds_every_number_of_the_paper_and_no_other_benchmark() -> None:
    plan = make_plan(["table1"], 3)
    for row in plan.rows:
        run = paper.find_run(row.name)
        assert {title: m.published for title, m in row.measures.items()} == {
            paper.BENCHMARKS[key]: pytest.approx(score / 100) for key, score in run.scores.items() if key != "gsm_ic"
        }


def test_each_model_is_asked_in_the_form_of_its_data() -> None:
    tasks = {row.name: {task.name for task in row.tasks} for row in make_plan(["mistral-7b"], 1).rows}
    assert tasks["mistral-7b/metamath-mft"] == {"cotmask_metamath_gsm8k", "cotmask_metamath_math"}
    assert tasks["mistral-7b/mammoth-sft"] == {"cotmask_mammoth_gsm8k", "cotmask_mammoth_math"}
    assert tasks["mistral-7b/math-sft"] == {"cotmask_math"}


def test_sweeps_have_a_row_per_ablation_with_its_block() -> None:
    for name, ablations in (("table3", TABLE3), ("fig3", FIG3)):
        rows = make_plan([name], 1).rows
        assert [row.config["cotmask"] for row in rows if row.config] == [dict(a.block) for a in ablations]
        # SFT as the paper trains it, the others as MFT.
        epochs = {row.config["num_epochs"] for row in rows if row.config["cotmask"]["mask_ratio"]}
        assert epochs == {10}
        assert all(row.config["num_epochs"] == 3 for row in rows if not row.config["cotmask"]["mask_ratio"])
        published = [row.measures["GSM8K"].published for row in rows]
        assert published == [a.accuracy and pytest.approx(a.accuracy / 100) for a in ablations]
    claims = {claim.treated: claim.difference for claim in make_plan(["table3"], 1).claims}
    assert claims["table3/neftune-100-all"] == pytest.approx((1.8 - 41.6) / 100)
    assert claims["table3/random"] == pytest.approx(0.055)
    (one,) = make_plan(["table3/random"], 1).claims
    assert one.comparisons == 26, "the family is the table's, whatever part of it is run"
    (clean,) = make_plan(["table3/random-loss-on-clean"], 1).claims
    assert (clean.baseline, clean.difference) == ("table3/random", pytest.approx(-0.021)), "as the paper sets it"


def test_positions_are_hidden_as_the_authors_switch_can_hide_them() -> None:
    hiding = [ablation for ablation in TABLE3 if ablation.block.get("hide_from_attention")]
    assert [(ablation.name, ablation.block["noise"]) for ablation in hiding] == [("mask-hidden", "mask")]


def test_the_case_study_and_its_control_stand_beside_the_papers_numbers() -> None:
    plan = make_plan(["table4", "table1"], 1)
    rows = {row.name: row for row in plan.rows}
    published = {
        name: [rows[name].measures[title].published for title in ("prefix changed", "question changed", "both changed")]
        for name in ("llama2-7b/gsm8k-sft", "llama2-7b/gsm8k-mft", "table3/mask")
    }
    assert list(published.values()) == [[0.1, 0.1, 1.0], [1.0, 0.4, 1.0], [0.4, 0.2, 1.0]]
    assert "GSM8K" in rows["llama2-7b/gsm8k-sft"].measures, "the same run is scored on both tables' tasks"
    assert {task.name for task in rows["table3/mask"].tasks} == {"cotmask_janet", "cotmask_janet_consistent"}
    assert row_cost(plan, rows["table3/mask"]) is not None


def test_claims_between_methods() -> None:
    claims = {(claim.measure, claim.baseline, claim.treated): claim for claim in make_plan(["methods"], 1).claims}
    on_par = claims["GSM8K", "llama2-7b/gsm8k-rft-100-sft", "llama2-7b/gsm8k-mft"]
    # Half of 47.1 - 41.6.
    assert (on_par.difference, on_par.margin) == (pytest.approx(-0.005), pytest.approx(0.0275))
    better = claims["GSM-IC", "llama2-13b/gsm8k-rft-100-sft", "llama2-13b/gsm8k-mft"]
    assert (better.difference, better.margin) == (pytest.approx(0.058), 0)
    assert claims["GSM8K", "llama2-13b/gsm8k-sft", "llama2-13b/gsm8k-rft-100-sft"].difference == pytest.approx(0.025)


def test_claims_between_methods_on_a_benchmark_are_read_together() -> None:
    assert [claim.comparisons for claim in make_plan(["methods"], 1).claims] == [4] * 8


def test_the_averages_of_the_abstract_need_all_of_table_1() -> None:
    averages = {average.measure: average for average in make_plan(["table1"], 1).averages}
    # 5.5 + 2.6 + 2.5 + 3.6 + 3.1 + 2.5 + 1.5 + 2.1 over 8; 1.3 + 1.0 + 1.6 + 0.8 + 0.8 + 1.4 over 6.
    assert {measure: average.difference for measure, average in averages.items()} == {
        "GSM8K": pytest.approx(0.234 / 8), "MATH": pytest.approx(0.069 / 6),
    }  # fmt: skip
    assert [len(average.pairs) for average in averages.values()] == [8, 6]
    assert len({name for average in averages.values() for pair in average.pairs for name in pair}) == 20
    everything = make_plan(["llama2-7b", "mistral-7b"], 1)
    assert [average.measure for average in everything.averages] == ["GSM8K", "MATH"], "however the rows are named"
    for part in ("methods", "table2", "table5", "llama2-7b", "llama2-7b/gsm8k-mft"):
        assert make_plan([part], 1).averages == []
    # Without the two of MATH the one is whole, the other is not.
    some = [row.name for row in make_plan(["table1"], 1).rows if "/math-" not in row.name]
    assert [average.measure for average in make_plan(some, 1).averages] == ["GSM8K"]
    renamed = with_settings(make_plan(["table1"], 1), ["learning_rate=2e-5"], None)
    assert {name for average in renamed.averages for pair in average.pairs for name in pair} == {
        row.name for row in renamed.rows
    }
    assert tiny_plan(make_plan(["table1"], 1)).averages == ()


def test_one_row_of_a_sweep() -> None:
    plan = make_plan(["fig3/fixed-0.4", "table3/random"], 1)
    assert [row.name for row in plan.rows] == ["fig3/fixed-0.4", "table3/random"]
    assert [claim.baseline for claim in plan.claims] == ["table3/sft"]
    with pytest.raises(CoTMaskError, match="there is nothing called fig3/fixed-0"):
        make_plan(["fig3/fixed-0.9"], 1)


def test_a_recipe_of_ones_own_is_scored_by_its_type(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# For 2 GPUs of 24 GB.\n" + yaml.safe_dump(load_recipe("llama2-7b/math-mft")))
    (row,) = make_plan([str(path)], 1).rows
    assert row.name.startswith("mine-")
    assert (row.gpus, row.measures["MATH"].task.name) == (1, "cotmask_math"), "a comment says nothing"
    plan = with_settings(make_plan([str(path)], 1, own_gpus=2), [], 2)
    assert (plan.rows[0].gpus, plan.rows[0].config) == (2, row.config), "the recipe is for two as it stands"
    path.write_text(yaml.safe_dump({"base_model": "x", "datasets": [{"path": "y", "type": "alpaca"}]}))
    with pytest.raises(CoTMaskError, match="no task is known for data of the type alpaca: train it with"):
        make_plan([str(path)], 1)
    other = tmp_path / "other"
    other.mkdir()
    path.write_text(yaml.safe_dump(load_recipe("llama2-7b/math-mft")))
    (other / "mine.yaml").write_text(yaml.safe_dump(load_recipe("llama2-7b/gsm8k-mft")))
    first, second = make_plan([str(path), str(other / "mine.yaml")], 1).rows
    assert first.name != second.name, "two places, two rows"


def test_a_recipe_by_its_name_and_the_files_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = make_plan(["qwen2.5-1.5b/gsm8k-mft"], 1).rows
    assert (row.name, row.measures["GSM8K"].task.name) == ("qwen2.5-1.5b/gsm8k-mft", "cotmask_gsm8k_chat")
    monkeypatch.chdir(tmp_path)
    config = load_recipe("laptop/sft")
    data = tmp_path / config["datasets"][0]["path"]
    data.parent.mkdir(parents=True)
    data.write_text("{}")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert list(make_plan(["mine.yaml"], 1).rows[0].needs) == [str(data)]
    with pytest.raises(CoTMaskError, match="runs on a Ray cluster"):
        make_plan(["llama2-7b/gsm8k-mft-ray"], 1)


def test_settings_stand_in_the_name_and_leave_sft_as_it_is() -> None:
    plan = make_plan(["llama2-7b/gsm8k-mft", "llama2-7b/gsm8k-sft"], 1)
    changed = with_settings(plan, ["cotmask.mask_ratio=0.2", "learning_rate=2e-5"], None)
    assert [row.name for row in changed.rows] == [
        "llama2-7b/gsm8k-mft,cotmask.mask_ratio:0.2,learning_rate:2e-5",
        "llama2-7b/gsm8k-sft,learning_rate:2e-5",
    ]
    mft, sft = (row.config for row in changed.rows)
    assert mft["cotmask"]["mask_ratio"] == 0.2
    assert mft["cotmask"]["noise"] == "random"
    assert float(sft["learning_rate"]) == 2e-5
    assert sft["cotmask"] == load_recipe("llama2-7b/gsm8k-sft")["cotmask"]
    assert {(claim.baseline, claim.treated) for claim in changed.claims} == {
        (changed.rows[1].name, changed.rows[0].name)
    }
    assert plan.rows[0].config == load_recipe("llama2-7b/gsm8k-mft"), "the plan itself is not changed"
    with pytest.raises(CoTMaskError, match="write key=value"):
        with_settings(plan, ["learning_rate"], None)
    with pytest.raises(CoTMaskError, match="changes no row: what is named is plain SFT"):
        with_settings(make_plan(["llama2-7b/gsm8k-sft"], 1), ["cotmask.mask_ratio=0.2"], None)
    (row,) = with_settings(make_plan(["llama2-7b/math-mft"], 1), ["cotmask.noise={mask: 0.8, random: 0.2}"], None).rows
    assert row.name == "llama2-7b/math-mft,cotmask.noise:_mask:_0.8,_random:_0.2_"
    assert row.config["cotmask"]["noise"] == {"mask": 0.8, "random": 0.2}


def test_other_gpus_keep_the_batch() -> None:
    plan = make_plan(["mistral-7b/math-mft"], 1)
    before = plan.rows[0].config
    (row,) = with_settings(plan, [], 2).rows
    assert row.gpus == 2
    assert row.config["gradient_accumulation_steps"] == before["gradient_accumulation_steps"] * 4
    with pytest.raises(CoTMaskError, match="its batch for 8 GPUs cannot be split over 3"):
        with_settings(plan, [], 3)


def test_the_laptop_is_held_to_the_paper_by_noise() -> None:
    plan = laptop_plan("laptop")
    found = {(c.treated, c.measure): c.difference for c in plan.claims}
    assert found["copying/mft-mask-0.4", "follows the question"] == pytest.approx(0.3)
    assert found["copying/mft-random-0.1", "follows the question"] == pytest.approx(0.9)
    assert {measure for _, measure in found} == {"clean", "irrelevant sentence", "follows the question"}
    assert [name for name in ("demo", "laptop-rows", "table1", "tiny") if is_laptop(name)] == ["demo", "laptop-rows"]


GROUPS = {
    "small": {
        "bases": ["copying-1"], "problems": [7, 8], "arms": ["sft", "mft-random-0.1"], "train_rows": 20, "steps": 5
    }
}  # fmt: skip


def laptop_yaml(path: Path, **changes: Any) -> Path:
    demo = yaml.safe_load(settings_path("demo").read_text(encoding="utf-8"))
    settings = {key: value for key, value in (demo | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(settings))
    return path


def group(**changes: Any) -> dict[str, Any]:
    of = {key: value for key, value in (GROUPS["small"] | changes).items() if value is not None}
    return {"groups": {"small": of}}


def test_every_arm_meets_every_base_and_every_set_of_problems(tmp_path: Path) -> None:
    two = {"small": GROUPS["small"] | {"bases": ["copying-1", "plain-2"]}}
    plan = laptop_plan(str(laptop_yaml(tmp_path / "mine.yaml", groups=two)))
    runs = plan.runs()
    assert len(runs) == 8
    for arm in ("sft", "mft-random-0.1"):
        seen = []
        for seed in range(1, 5):
            run = runs[f"small/{arm}/seed-{seed}"]
            config = run.config or {}
            assert (config["seed"], config["max_steps"]) == (seed, 5)
            (entry,) = config["datasets"]
            assert entry["path"] == f"./{run.data_dir}/gsm8k_train.jsonl"
            assert set(run.needs) == {config["base_model"].removeprefix("./"), entry["path"].removeprefix("./")}
            seen.append((config["base_model"], run.data_dir))
        assert len(set(seen)) == 4
        assert {data for _, data in seen} == {"data/problems-7-rows-20", "data/problems-8-rows-20"}
    assert plan.claims == [], "from a base without the habit of copying nothing is claimed"
    (other,) = {run.data_dir for run in laptop_plan("demo", problems=99).runs().values()}
    assert other.startswith("data/problems-99-")


def test_the_tiny_version_has_the_same_blocks_on_the_laptops_problems() -> None:
    plan = tiny_plan(make_plan(["llama2-7b/gsm8k-mft", "fig3"], 2))
    blocks = [row.config["cotmask"] for row in plan.rows]
    ours = [load_recipe("llama2-7b/gsm8k-mft")["cotmask"], *(dict(ablation.block) for ablation in FIG3)]
    assert blocks == [block | {"parts_by_length": 4} for block in ours]
    runs = plan.runs()
    assert {run.config["base_model"] for run in runs.values() if run.config} == {"./bases/copying-1"}
    data = {run.data_dir for name, run in runs.items() if name.endswith("seed-2")}
    assert data == {"data/problems-2-rows-300"}
    assert plan.rows[0].name == "tiny/llama2-7b/gsm8k-mft"
    assert [(c.measure, c.baseline) for c in plan.claims] == [("clean", "tiny/llama2-7b/gsm8k-sft")]
    assert plan.setup.device == "cpu"
    with pytest.raises(CoTMaskError, match="is a released checkpoint: it has no tiny version"):
        tiny_plan(make_plan(["calibrate"], 1))


def test_with_a_curve_every_checkpoint_stays_and_is_scored(tmp_path: Path) -> None:
    plain, curve = (
        laptop_plan(str(laptop_yaml(tmp_path / "mine.yaml", **group(curve=wanted)))).rows[0] for wanted in (None, True)
    )
    assert plain.config is not None
    assert curve.config is not None
    assert (plain.curve, plain.config["save_total_limit"]) == (None, 1)
    assert curve.curve is not None
    assert (curve.curve.name, curve.config["save_total_limit"]) == ("cotmask_gsm8k", 1000)


@pytest.mark.parametrize("what", ["table1", "fig2", "table3", "calibrate", *plan_names()])
def test_every_planned_row_has_a_cost(what: str) -> None:
    plan = laptop_plan(what) if is_laptop(what) else make_plan([what], 3)
    header, *lines, total = cost_table(plan)
    assert len(lines) == len(plan.rows)
    assert not [line for line in lines if "?" in line]
    assert {len(line) for line in (header, *lines, total)} == {len(header)}


def test_gpu_hours_follow_from_the_stated_rates() -> None:
    plan = make_plan(["llama2-7b/gsm8k-sft"], 1)
    cost = row_cost(plan, plan.rows[0])
    # 7,473 rows x 3 epochs x 225 tokens x 8 x 6.74e9 FLOPs at 40 % of 312 TFLOP/s.
    assert cost is not None
    assert cost.training == pytest.approx(7473 * 3 * 225 * 8 * 6.74e9 / (0.4 * 312e12) / 3600)


@pytest.mark.parametrize(
    ("name", "tokens", "parameters"),
    [
        # A pair is two answers, each through the model at 8 FLOPs, and through its frozen copy at 2.
        ("dpo-st/llama2-7b-mft", 100 * 128 * 225 * 2 * 10 / 8, 6.74e9),
        ("self-refine/mistral-7b-sft-dpo", 1000 * 128 * 225 * 2 * 10 / 8, 7.24e9),
    ],
)
def test_dpo_is_counted_in_pairs_of_the_model_that_it_goes_on_from(name: str, tokens: float, parameters: float) -> None:
    plan = with_settings(make_plan([name], 1), ["learning_rate=1e-6"], None)
    cost = row_cost(plan, plan.rows[-1])
    assert cost is not None
    assert cost.training == pytest.approx(tokens * 8 * parameters / (0.4 * 312e12) / 3600)


def test_sampling_is_in_the_hours_of_the_row_that_is_sampled() -> None:
    source, row = (plan := make_plan(["rft/llama2-7b-sft"], 3)).rows
    of_source, of_row = row_cost(plan, source), row_cost(plan, row)
    assert of_source is not None
    assert of_row is not None
    # 100 samples of 130 tokens for each question, 400 tokens a second.
    assert of_source.sampling == pytest.approx(7473 * 100 * 130 / 400 / 3600)
    assert of_row.sampling == 0
    header, first, second, total = cost_table(plan)
    assert (first[header.index("sampling, GPU hours")], second[4]) == (f"{3 * of_source.sampling:,.1f}", "0.0")
    assert float(total[3].removesuffix(" in all")) == pytest.approx(
        sum(map(float, (*first[3:6], *second[3:6]))), abs=0.2
    )
    assert "sampling, GPU hours" not in cost_table(make_plan(["table1"], 3))[0], "nothing is sampled"
    _, stage_one, stage_two, total = cost_table(make_plan(["self-refine/llama2-7b-sft-dpo"], 1))
    assert stage_one[3] == "?", "nobody knows how many demonstrations there are"
    assert "?" not in (*stage_one[4:], *stage_two)
    assert total[3].startswith("at least ")


def test_stages_of_samples_and_curves_take_the_longer_the_more_there_are(tmp_path: Path) -> None:
    def seconds(**changes: Any) -> dict[str, float]:
        settings = yaml.safe_load(settings_path("laptop-augmented").read_text())
        settings["groups"]["augmented"] |= changes
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return stage_seconds(laptop_plan(str(path)))

    once, more = seconds(), seconds(samples=10, questions=1500)
    per_answer = (more["sample"] - once["sample"]) / (10 * 1500 - 5 * 1000)
    assert once["sample"] == pytest.approx(once["data"] + 5 * 1000 * per_answer), "of a program's start"
    assert once["augment"] == more["augment"] > 0
    assert (once["curve"], seconds(curve=True)["curve"]) == (0, 10 * once["evaluate"])
    assert stage_seconds(laptop_plan("demo"))["sample"] == 0
    assert stage_seconds(make_plan(["rft/llama2-7b-sft"], 1)) == {}


#: Rows of the data and what stands in front of the parameters, by what is planned.
ROWS_TRAINED_ON = {
    "llama2-7b/gsm8k-rft-u33-sft": (110_000, 6.74e9), "llama2-7b/gsm8k-rft-u33-mft": (110_000, 6.74e9),
    "llama2-7b/gsm8k-rft-u33-sft-matched": (110_000, 6.74e9), "mistral-7b/gsm8k-rft-u33-mft": (110_000, 7.24e9),
    "mistral-7b/gsm8k-rft-u33-sft-matched": (110_000, 7.24e9), "llama2-7b/gsm8k-rft-100-sft": (46_000, 6.74e9),
    "llama2-7b/gsm8k-rft-100-mft": (46_000, 6.74e9), "llama2-7b/gsm8k-rft-100-sft-matched": (46_000, 6.74e9),
    "llama2-13b/gsm8k-rft-100-sft": (47_000, 13.0e9), "llama2-13b/gsm8k-rft-100-mft": (47_000, 13.0e9),
    "llama2-13b/gsm8k-rft-100-sft-matched": (47_000, 13.0e9), "llama2-7b/gsm8k-mft": (7_473, 6.74e9),
    "llama2-7b/gsm8k-mft-lora": (7_473, 6.74e9), "table3/random": (7_473, 6.74e9), "fig3/fixed-0.4": (7_473, 6.74e9),
}  # fmt: skip


@pytest.mark.parametrize("what", ROWS_TRAINED_ON)
@pytest.mark.parametrize("settings", [[], ["learning_rate=2e-5"]])
def test_gpu_hours_are_those_of_the_rows_own_data(what: str, settings: list[str]) -> None:
    plan = with_settings(make_plan([what], 1), settings, None)
    (row,) = plan.rows
    rows, parameters = ROWS_TRAINED_ON[what]
    cost, epochs = row_cost(plan, row), (row.config or {})["num_epochs"]
    assert cost is not None
    assert cost.training == pytest.approx(rows * epochs * 225 * 8 * parameters / (0.4 * 312e12) / 3600)


def test_gpu_hours_of_figure_2_of_released_models_and_of_ones_own_recipes(tmp_path: Path) -> None:
    plan = make_plan(["fig2"], 1)
    costs = {row.name: row_cost(plan, row) for row in plan.rows}
    hours = {name: cost.training if cost else None for name, cost in costs.items()}
    expected = 262_000 * 300 * 8 * 7.24e9 / (0.4 * 312e12) / 3600
    assert hours == {
        "fig2/mistral-7b/mammoth-sft": pytest.approx(3 * expected),
        "fig2/mistral-7b/mammoth-mft": pytest.approx(5 * expected),
    }
    plan = make_plan(["calibrate"], 1)
    kept = {row.model: cost.kept for row in plan.rows if (cost := row_cost(plan, row))}
    assert kept["adalaw/Llama2-7B-GSM8K-MFT"] == pytest.approx(2 * 6.74)
    assert kept["adalaw/MAmmoTH-7B-Mistral-MFT"] == pytest.approx(2 * 7.24)
    path = tmp_path / "gsm8k-mine.yaml"
    path.write_text(yaml.safe_dump(load_recipe("llama2-13b/gsm8k-rft-100-mft")))
    plan = make_plan([str(path)], 1)
    cost = row_cost(plan, plan.rows[0])
    assert cost is not None
    assert cost.training == pytest.approx(47_000 * 5 * 225 * 8 * 13.0e9 / (0.4 * 312e12) / 3600)
    other = load_recipe("llama2-7b/gsm8k-mft")
    other["datasets"] = [{"path": "my/data.jsonl", "type": other["datasets"][0]["type"]}]
    path.write_text(yaml.safe_dump(other))
    plan = make_plan([str(path)], 1)
    cost = row_cost(plan, plan.rows[0])
    assert cost is not None
    assert cost.training is None, "nobody knows how many rows these are"
    assert cost.evaluation > 0


@pytest.mark.parametrize("name", [*recipe_files.names(), "ablations/llama2-7b"])
def test_a_packaged_recipe_is_for_as_many_gpus_as_it_says(name: str) -> None:
    on_a_cpu = name.split("/")[0] in ("tiny", "laptop") or name.endswith("-cpu")
    assert recipe_gpus(name) == (1 if on_a_cpu else recipe_files.gpus(name))


@pytest.mark.parametrize("run", paper.RUNS)
def test_the_papers_data_are_those_of_the_recipes(run: paper.PaperRun) -> None:
    paths = {entry["path"] for entry in load_recipe(run.name)["datasets"]}
    assert len(paths) == 1
    assert paths <= paper.DATA[run.data].rows.keys()


def test_what_is_asked_in_a_chat_template_or_runs_programs_is_a_fact_of_the_task() -> None:
    tasks = {
        task.name: task
        for what in ("mistral-7b", "qwen2.5-1.5b/gsm8k-mft")
        for row in make_plan([what], 1).rows
        for task in row.tasks
    }
    assert {name for name, task in tasks.items() if task.chat} == {"cotmask_gsm8k_chat"}
    assert {name for name, task in tasks.items() if task.unsafe} == {"cotmask_mammoth_gsm8k", "cotmask_mammoth_math"}
    assert {task.benchmark for task in tasks.values()} == {"gsm8k", "math"}


@pytest.mark.parametrize("plan", [make_plan(["fig2", "calibrate"], 2), laptop_plan("demo")])
def test_a_written_plan_is_read_as_it_was(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(plan.as_json())
    for name, run in plan.runs().items():
        setup, read = read_run(path, name)
        assert replace(setup, test_data=tuple(setup.test_data)) == plan.setup
        assert replace(read, needs=tuple(read.needs)) == run


def repro(*arguments: str) -> str:
    result = CliRunner().invoke(cotmask, ["repro", *arguments], env={"COLUMNS": "200"})
    return f"{result.exit_code} {result.output}"


def test_a_broken_recipe_stops_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("base_model: [")
    shown = repro("--plan", str(path))
    assert shown.startswith("1 Error: ")
    assert "broken.yaml: this is no YAML: while parsing" in shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "mine.yaml is no recipe: it has no datasets"),
        ("- a", "mine.yaml is no recipe: it has no datasets"),
        ("bases", "mine.yaml is no recipe: it has no datasets"),
        ("datasets: gsm8k", "mine.yaml is no recipe: it has no datasets"),
        ("datasets: [gsm8k]", "mine.yaml is no recipe: it has no datasets"),
        ("datasets: [{path: null, type: null}]", "no task is known for data of the type"),
    ],
)
def test_a_file_that_is_no_recipe_stops_with_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    shown = repro("--plan", str(path))
    assert shown.startswith("1 Error: ")
    assert sentence in shown


def test_a_recipe_in_another_encoding_stops_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("# é\nbase_model: x".encode("latin-1"))
    shown = repro("--plan", str(path))
    assert shown.startswith("1 Error: ")
    assert "mine.yaml: this is no YAML: unacceptable character #x00e9" in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tasks": None}, "tasks: field required"),
        ({"test_rows": None}, "test_rows: field required"),
        ({"test_rows": "400"}, "test_rows: input should be a valid integer"),
        ({"groups": {}}, "groups: dictionary should have at least 1 item"),
        ({"groups": ["copying"]}, "groups: input should be a valid dictionary"),
        ({"groups": None, "bases": ["copying-1"]}, "groups: field required"),
        ({"step": 3}, "step: extra inputs are not permitted"),
        ({"tasks": ["gsm8k"]}, "tasks.0: the options are cotmask_gsm8k, "),
        (group(steps=0), "groups.small.steps: input should be greater than 0"),
        (group(train_rows=None), "groups.small.train_rows: field required"),
        (group(arms=[]), "groups.small.arms: list should have at least 1 item"),
        (group(arms=["sft", "sft"]), "groups.small.arms: something is named twice"),
        (group(problems=[-1]), "groups.small.problems.0: input should be greater than or equal to 0"),
        (group(bases="copying-1"), "groups.small.bases: input should be a valid list"),
        (group(bases=["copied-1"]), "groups.small.bases: no base model is named copied-1: did you mean copying-1?"),
        (
            group(crossed=False, problems=[1, 2, 3]),
            "groups.small: crossed: false gives each base a set of its own, but",
        ),
        (group(arms=["stf"]), "groups.small.arms: no recipe is named stf: did you mean sft?"),
    ],
)
def test_a_wrong_yaml_of_the_laptop_stops_with_a_sentence(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    laptop_yaml(tmp_path / "mine.yaml", **changes)
    with pytest.raises(CoTMaskError, match=re.escape(f"mine.yaml: {sentence}")):
        laptop_plan(str(tmp_path / "mine.yaml"))


def test_bases_may_have_sets_of_their_own(tmp_path: Path) -> None:
    of_each = group(crossed=False, bases=["copying-1", "copying-2"], problems=[5, 6])
    plan = laptop_plan(str(laptop_yaml(tmp_path / "mine.yaml", **of_each)))
    for row in plan.rows:
        pairs = {seed: (draw.base, draw.data_dir) for seed, draw in row.draws.items()}
        assert {seed: (base, data.split("-")[1]) for seed, (base, data) in pairs.items()} == {
            1: ("copying-1", "5"),
            2: ("copying-2", "6"),
        }


def test_the_command_says_what_is_wrong_in_a_yaml_of_the_laptop(tmp_path: Path) -> None:
    shown = repro("--plan", str(laptop_yaml(tmp_path / "mine.yaml", **group(steps=0))))
    assert shown.startswith("1 Error: ")
    assert "mine.yaml: groups.small.steps: input should be greater than 0" in shown


def test_the_command_plans_without_running_anything(tmp_path: Path) -> None:
    shown = repro("--plan", "--seeds", "2", "--output", str(tmp_path / "out"), "llama2-7b/gsm8k-mft")
    assert shown.startswith("0 ")
    assert "llama2-7b/gsm8k-mft" in shown
    assert "For a verdict also run llama2-7b/gsm8k-sft." in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("columns", ["40", "80", "200"])
@pytest.mark.parametrize("colour", ["", "1"])
def test_a_plan_in_a_pipe_has_a_line_per_row_and_whole_names(columns: str, colour: str) -> None:
    environment = {"COLUMNS": columns, "FORCE_COLOR": colour}
    result = CliRunner().invoke(cotmask, ["repro", "--plan", "table1"], env=environment)
    title, header, *lines = result.stdout.splitlines()
    assert (title, header.split()[:3]) == ("table1", ["row", "seeds", "tasks"])
    assert [line.split()[0] for line in lines[:21]] == [
        *(row.name for row in make_plan(["table1"], 3).rows),
        "together",
    ]
    assert "cotmask_mammoth_gsm8k, cotmask_mammoth_math" in result.stdout
    assert not set("┃│─━…") & set(result.stdout)
    numbers = {line.index("cotmask_") for line in lines[:20]}
    assert len(numbers) == 1, "the columns are aligned"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name what to reproduce"),
        (("nothing",), "there is nothing called nothing to reproduce: name fig2, fig3, selectors, table1, "),
        (("lapotp",), "there is nothing called lapotp to reproduce: did you mean laptop?"),
        (("llama2-7b/gsm8k-mf",), "called llama2-7b/gsm8k-mf to reproduce: did you mean llama2-7b/gsm8k-mft?"),
        (("smollm2-135m/gsm8k-mff",), "did you mean smollm2-135m/gsm8k-mft?"),
        (("llm2llm",), "called llm2llm to reproduce: name one of llm2llm/llama2-7b-sft, llm2llm/llama2-7b-mft\n"),
        (("table3/another-noise",), "to reproduce: name one of table3/sft, table3/"),
        (("self-refine",), "self-refine/llama2-7b-mft-dpo, self-refine/mistral-7b-sft-dpo, "),
        (("laptop", "demo"), "laptop has seeds and a size of its own: name it alone, without demo"),
        (("demoo", "demo"), "demo has seeds and a size of its own: name it alone, without demoo"),
        (("--tiny", "laptop"), "has seeds and a size of its own"),
        (("--set", "x", "table1"), "write key=value"),
        (("--set", "x=[", "table1"), "--set x=[: this is no YAML: while parsing"),
        (("--problems", "2", "table1"), "--problems is for the laptop's own plans, and table1 is none: leave it out"),
        (("--gpus", "2", "demo"), "demo/sft is trained on a CPU: leave out --gpus"),
        (("mistral-7b/mammoth-mft",), "add --confirm_run_unsafe_code"),
        (("llama2-7b/gsm8k-mft-2nodes",), "is for 16 GPUs on several machines: name those of one with --gpus"),
    ],
)
def test_what_cannot_be_done_stops_with_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    shown = repro(*arguments)
    assert shown.startswith("1 Error: ")
    assert sentence in shown
