"""Calculator errors: what an annotation says, and how many wrong answers have a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.hermetic import RealData
from support.lm_eval_runs import DATE, TASK, write_results

from axolotl_cotmask.analysis.calculator import check_annotations
from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.files import read_jsonl


@pytest.mark.parametrize(
    ("annotation", "right"),
    [
        ("48/2=24", True),
        ("48/2=25", False),
        ("10/3=3.33", True),
        ("10/3=3", True),
        ("10/3=4", False),
        ("600*1.1=655.00", False),
        ("0.1+0.2=0.3", True),
        (".5*1,000=$500", True),
        ("20%*50=10", True),
        ("05+3=8", True),
        ("+8=8", True),
        ("5-8=-3", True),
        ("(1+2)*3=9", True),
        ("1/0=1", None),
        ("2**99=1", False),
        ("2**3=8", True),
        ("70//10=7", True),
        ("9**9**9=1", None),
        ("9" * 400 + "=1", None),
        ("(" * 150 + "=1", None),
        ("x=1", None),
        ("__import__('os')=1", None),
        ("=1", None),
    ],
)
def test_an_annotation_is_right_up_to_its_last_digit(annotation: str, right: bool | None) -> None:
    assert check_annotations(f"It is <<{annotation}>>1, or <<1+1=2>>2.") == [right, True]


def test_what_is_cut_off_is_no_annotation() -> None:
    assert check_annotations("It is <<1+1=") == check_annotations("<<1+1>>2") == []


def test_the_references_hold_no_error(real_data: RealData) -> None:
    real_data.needs("gsm8k_test.jsonl")
    checked = [check_annotations(row["answer"]) for row in read_jsonl(Path(str(real_data)) / "gsm8k_test.jsonl")]
    assert sum(map(len, checked)) == 4282
    assert all(all(of_answer) for of_answer in checked)


def test_wrong_answers_with_such_a_step_are_counted(tmp_path: Path) -> None:
    results = write_results(tmp_path / "a", ["#### 1"] * 4, [1.0, 1.0, 0.0, 0.0])
    samples = results / f"samples_{TASK}_{DATE}.jsonl"
    answers = ["<<1+1=2>>", "no step", "<<1+1=2>> <<2+2=5>>", "<<1+1=2>> <<x=1>>"]
    rows = sorted(map(json.loads, samples.read_text().splitlines()), key=lambda row: row["doc_id"])
    samples.write_text("".join(json.dumps(row | {"resps": [[a]]}) + "\n" for row, a in zip(rows, answers, strict=True)))
    run = CliRunner().invoke(cotmask, ["analyze", "calculator", f"A={results}", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.output)["A"]
    assert (found["errors"], found["of_errors"]["value"], found["right_too"]["value"]) == (2, 0.5, 0.0)
    assert (found["annotations"], found["wrong_annotations"], found["unreadable"]) == (5, 1, 1)
    assert "50.0 [" in CliRunner().invoke(cotmask, ["analyze", "calculator", f"A={results}"]).output
    samples.write_text(samples.read_text().replace('"resps"', '"was"', 1))
    refusal = CliRunner().invoke(cotmask, ["analyze", "calculator", f"A={results}"])
    assert refusal.stderr.startswith(f"Error: {samples}, line 1: the field 'resps' is missing")
