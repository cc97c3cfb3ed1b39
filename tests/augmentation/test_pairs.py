"""Preference pairs: each rule by hand, and properties of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.project import write_jsonl

from axolotl_cotmask.augmentation.pairs import MOST_PAIRS, PairsReport, jaccard, preference_rows, without_similar
from axolotl_cotmask.augmentation.pool import Pool
from axolotl_cotmask.augmentation.reasoning import has_reasoning, is_answer_alone
from axolotl_cotmask.augmentation.samples import read_sampled
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation.answers import GSM8K_HASH, Judgement

GOLD = "Ben has 3 + 4 = <<3+4=7>>7 apples.\n#### 7"
QUESTION = "Ben has 3 apples {and} gets 4. How many has he?"


def pairs_of(
    tmp_path: Path,
    rule: str,
    responses: Sequence[str],
    direct: Sequence[str] = (),
    answer: str = GOLD,
    most: int = MOST_PAIRS,
    cut: bool = False,
) -> tuple[list[dict[str, str]], PairsReport]:
    report = PairsReport()
    asked = {"question": QUESTION, "answer": answer}
    with Pool() as pool:
        pool.add(read_sampled(write_jsonl(tmp_path / "s.jsonl", [asked | {"responses": list(responses)}])))
        if direct:
            row = asked | {"responses": list(direct), "answer_start": " ####"}
            pool.add(read_sampled(write_jsonl(tmp_path / "d.jsonl", [row]), direct=True))
        return list(preference_rows(pool.questions(), rule, report, most, cut)), report


def similarity(a: str, b: str) -> float:
    return jaccard(frozenset(a.split()), frozenset(b.split()))


def texts(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    assert all(row["prompt"] == alpaca_prompt(QUESTION) for row in rows)
    assert all(set(row) == {"prompt", "chosen", "rejected"} for row in rows)
    return [(row["chosen"], row["rejected"]) for row in rows]


def test_wrong_least_similar_first(tmp_path: Path) -> None:
    right = "a b c d\n#### 7"
    wrong = ["a b c d e\n#### 8", "Ben x y z\n#### 9", "a b c d e f\n#### 8"]
    rows, report = pairs_of(tmp_path, "wrong", [right, *wrong, "no answer"])
    assert similarity(*wrong[::2]) > 0.7, "the last one is the same as the first"
    assert texts(rows) == [
        (" " + GOLD, " " + wrong[0]),  # 1 word of 16 in common
        (" " + right, " " + wrong[1]),  # 1 of 11
        (" " + GOLD, " " + wrong[1]),  # 2 of 14; the fourth pair has 5 of 8
    ]
    assert dict(report.samples) == {"true": 1, "false": 3, "invalid": 1, "direct": 0}


def test_wrong_without_a_right_sample_pairs_the_gold(tmp_path: Path) -> None:
    rows, _ = pairs_of(tmp_path, "wrong", ["a\n#### 8"])
    assert texts(rows) == [(" " + GOLD, " a\n#### 8")]


def test_questions_without_a_wrong_or_right_one_are_skipped(tmp_path: Path) -> None:
    rows, report = pairs_of(tmp_path, "wrong", ["a\n#### 7", "no answer"])
    assert (rows, dict(report.skipped)) == ([], {"no wrong answer": 1})
    rows, report = pairs_of(tmp_path, "answer", ["a\n#### 8"])
    assert (rows, dict(report.skipped)) == ([], {"no right answer": 1})
    rows, report = pairs_of(tmp_path, "wrong", ["a\n#### 8"], answer="7")
    assert (rows, dict(report.skipped)) == ([], {"no right answer": 1})


def test_answer_takes_each_wrong_answer_once(tmp_path: Path) -> None:
    rows, _ = pairs_of(
        tmp_path, "answer", ["b\n#### 7", "a\n#### 7", "x\n#### 9", "y\n#### 8", "z\n#### 8", "no answer"]
    )
    assert texts(rows) == [(" a\n#### 7", " y\n#### 8"), (" b\n#### 7", " x\n#### 9")]


def test_cot_prefers_reasoning_to_none(tmp_path: Path) -> None:
    reasons = "Ben has three and four, so seven.\n#### 7"
    rows, report = pairs_of(
        tmp_path, "cot", [reasons, "#### 7", "He has five of them, I think.\n#### 5"], [" 7", " 12", "", " what"]
    )
    assert texts(rows) == [(" " + reasons, " #### 12"), (" " + reasons, " #### 7")]
    assert report.rejected_right == 1
    assert report.samples["direct"] == 2
    rows, report = pairs_of(tmp_path, "cot", ["#### 7"], [" 7"])
    assert dict(report.skipped) == {"no right answer with reasoning": 1}
    rows, report = pairs_of(tmp_path, "cot", [reasons], [""])
    assert dict(report.skipped) == {"no answer without reasoning": 1}


def test_cot_with_the_reasoning_cut_off(tmp_path: Path) -> None:
    right, wrong = "Ben has three and four, so seven.\n#### 7", "It is 3 * 4 = 12.\n#### 12"
    rows, report = pairs_of(tmp_path, "cot", [right, wrong, "#### 7", "no answer"], cut=True)
    assert texts(rows) == [(" " + right, " #### 12"), (" " + right, " #### 7")]
    assert report.rejected_right == 1


RESPONSES = st.lists(
    st.builds(lambda text, end: f"{text}{end}", st.text("ab {=\n", max_size=12), st.sampled_from(["\n#### 7", "\n#### 8", "#### 7 {x}", "#### 8", "", "#### 7.0", "\n#### -7"])),
    max_size=8,
)  # fmt: skip


@settings(deadline=None)
@given(RESPONSES.filter(bool), RESPONSES.filter(bool), st.sampled_from(["cot", "answer", "wrong"]), st.integers(1, 4))
def test_no_chosen_is_wrong_and_no_rejected_is_right(
    tmp_path_factory: pytest.TempPathFactory, responses: list[str], direct: list[str], rule: str, most: int
) -> None:
    directory = tmp_path_factory.mktemp("samples")
    rows, report = pairs_of(directory, rule, responses, direct, most=most)
    assert rows == pairs_of(directory, rule, responses[::-1], direct[::-1], most=most)[0]
    assert len(rows) == report.pairs <= most
    assert len(rows) == len({tuple(row.items()) for row in rows})
    for row in rows:
        assert GSM8K_HASH.judge(row["chosen"], GOLD) is Judgement.TRUE
        if rule == "cot":
            assert has_reasoning(row["chosen"])
            assert is_answer_alone(row["rejected"])
        else:
            assert GSM8K_HASH.judge(row["rejected"], GOLD) is Judgement.FALSE
        assert row["chosen"].strip() in {GOLD, *(text.strip() for text in responses)}
        assert row["chosen"][:2].strip(), "one space, then the text: as the targets of training begin"
        assert row["rejected"][:2].strip()
    if not rows:
        assert report.skipped.total() == 1


@given(st.lists(st.text("abcd ", max_size=10)))
def test_without_similar(texts: list[str]) -> None:
    kept = list(without_similar(texts))
    assert all(similarity(a, b) <= 0.7 for i, a in enumerate(kept) for b in kept[:i])
    assert all(any(similarity(text, other) > 0.7 for other in kept) for text in texts)


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (GOLD, True),
        ("#### 7", False),
        ("The answer is (B).", False),
        ("So the answer is (B).", False),
        ("A cage keeps a bird from flying, so the answer is (B).", True),
        ("5+2=<<5+2=7>>7\n#### 7", True),
        (" $\\boxed{7}$", False),
        ("B", False),
    ],
)
def test_has_reasoning(text: str, reasons: bool) -> None:
    assert has_reasoning(text) is reasons
    assert is_answer_alone(text) is not reasons


@pytest.mark.parametrize("text", ["#### 3 * 4 = 12", "#### 12\nsince 3 * 4 is 12", "The answer is (B).\nBirds fly."])
def test_what_reasons_behind_its_answer_is_no_answer_alone(text: str) -> None:
    assert not has_reasoning(text)
    assert not is_answer_alone(text)
