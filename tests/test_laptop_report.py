"""The laptop reproduction's report, from small files with lm-eval's and the analysis' names and fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from axolotl_cotmask.laptop.__main__ import laptop
from axolotl_cotmask.laptop.report import MEASURES, differences, label, read_values

PLAN = {
    "data": {"seed": 0, "train_rows": 1000, "test_rows": 400},
    "steps": 625,
    "runs": {"copying": {"sft": 3, "mft-mask-0.2": 3, "mft-random-0.2": 3}, "plain": {"sft": 1, "mft-random-0.2": 1}},
}
# By recipe: accuracy on clean problems, with an irrelevant sentence, share that follows the question.
VALUES = {"sft": (0.51, 0.35, 0.01), "mft-mask-0.2": (0.50, 0.36, 0.35), "mft-random-0.2": (0.40, 0.36, 0.89)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (tmp_path / "dependency").mkdir()
    (tmp_path / "seconds").mkdir()
    (tmp_path / "seconds" / "train.tsv").write_text("s\th:m:s\n90.0\t0:01:30\n")
    (tmp_path / "seconds" / "evaluate.tsv").write_text("s\th:m:s\n30.0\t0:00:30\n")
    for base, recipes in PLAN["runs"].items():
        models = {}
        for recipe, seeds in recipes.items():
            clean, irrelevant, follows = VALUES[recipe]
            for seed in range(1, seeds + 1):
                # Two seeds differ by a percentage point, alike for all recipes: paired, there is no noise but this.
                luck = (seed - 2) / 100 + (0.002 if recipe != "sft" and seed == 1 else 0)
                results = {
                    "cotmask_gsm8k": {"exact_match,none": clean + luck},
                    "cotmask_gsm_ic": {"exact_match,none": irrelevant + luck},
                    "cotmask_corrupted_step": {
                        "follows_question,none": follows,
                        "copies_prefix,none": 1 - follows,
                        "exact_match,none": 0.2,
                    },
                }
                scores = tmp_path / "runs" / base / recipe / str(seed) / "scores"
                scores.mkdir(parents=True)
                (scores / "results_2026-01-01T00-00-00.json").write_text(json.dumps({"results": results}))
                models[f"{recipe}/{seed}"] = {
                    "cells": [
                        {"source": source, "low": low, "high": low + 3, "share": {"value": 0.05 * seed}}
                        for source in ("question", "chain")
                        for low in (1, 5)
                    ]
                }
        (tmp_path / "dependency" / f"{base}.json").write_text(json.dumps(models))
    return tmp_path


def report(run: Path) -> str:
    result = CliRunner().invoke(laptop, ["report", str(run), "--plan", str(run / "plan.yaml")], catch_exceptions=False)
    assert result.exit_code == 0, result.exception
    return (run / "report.md").read_text(encoding="utf-8")


def test_differences_are_paired_by_seed_and_their_intervals_hold_together(run: Path) -> None:
    values = read_values(run, PLAN["runs"])["copying"]
    assert values["sft"]["clean"] == pytest.approx([50, 51, 52])
    found = differences(values, MEASURES[0])["mft-random-0.2"]
    assert found.value == pytest.approx(-11 + 0.2 / 3)
    # Three differences, -10.8, -11 and -11; t with 2 degrees of freedom at 97.5 %, for two recipes: 6.205.
    assert found.high - found.value == pytest.approx(6.205 * 0.11547 / 3**0.5, rel=1e-3)
    assert found.n == 3


def test_the_report_holds_every_arm_seed_verdict_and_both_bases(run: Path) -> None:
    text = report(run)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert ["SFT", "3", "51.0 [48.5, 53.5]", "35.0 [32.5, 37.5]"] in [row[:4] for row in rows]
    assert ["SFT", "50.0, 51.0, 52.0", "34.0, 35.0, 36.0"] in [row[:3] for row in rows]
    assert ["SFT", "1", "50.0", "34.0", "1.0"] in [row[:5] for row in rows], "one seed, no interval"
    verdicts = {row[0]: (row[2], row[3]) for row in rows if len(row) == 4 and "Table" in row[2]}
    assert verdicts == {
        "clean: MFT, mask 0.2": ("+5.5 (Table 1, Llama-2-7B on GSM8K)", "not reproduced"),
        "clean: MFT, random 0.2": ("+5.5 (Table 1, Llama-2-7B on GSM8K)", "not reproduced"),
        "irrelevant sentence: MFT, mask 0.2": ("+11.2 (Table 5, Llama-2-7B on GSM-IC)", "not reproduced"),
        "irrelevant sentence: MFT, random 0.2": ("+11.2 (Table 5, Llama-2-7B on GSM-IC)", "not reproduced"),
        "follows the question: MFT, mask 0.2": ("+30.0 (Table 4, m = 1)", "reproduced"),
        "follows the question: MFT, random 0.2": ("+90.0 (Table 4, r = 1)", "reproduced"),
    }
    assert ["question, 5-8 tokens back", "10.0 [-2.4, 22.4]"] in [row[:2] for row in rows]
    assert "All stages one after the other: 2 minutes" in text
    assert "no evidence for or against the accuracy that the paper reports" in text
    assert (run / "report.png").read_bytes().startswith(b"\x89PNG")
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("runs/copying/sft/2/scores/results_2026-01-01T00-00-00.json", "no results_*.json in it"),
        ("dependency/plain.json", "cannot be read (No such file or directory)"),
    ],
)
def test_without_all_results_there_is_no_report_and_one_sentence(run: Path, broken: str, sentence: str) -> None:
    (run / broken).unlink()
    result = CliRunner().invoke(laptop, ["report", str(run), "--plan", str(run / "plan.yaml")])
    assert isinstance(result.exception, SystemExit)
    assert str(result.exception).startswith("\naxolotl-cotmask: ")
    assert sentence in str(result.exception)
    assert not (run / "report.md").exists()
    assert not (run / "report.png").exists()


def test_labels() -> None:
    assert [label(name) for name in ("sft", "mft-mask-0.2")] == ["SFT", "MFT, mask 0.2"]
