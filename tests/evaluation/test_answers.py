"""The answer rules read and compare answers as the authors' scripts do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import RULES, Judgement

HASH = RULES["gsm8k_hash"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("48/2 = <<48/2=24>>24\n#### 72", "72"),
        (" #### 1,200", "1200"),
        ("#### -3.50 apples", "-3.50"),
        ("#### 72.", "72."),
        ("#### 1 and then #### 2", "1"),
        ("#### 5\0#### 6", "5"),
        ("no\0#### 6", None),
        ("#### 1.2.3", None),
        ("#### .", None),
        ("#### ,", None),
        ("#### -", None),
        ("#### $72", None),
        ("####72", None),
        ("####  72", None),
        ("The answer is 72", None),
        ("", None),
    ],
)
def test_hash_rule_reads_the_first_mark(text: str, answer: str | None) -> None:
    assert HASH.extract(text) == answer


def test_a_broken_first_mark_is_not_mended_by_a_second() -> None:
    assert HASH.judge("#### 1.2.3\n#### 7", "7") is Judgement.INVALID


@pytest.mark.parametrize("gold", ["so 48+24 = 72\n#### 72", "72", " 72 ", "72.0", 72, 72.0])
def test_gold_is_a_solution_or_a_bare_number(gold: str | float) -> None:
    assert HASH.judge("#### 72", gold) is Judgement.TRUE
    assert HASH.judge("#### 73", gold) is Judgement.FALSE
    assert HASH.judge("72", gold) is Judgement.INVALID, "a generation needs the mark"


def test_commas_do_not_matter() -> None:
    assert HASH.judge("#### 845640", "845,640") is Judgement.TRUE
    assert HASH.judge("#### 845,640", "845640") is Judgement.TRUE


def test_tolerance() -> None:
    assert HASH.judge("#### 1.00009", "1") is Judgement.TRUE
    assert HASH.judge("#### 1.00011", "1") is Judgement.FALSE


@given(st.integers(-(10**12), 10**12))
def test_every_integer_is_equal_to_itself_and_to_no_other(number: int) -> None:
    assert HASH.judge(f"text #### {number:,}", f"#### {number}") is Judgement.TRUE
    assert HASH.judge(f"#### {number + 1}", number) is Judgement.FALSE


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    assert HASH.judge(text, "1") in set(Judgement)


@pytest.mark.parametrize("gold", ["", "seventy-two", "$72", "1.2.3", "nan", "inf", "#### x"])
def test_a_gold_without_an_answer_is_an_error_even_for_an_invalid_generation(gold: str) -> None:
    with pytest.raises(CoTMaskError, match="the rule gsm8k_hash reads no answer from the gold"):
        HASH.judge("no answer", gold)


def test_agrees_with_every_recorded_verdict_of_the_authors_rule(real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"))
    assert len(rows) == 1319
    differing = [row for row in rows if HASH.judge(row["kd_data"][0], row["target"][0]) != row["judge"]]
    assert differing == []


def test_the_module_imports_no_framework() -> None:
    code = "import sys, axolotl_cotmask.evaluation.answers; print(*sorted({'torch', 'datasets', 'axolotl'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""
