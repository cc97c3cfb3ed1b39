"""The robust rules on hostile answers: each gets the verdict that was fixed before it was tried."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import MATH_BOXED, RULES, Judgement, verifier
from axolotl_cotmask.evaluation.answers.math_text import hendrycks_equal, metamath_equal

HERE = Path(__file__).parent


def _by_kind() -> dict[str, list[dict[str, Any]]]:
    kinds = defaultdict(list)
    for row in read_jsonl(HERE / "hostile_answers.jsonl"):
        kinds[row["kind"]].append(row)
    return kinds


def _wrong(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, Judgement]]:
    judged = [
        (
            row["prediction"],
            row["gold"],
            row["right_verdict"],
            RULES[row["rule"]].about(row.get("question")).judge(row["prediction"], row["gold"]),
        )
        for row in rows
    ]
    return [row for row in judged if row[2] != row[3]]


@pytest.mark.parametrize(("kind", "rows"), _by_kind().items(), ids=_by_kind())
def test_hostile_answers_of_our_own(kind: str, rows: list[dict[str, Any]]) -> None:
    assert _wrong(rows) == []


@pytest.mark.parametrize("file", ["robust_wrong", "robust_right"])
def test_answers_made_after_public_reports(real_data: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "TIME_LIMIT", 3.0)
    rows = list(read_jsonl(real_data / "answers" / f"{file}.jsonl"))
    assert len(rows) > 70
    assert _wrong(rows) == []


def test_the_reference_solutions_of_math_are_right(real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "math500.jsonl"))
    judged = [(row["answer"], RULES["robust_math"].judge(row["solution"], row["answer"])) for row in rows]
    assert [pair for pair in judged if pair[1] is not Judgement.TRUE] == []


def test_latex_is_compared_as_by_hendrycks_script_and_metamaths_copy_of_it() -> None:
    rows = list(read_jsonl(HERE / "golden_latex_equality.jsonl"))
    assert any(row["hendrycks"] != row["metamath"] for row in rows)
    differing = [
        row
        for row in rows
        if hendrycks_equal(row["answer"], row["gold"]) != row["hendrycks"]
        or metamath_equal(row["answer"], row["gold"]) != row["metamath"]
    ]
    assert differing == []


def test_hendrycks_script_reads_no_fbox_but_a_gold_may_be_one() -> None:
    assert MATH_BOXED.judge("so \\fbox{5}", "5") is Judgement.INVALID
    assert MATH_BOXED.judge("so \\boxed{5}", "so $\\fbox{5}$.") is Judgement.TRUE
