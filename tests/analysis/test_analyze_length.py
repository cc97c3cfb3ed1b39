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
from axolotl_cotmask.evaluation.answers import Judgement
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, read_graded_task
from axolotl_cotmask.evaluation.results import TaskResult, read_results


def graded(documents: list[dict[str, Any]], correct: list[float], name: str = "A") -> GradedFile:
    questions = (
        GradedQuestion(
            f"{name}, line {number}",
            {"doc_id": number, "doc": document},
            Judgement.TRUE if value else Judgement.FALSE,
        )
        for number, (document, value) in enumerate(zip(documents, correct, strict=True), start=1)
    )
    return GradedFile(Path(name), tuple(questions))


def questions(lengths: list[int], correct: list[float], name: str = "A") -> GradedFile:
    return graded([{"answer": "x" * n, "id": i} for i, n in enumerate(lengths)], correct, name)


def result_of(directory: Path) -> TaskResult:
    return read_results(directory, [TASK])[TASK]


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
    result = result_of(write_results(tmp_path / "a", ["x", "yy"], [0.0, 1.0], "outputs/x"))
    run = read_graded_task(result)
    assert [(q.document["answer"], q.right) for q in run.questions] == [("x", 0.0), ("yy", 1.0)]
    assert result.pretrained == "outputs/x"


def test_base_problems_without_a_score_are_left_out(tmp_path: Path) -> None:
    directory = write_results(tmp_path / "a", ["x", "yy"], [0.0, 1.0])
    file = directory / f"samples_{TASK}_{DATE}.jsonl"
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"doc_id": 2, "doc": {"answer": "z"}, "exact_match": None}) + "\n")
    run = read_graded_task(result_of(directory))
    assert len(run.concerned) == 2
    assert sum(bucket.questions for bucket in accuracy_by_length({"A": run, "B": run}, len)) == 2


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ([1, 2], r"A, line 3: this question is not in B, which has 2 of 3 questions: .* with the same --limit"),
        (
            [1, 2, 4],
            "A, line 3, and B, line 3: the field 'answer' of the document is 'xxx' and 'xxxx': compare answers",
        ),
    ],
)
def test_other_questions_are_refused(other: list[int], sentence: str) -> None:
    runs = {"A": questions([1, 2, 3], [0, 1, 1]), "B": questions(other, [1.0] * len(other), "B")}
    with pytest.raises(CoTMaskError, match=sentence):
        accuracy_by_length(runs, len)


@pytest.mark.parametrize("doc", [{"question": "q"}, {"answer": 7}])
def test_a_document_without_a_solution_is_refused(doc: dict[str, Any]) -> None:
    with pytest.raises(CoTMaskError, match="A, line 1: the document has no text 'answer'"):
        accuracy_by_length({"A": graded([doc], [1.0])}, len)


def test_results_without_samples_are_refused(tmp_path: Path) -> None:
    directory = write_results(tmp_path / "a", ["x"], [1.0], samples=False)
    with pytest.raises(
        CoTMaskError, match="task cotmask_gsm8k: there are no samples: evaluate again with --log_samples"
    ):
        read_graded_task(result_of(directory))
