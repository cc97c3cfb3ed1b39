"""What a report begins with: one sentence from the numbers, whichever way they came out, and a question that shows it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.project import write_jsonl

from axolotl_cotmask.evaluation.stats.claims import Verdict
from axolotl_cotmask.evaluation.stats.estimates import Estimate
from axolotl_cotmask.evaluation.stats.paired import compare_paired
from axolotl_cotmask.reproduction.example import find_example
from axolotl_cotmask.reproduction.layout import RunFiles
from axolotl_cotmask.reproduction.report import write_report
from axolotl_cotmask.reproduction.report.outcome import (
    Answer,
    Example,
    JudgedClaim,
    Opening,
    PlanOutcome,
    RowOutcome,
    RunOutcome,
    RunStatus,
)

DATE = "2026-01-01T00-00-00.000000"
TASK = "cotmask_gsm8k"
LABELS = ("SFT", "MFT (mask <0.4>)")


def row(name: str, label: str) -> RowOutcome:
    return RowOutcome(name, label, "group", {}, {}, {}, [RunOutcome(f"{name}/seed-1", name, 1, RunStatus.DONE)])


def reported(
    directory: Path, pairs: Sequence[tuple[int, int]], measured: Estimate, example: Example | None = None
) -> str:
    """Return the Markdown of a report on 100 questions a pair, of which so many only one side gets right."""
    per_seed = {
        seed: compare_paired(
            [1.0] * only_a + [0.0] * (100 - only_a), [0.0] * (100 - only_b) + [1.0] * only_b, range(100)
        )
        for seed, (only_a, only_b) in enumerate(pairs, start=1)
    }
    claim = JudgedClaim(
        "clean", "sft", "mft", 0.055, "Table 1", per_seed, measured, Verdict.UNDER_POWERED, comparisons=1
    )
    rows = [row("sft", LABELS[0]), row("mft", LABELS[1])]
    opening = Opening(claim, 300, example)
    write_report(PlanOutcome("t", "c", "now", ["A note."], {"clean": "x"}, rows, [claim], opening=opening), directory)
    return (directory / "report.md").read_text(encoding="utf-8")


SINGLE = Estimate(0.1, -math.inf, math.inf, 1)


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (
            (3, 20),
            "SFT learnt to solve 3.0 % of new ones, MFT (mask &lt;0.4&gt;) 20.0 %: 20 more, 3 fewer; p = 0.0005.",
        ),
        (
            (20, 3),
            "SFT learnt to solve 20.0 % of new ones, MFT (mask &lt;0.4&gt;) 3.0 %: 3 more, 20 fewer; p = 0.0005.",
        ),
        ((5, 6), "5.0 % of new ones, MFT (mask &lt;0.4&gt;) 6.0 %: 6 more, 5 fewer; p = 1, which chance explains."),
    ],
)
def test_one_pair_is_told_by_its_questions(pair: tuple[int, int], sentence: str, tmp_path: Path) -> None:
    text = reported(tmp_path, [pair], SINGLE)
    lines = text.split("\n\n")
    assert lines[2].startswith("**From 300 problems SFT learnt to solve ")
    assert sentence in lines[2]
    assert "(Exact paired test on the 100 questions, for this one pair of models.)" in lines[2]
    assert "1 claim:" not in text, "no badge says on top that a single pair is single"
    assert "One run a side has no interval over runs" in text


def test_several_pairs_are_told_by_their_interval(tmp_path: Path) -> None:
    text = reported(tmp_path, [(3, 20), (20, 3), (0, 31)], Estimate(0.104, -0.02, 0.23, 3))
    assert "SFT learnt to solve 7.7 % of new ones" in text
    assert "18.0 %: +10.4 points [-2.0, +23.0], and ahead in 2 of 3 pairs of models." in text
    assert "1 claim: " in text
    assert "One run a side" not in text


def test_the_question_is_in_both_formats_with_its_wrong_step_marked(tmp_path: Path) -> None:
    parts = [("Ben has 5 <b>. ", False), ("Ann has 6 * 2 = 13 .", True), (" #### 13", False)]
    example = Example(
        "How many | apples ?", [Answer(LABELS[0], False, parts), Answer("MFT", True, [("It is 12", False)])], "one of 2"
    )
    text = reported(tmp_path, [(3, 20)], SINGLE, example)
    assert "> How many \\| apples ?" in text
    assert "- **SFT, wrong:** Ben has 5 &lt;b&gt;. ~~Ann has 6 \\* 2 = 13 .~~ #### 13" in text
    assert "- **MFT, right:** It is 12" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<mark>Ann has 6 * 2 = 13 .</mark> #### 13" in page
    assert re.search(r"<dt>SFT\s+<span class=\"chip bad\">.*wrong</span></dt>", page)
    assert "Ben has 5 &lt;b&gt;. <mark>" in page


def test_without_a_comparison_nothing_is_claimed(tmp_path: Path) -> None:
    write_report(PlanOutcome("t", "c", "now", ["A note."], {}, [row("sft", "SFT")]), tmp_path)
    assert "learnt to solve" not in (tmp_path / "report.md").read_text(encoding="utf-8")


Sample = tuple[str, str, str, float]


def evaluated(out: Path, name: str, samples: Sequence[Sample]) -> RunFiles:
    files = RunFiles(out, name)
    directory = files.evaluation("hf", TASK) / "model"
    directory.mkdir(parents=True)
    content = {"results": {TASK: {"exact_match,none": 0.5}}, "configs": {TASK: {}}}
    (directory / f"results_{DATE}.json").write_text(json.dumps(content), encoding="utf-8")
    rows = [
        {
            "doc_id": number, "doc": {"question": question, "answer": answer}, "filter": "none",
            "filtered_resps": [text], "exact_match": right,
        }
        for number, (question, answer, text, right) in enumerate(samples)
    ]  # fmt: skip
    write_jsonl(directory / f"samples_{TASK}_{DATE}.jsonl", rows)
    return files


GOLD = "Ben has 5 + 3 = << 5 + 3 = 8 >> 8 . Ann has 8 - 1 = << 8 - 1 = 7 >> 7 . #### 7"
WRONG = "Ben has 5 + 3 = << 5 + 3 = 8 >> 8 . Ann has 8 - 5 = << 8 - 5 = 3 >> 3 . #### 3"
GSM8K = "He has 2.5*2=<<2.5*2=5>>5 eggs.\nShe has 5+1=<<5+1=6>>6 eggs.\n#### 6"


@pytest.mark.parametrize(
    ("gold", "wrong", "step"),
    [
        (GOLD, WRONG, "Ann has 8 - 5 = << 8 - 5 = 3 >> 3 ."),
        (GOLD, WRONG.replace("5 + 3 = 8", "3 + 3 = 6"), "Ben has 5 + 3 = << 3 + 3 = 6 >> 8 ."),
        (GOLD, WRONG[: WRONG.index(" >> 3")], None),
        (GOLD, GOLD[: GOLD.index(" ####")] + " Ann has 7 + 1 = << 7 + 1 = 8 >> 8 . #### 8", "Ann has 7 + 1 = << 7 + 1 = 8 >> 8 ."),
        (GSM8K, GSM8K.replace("<<5+1=6>>6", "<<5+2=7>>7"), "She has 5+1=<<5+2=7>>7 eggs."),
        (GSM8K, GSM8K.replace("<<2.5*2=5>>", "<<2.5*3=7.5>>"), "He has 2.5*2=<<2.5*3=7.5>>5 eggs."),
    ],
)  # fmt: skip
def test_the_first_step_that_the_reference_does_not_have_is_marked(
    gold: str, wrong: str, step: str | None, tmp_path: Path
) -> None:
    sft = evaluated(tmp_path, "sft/seed-1", [("q", gold, f" {wrong}\n", 0.0)])
    mft = evaluated(tmp_path, "mft/seed-1", [("q", gold, gold, 1.0)])
    example = find_example(sft, mft, LABELS, "hf", TASK)
    if step is None:
        assert example is None, "an unfinished annotation cannot be told to be wrong"
        return
    assert example is not None
    before, after = example.answers
    assert [text for text, marked in before.parts if marked] == [step]
    assert "".join(text for text, _ in before.parts) == wrong.strip()
    assert (before.label, before.right, after.label, after.right) == (LABELS[0], False, LABELS[1], True)


def test_it_is_the_shortest_question_that_only_the_second_gets_right(tmp_path: Path) -> None:
    before = [
        ("both are right", GOLD, GOLD, 1.0), ("a longer question", GOLD, WRONG, 0.0), ("a question", GOLD, WRONG, 0.0),
        ("q", GOLD, WRONG, 0.0), ("first", GOLD, GOLD, 1.0), ("no step", GOLD, "#### 9", 0.0),
    ]  # fmt: skip
    rights = (1.0, 1.0, 1.0, 0.0, 0.0, 1.0)
    sft = evaluated(tmp_path, "sft/seed-1", before)
    mft = evaluated(
        tmp_path,
        "mft/seed-1",
        [(question, gold, gold, right) for (question, gold, _, _), right in zip(before, rights, strict=True)],
    )
    example = find_example(sft, mft, LABELS, "hf", TASK)
    assert example is not None
    assert example.question == "a question"
    assert example.shown.startswith("the shortest of the 2 questions that only MFT (mask <0.4>) gets right")
    assert find_example(mft, sft, LABELS, "hf", TASK) is None, "the other way round no step is wrong"
    assert find_example(RunFiles(tmp_path, "nobody/seed-1"), mft, LABELS, "hf", TASK) is None
