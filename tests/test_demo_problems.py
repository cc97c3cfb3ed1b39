"""The procedural problems: true arithmetic, every number needed, exact twins, no leak, same seed same bytes."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axolotl_cotmask.data import ENV_VAR, SOURCES, load
from axolotl_cotmask.demo.problems import (
    IRRELEVANT_SHARE,
    Problem,
    demo_rows,
    draw_irrelevant,
    draw_problem,
    with_irrelevant,
    write_demo_data,
)
from axolotl_cotmask.errors import CoTMaskError

CALCULATION = re.compile(r"(\d+)([-+*/])(\d+)=\$?<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")
problems = st.integers(0, 2**32).map(lambda seed: draw_problem(random.Random(seed)))


def calculations(solution: str) -> list[tuple[int, str, int, int]]:
    """Read the solution's calculations, one per step line, and check that text and annotation say the same."""
    found = []
    for line in solution.split("\n")[:-1]:
        (shown,) = CALCULATION.findall(line)
        left, operator, right, *annotation, result = shown
        assert annotation == [left, operator, right, result]
        found.append((int(left), operator, int(right), int(result)))
    return found


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?]) ", text)


@given(problems)
def test_every_annotation_is_true_and_the_last_one_is_the_answer(problem: Problem) -> None:
    steps = calculations(problem.solution)
    for left, operator, right, result in steps:
        assert left == right * result if operator == "/" else eval(f"{left}{operator}{right}") == result
        assert result > 0
    assert problem.solution.endswith(f"\n#### {steps[-1][-1]}")
    assert 2 <= len(steps) <= 4


@given(problems)
def test_every_stated_number_is_used_and_every_step_is_needed(problem: Problem) -> None:
    stated = [int(number) for number in re.findall(r"\d+", problem.text)]
    assert stated == list(problem.numbers)
    steps = calculations(problem.solution)
    operands = [operand for left, _, right, _ in steps for operand in (left, right)]
    for number in stated:
        operands.remove(number)
    # What is left of the operands after the stated numbers are intermediate results: each is used later.
    for *_, result in steps[:-1]:
        assert result in operands


@given(problems, st.integers(0, 2**32))
def test_a_twin_differs_by_exactly_one_sentence_before_the_question(problem: Problem, seed: int) -> None:
    irrelevant = draw_irrelevant(random.Random(seed), problem)
    original, twin = sentences(problem.text), sentences(with_irrelevant(problem, irrelevant))
    assert twin == [*original[:-1], irrelevant.sentence, original[-1]]
    assert irrelevant.role not in problem.people
    in_range = min(problem.numbers) <= irrelevant.number <= max(problem.numbers)
    assert irrelevant.number_label == ("in_range" if in_range else "out_range")
    overlapped = any(name in irrelevant.role for name in problem.people)
    assert irrelevant.role_label == ("overlapped" if overlapped else "nonoverlapped")
    assert irrelevant.sentence_label == ("in_topic" if problem.things in irrelevant.sentence else "out_topic")


def test_rows_have_the_fields_of_their_data_sets() -> None:
    rows = demo_rows(seed=1, train_rows=400, test_rows=64)
    for name, source_rows in rows.items():
        for row in source_rows:
            assert set(SOURCES[name].fields) <= set(row)
    twins = rows["gsm_ic_2step"] + rows["gsm_ic_mstep"]
    answers = {row["question"]: row["answer"] for row in rows["gsm8k_test"]}
    assert len(twins) == len(answers) == 64
    for twin in twins:
        solution = answers[twin["original_question"]]
        assert solution.endswith(f"#### {twin['answer']}")
        assert twin["n_steps"] == len(calculations(solution))
    assert {twin["n_steps"] for twin in rows["gsm_ic_2step"]} == {2}
    assert {twin["n_steps"] for twin in rows["gsm_ic_mstep"]} == {3, 4}
    kinds = [(twin["role_label"], twin["number_label"], twin["sentence_label"]) for twin in twins]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(kinds, 8)


def test_no_test_question_is_a_training_question() -> None:
    rows = demo_rows(seed=2, train_rows=3000, test_rows=300)
    train = {row["question"] for row in rows["gsm8k_train"]}
    assert len(train) == 3000
    # A training problem with an irrelevant sentence must not be a test problem underneath either.
    without = {" ".join([*sentences(text)[:-2], sentences(text)[-1]]) for text in train}
    test = {row["question"] for row in rows["gsm8k_test"]}
    assert not test & (train | without)
    assert not {row["new_question"] for row in rows["gsm_ic_2step"] + rows["gsm_ic_mstep"]} & train


def test_about_the_documented_share_of_training_problems_has_an_irrelevant_sentence() -> None:
    rows = demo_rows(seed=3, train_rows=2000, test_rows=1)["gsm8k_train"]
    # A number that no step uses gives the sentence away, unless it happens to equal one that is used.
    unused = sum(
        not {int(n) for n in re.findall(r"\d+", row["question"])}
        <= {n for left, _, right, _ in calculations(row["answer"]) for n in (left, right)}
        for row in rows
    )
    assert 0.08 < unused / len(rows) <= IRRELEVANT_SHARE + 0.03


def test_more_training_rows_leave_the_test_set_as_it_is() -> None:
    few, many = demo_rows(4, 10, 20), demo_rows(4, 50, 20)
    assert few["gsm8k_test"] == many["gsm8k_test"]
    assert few["gsm8k_train"] == many["gsm8k_train"][:10]


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    paths = [write_demo_data(tmp_path / name, seed, 50, 20) for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    first, same, other = ({name: path.read_bytes() for name, path in run.items()} for run in paths)
    assert first == same
    assert all(first[name] != other[name] for name in first)


def test_the_written_files_load_as_the_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_data(tmp_path, 0, 30, 10)
    monkeypatch.setenv(ENV_VAR, str(tmp_path))
    assert len(load("gsm8k_train")) == 30
    assert len(load("gsm8k_test")) == 10
    assert len(load("gsm_ic_2step")) + len(load("gsm_ic_mstep")) == 10


def test_nothing_half_written_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_data(tmp_path, 0, 5, 5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def no_space(self: Path, text: str, encoding: str) -> int:
        with self.open("w", encoding=encoding) as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(CoTMaskError, match=r"cannot write the demonstration data there \(No space left on device\)"):
        write_demo_data(tmp_path, 1, 5, 5)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CoTMaskError, match="taken: cannot write"):
        write_demo_data(tmp_path / "taken", 0, 1, 1)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_row_counts_below_one_are_refused(tmp_path: Path, counts: tuple[int, int]) -> None:
    with pytest.raises(CoTMaskError, match=r"(train|test)_rows is 0: the demonstration needs at least 1 row"):
        write_demo_data(tmp_path / "data", 0, *counts)
    assert not (tmp_path / "data" / SOURCES["gsm8k_train"].file).exists()


def test_lines_are_plain_json(tmp_path: Path) -> None:
    paths = write_demo_data(os.fspath(tmp_path), 0, 3, 3)
    lines = paths["gsm8k_train"].read_text(encoding="utf-8").splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["answer", "question"]] * 3
