"""From names to plans: what is run, on what, and which claims it is held to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction import costs
from axolotl_cotmask.reproduction.laptop.plan import is_laptop, laptop_plan, tiny_plan
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.ablations import FIG3, TABLE3
from axolotl_cotmask.reproduction.plan import make_plan, recipe, with_settings


def test_a_row_has_the_recipe_the_tasks_of_its_scores_and_three_cells() -> None:
    plan = make_plan(["llama2-7b/gsm8k-mft"], 3)
    (row,) = plan.rows
    assert row.config == recipe("llama2-7b/gsm8k-mft")
    assert {title: (m.task, m.published) for title, m in row.measures.items()} == {
        "GSM8K": ("cotmask_gsm8k", 47.1),
        "GSM-IC": ("cotmask_gsm_ic", 59.2),
    }
    cells = plan.as_json()["cells"]
    assert list(cells) == [f"llama2-7b/gsm8k-mft/seed-{seed}" for seed in (1, 2, 3)]
    assert [cell["config"]["seed"] for cell in cells.values()] == [1, 2, 3]
    assert cells["llama2-7b/gsm8k-mft/seed-1"]["gpus"] == 8
    claims = {claim.measure: (claim.baseline, claim.difference) for claim in plan.claims}
    assert claims["GSM8K"] == ("llama2-7b/gsm8k-sft", pytest.approx(5.5))
    assert claims["GSM-IC"] == ("llama2-7b/gsm8k-sft", pytest.approx(11.2))


@pytest.mark.parametrize(
    ("what", "rows", "claims"),
    [
        ("table1", 20, 14),
        ("table2", 6, 3),
        ("table5", 6, 4),
        ("table3", 28, 26),
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
            paper.BENCHMARKS[key]: score for key, score in run.scores.items() if key != "gsm_ic"
        }


def test_each_model_is_asked_in_the_form_of_its_data() -> None:
    tasks = {row.name: {m.task for m in row.measures.values()} for row in make_plan(["mistral-7b"], 1).rows}
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
        assert [row.measures["GSM8K"].published for row in rows] == [a.accuracy for a in ablations]
    claims = {claim.treated: claim.difference for claim in make_plan(["table3"], 1).claims}
    assert claims["table3/neftune-100-all"] == pytest.approx(1.8 - 41.6)
    assert claims["table3/random"] == pytest.approx(5.5)
    (one,) = make_plan(["table3/random"], 1).claims
    assert one.comparisons == 26, "the family is the table's, whatever part of it is run"


def test_one_row_of_a_sweep() -> None:
    plan = make_plan(["fig3/fixed-0.4", "table3/random"], 1)
    assert [row.name for row in plan.rows] == ["fig3/fixed-0.4", "table3/random"]
    assert [claim.baseline for claim in plan.claims] == ["table3/sft"]
    with pytest.raises(CoTMaskError, match="fig3 has no row fixed-0"):
        make_plan(["fig3/fixed-0.9"], 1)


def test_a_recipe_of_ones_own_is_scored_by_its_type(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# For 2 GPUs of 24 GB.\n" + yaml.safe_dump(recipe("llama2-7b/math-mft")))
    (row,) = make_plan([str(path)], 1).rows
    assert row.name.startswith("mine-")
    assert (row.gpus, row.measures["MATH"].task) == (2, "cotmask_math")
    path.write_text(yaml.safe_dump({"base_model": "x", "datasets": [{"path": "y", "type": "alpaca"}]}))
    with pytest.raises(CoTMaskError, match="no task is known for data of the type alpaca: train it with"):
        make_plan([str(path)], 1)
    other = tmp_path / "other"
    other.mkdir()
    path.write_text(yaml.safe_dump(recipe("llama2-7b/math-mft")))
    (other / "mine.yaml").write_text(yaml.safe_dump(recipe("llama2-7b/gsm8k-mft")))
    first, second = make_plan([str(path), str(other / "mine.yaml")], 1).rows
    assert first.name != second.name, "two places, two rows"


def test_a_recipe_by_its_name_and_the_files_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = make_plan(["qwen2.5-1.5b/gsm8k-mft"], 1).rows
    assert (row.name, row.measures["GSM8K"].task) == ("qwen2.5-1.5b/gsm8k-mft", "cotmask_gsm8k_chat")
    monkeypatch.chdir(tmp_path)
    config = recipe("laptop/sft")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/gsm8k_train.jsonl").write_text("{}")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert list(make_plan(["mine.yaml"], 1).rows[0].needs) == [str(tmp_path / "data/gsm8k_train.jsonl")]
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
    assert sft["cotmask"] == recipe("llama2-7b/gsm8k-sft")["cotmask"]
    assert {(claim.baseline, claim.treated) for claim in changed.claims} == {
        (changed.rows[1].name, changed.rows[0].name)
    }
    assert plan.rows[0].config == recipe("llama2-7b/gsm8k-mft"), "the plan itself is not changed"
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
    assert {row.group for row in plan.rows} == {"copying", "plain"}
    assert len(plan.as_json()["cells"]) == 26
    found = {(c.treated, c.measure): c.difference for c in plan.claims}
    assert found["copying/mft-mask-0.2", "follows the question"] == pytest.approx(30)
    assert found["copying/mft-random-0.1", "follows the question"] == pytest.approx(90)
    assert len(found) == 9
    assert is_laptop("demo")
    assert not is_laptop("table1")


def test_the_tiny_version_has_the_same_blocks_on_the_laptops_problems() -> None:
    plan = tiny_plan(make_plan(["llama2-7b/gsm8k-mft", "fig3"], 2))
    blocks = [row.config["cotmask"] for row in plan.rows]
    assert blocks == [recipe("llama2-7b/gsm8k-mft")["cotmask"], *(dict(ablation.block) for ablation in FIG3)]
    assert {row.config["base_model"] for row in plan.rows} == {"./bases/copying"}
    assert plan.rows[0].name == "tiny/llama2-7b/gsm8k-mft"
    assert [(c.measure, c.baseline) for c in plan.claims] == [("clean", "tiny/llama2-7b/gsm8k-sft")]
    assert plan.device == "cpu"
    with pytest.raises(CoTMaskError, match="is a released checkpoint: it has no tiny version"):
        tiny_plan(make_plan(["calibrate"], 1))


@pytest.mark.parametrize("what", ["table1", "fig2", "table3", "calibrate", "laptop"])
def test_every_planned_row_has_a_cost(what: str) -> None:
    plan = laptop_plan(what) if is_laptop(what) else make_plan([what], 3)
    header, *lines, total = costs.table(plan)
    assert len(lines) == len(plan.rows)
    assert not [line for line in lines if "?" in line]
    assert {len(line) for line in (header, *lines, total)} == {len(header)}


def test_gpu_hours_follow_from_the_stated_rates() -> None:
    plan = make_plan(["llama2-7b/gsm8k-sft"], 1)
    found = costs.cost(plan, plan.rows[0])
    # 7,473 rows x 3 epochs x 225 tokens x 8 x 6.74e9 FLOPs at 40 % of 312 TFLOP/s.
    assert found.training == pytest.approx(7473 * 3 * 225 * 8 * 6.74e9 / (0.4 * 312e12) / 3600)


def repro(*arguments: str) -> str:
    result = CliRunner().invoke(cotmask, ["repro", *arguments], env={"COLUMNS": "200"})
    return f"{result.exit_code} {result.output}"


def test_a_broken_recipe_stops_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("base_model: [")
    shown = repro("--plan", str(path))
    assert shown.startswith("1 Error: ")
    assert "broken.yaml: this is no YAML: while parsing" in shown


def test_the_command_plans_without_running_anything(tmp_path: Path) -> None:
    shown = repro("--plan", "--seeds", "2", "--output", str(tmp_path / "out"), "llama2-7b/gsm8k-mft")
    assert shown.startswith("0 ")
    assert "llama2-7b/gsm8k-mft" in shown
    assert "For a verdict also run llama2-7b/gsm8k-sft." in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name what to reproduce"),
        (("nothing",), "there is nothing called nothing to reproduce"),
        (("laptop", "demo"), "has seeds and a size of its own"),
        (("--tiny", "laptop"), "has seeds and a size of its own"),
        (("--set", "x", "table1"), "write key=value"),
        (("--set", "x=[", "table1"), "--set x=[: this is no YAML: while parsing"),
        (("mistral-7b/mammoth-mft",), "add --confirm_run_unsafe_code"),
        (("llama2-7b/gsm8k-mft-2nodes",), "is for 16 GPUs on several machines: name those of one with --gpus"),
    ],
)
def test_what_cannot_be_done_stops_with_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    shown = repro(*arguments)
    assert shown.startswith("1 Error: ")
    assert sentence in shown
