"""Accuracy by length: buckets, shares and refusals, from samples with lm-eval's names and fields."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lm_eval_runs import DATE, TASK, write_results

from axolotl_cotmask.analysis.length import accuracy_by_length
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.scored import Question, read_scored


def questions(lengths: list[int], correct: list[float]) -> list[Question]:
    return [Question({"answer": "x" * n, "id": i}, c) for i, (n, c) in enumerate(zip(lengths, correct, strict=True))]


def test_each_bucket_holds_its_questions() -> None:
    lengths = [9, 1, 5, 2, 10, 6]
    runs = {"A": questions(lengths, [1, 0, 1, 1, 0, 0]), "B": questions(lengths, [0, 1, 1, 0, 1, 1])}
    found = accuracy_by_length(runs, len, buckets=3)
    assert [(bucket.low, bucket.high, bucket.questions) for bucket in found] == [(1, 2, 2), (5, 6, 2), (9, 10, 2)]
    assert [bucket.accuracy["A"].value for bucket in found] == [0.5, 0.5, 0.5]
    assert [bucket.accuracy["B"].value for bucket in found] == [0.5, 1.0, 0.5]
    assert all(e.low < e.high and e.n == 2 for bucket in found for e in bucket.accuracy.values())


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 8))
def test_buckets_part_the_questions(lengths: list[int], buckets: int) -> None:
    correct = [float(n % 2) for n in lengths]
    found = accuracy_by_length({"A": questions(lengths, correct)}, len, buckets)
    assert 1 <= len(found) <= buckets
    assert sum(bucket.questions for bucket in found) == len(lengths)
    assert all(before.high < after.low for before, after in pairwise(found))
    assert (found[0].low, found[-1].high) == (min(lengths), max(lengths))
    right = sum(bucket.accuracy["A"].value * bucket.questions for bucket in found)
    assert right == pytest.approx(sum(correct))


@given(st.permutations(range(100)), st.integers(1, 8))
def test_buckets_of_unlike_lengths_are_equal(lengths: list[int], buckets: int) -> None:
    found = accuracy_by_length({"A": questions(lengths, [1.0] * 100)}, len, buckets)
    assert len(found) == buckets
    assert {bucket.questions for bucket in found} <= {100 // buckets, 100 // buckets + 1}


def test_samples_are_read_in_the_order_of_the_data(tmp_path: Path) -> None:
    run = read_scored(write_results(tmp_path / "a", ["x", "yy"], [0.0, 1.0], "outputs/x"), TASK)
    assert [(q.doc["answer"], q.correct) for q in run.questions] == [("x", 0.0), ("yy", 1.0)]
    assert run.pretrained == "outputs/x"


def test_base_problems_without_a_score_are_left_out(tmp_path: Path) -> None:
    directory = write_results(tmp_path / "a", ["x", "yy"], [0.0, 1.0])
    file = directory / f"samples_{TASK}_{DATE}.jsonl"
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"doc_id": 2, "doc": {"answer": "z"}, "base": 1.0}) + "\n")
    assert len(read_scored(directory, TASK).questions) == 2


@pytest.mark.parametrize("other", [[1, 2], [1, 2, 4]])
def test_other_questions_are_refused(other: list[int]) -> None:
    runs = {"A": questions([1, 2, 3], [0, 1, 1]), "B": questions(other, [1.0] * len(other))}
    with pytest.raises(CoTMaskError, match=r"A and B were scored on different questions .* with the same --limit"):
        accuracy_by_length(runs, len)


@pytest.mark.parametrize("doc", [{"question": "q"}, {"answer": 7}])
def test_a_document_without_a_solution_is_refused(doc: dict[str, Any]) -> None:
    with pytest.raises(CoTMaskError, match="question 1: its document has no text 'answer'"):
        accuracy_by_length({"A": [Question(doc, 1.0)]}, len)


def test_results_without_samples_are_refused(tmp_path: Path) -> None:
    directory = write_results(tmp_path / "a", ["x"], [1.0], samples=False)
    with pytest.raises(CoTMaskError, match=r"task cotmask_gsm8k: there are no samples .* again with --log_samples"):
        read_scored(directory, TASK)
