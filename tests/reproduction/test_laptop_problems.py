"""The laptop reproduction's problems: true by an independent reading, every number needed, exact twins, no leak."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.data.sources import ENV_VAR, SOURCES, load
from axolotl_cotmask.reproduction.laptop.data import laptop_rows, write_laptop_data
from axolotl_cotmask.reproduction.laptop.language import build_word_tokenizer, known_words
from axolotl_cotmask.reproduction.laptop.problems import (
    IRRELEVANT_SHARE,
    LARGEST,
    Problem,
    draw_irrelevant,
    draw_problem,
    with_irrelevant,
)

CALCULATION = re.compile(r"(\d+) ([-+*]) (\d+) = << (\d+) ([-+*]) (\d+) = (\d+) >> (\d+)")
problems = st.integers(0, 2**32).map(lambda seed: draw_problem(random.Random(seed)))


def calculations(solution: str) -> list[tuple[int, str, int, int]]:
    """Read the solution's calculations, and check that text and annotation say the same."""
    found = []
    for left, sign, right, *annotation, result in CALCULATION.findall(solution):
        assert annotation == [left, sign, right, result]
        found.append((int(left), sign, int(right), int(result)))
    assert len(found) == solution.count("<<")
    return found


def solve(text: str) -> int:
    """Answer a question by reading its sentences alone; sentences about anything else are passed over."""
    have: dict[str, int] = {}
    *facts, question = text.split(" . ")
    (things,) = re.findall(r"How many (?:more )?(\w+)", question)
    for fact in facts:
        if match := re.fullmatch(rf"(\w+) has (\d+) {things}", fact):
            have[match[1]] = int(match[2])
        elif match := re.fullmatch(rf"(\w+) has (\d+) (more|fewer) {things} than (\w+)", fact):
            have[match[1]] = have[match[4]] + int(match[2]) * (1 if match[3] == "more" else -1)
        elif match := re.fullmatch(rf"(\w+) has (twice|\d+ times) as many {things} as (\w+)", fact):
            have[match[1]] = have[match[3]] * (2 if match[2] == "twice" else int(match[2].split()[0]))
        elif match := re.fullmatch(rf"(\w+) (buys|loses) (\d+) {things}", fact):
            have[match[1]] += int(match[3]) * (1 if match[2] == "buys" else -1)
    if match := re.fullmatch(r"How many \w+ do (\w+) and (\w+) have in total \?", question):
        return have[match[1]] + have[match[2]]
    if match := re.fullmatch(r"How many more \w+ does (\w+) have than (\w+) \?", question):
        return have[match[1]] - have[match[2]]
    match = re.fullmatch(r"How many \w+ does (\w+) have now \?", question)
    assert match, question
    return have[match[1]]


@pytest.mark.slow
def test_an_independent_reading_gives_the_answer_of_100_000_problems_with_and_without_an_irrelevant_sentence() -> None:
    rng = random.Random(20)
    for _ in range(100_000):
        problem = draw_problem(rng)
        steps = calculations(problem.solution)
        assert all({"+": a + b, "-": a - b, "*": a * b}[sign] == result for a, sign, b, result in steps)
        assert solve(problem.text) == problem.answer == steps[-1][-1]
        assert solve(with_irrelevant(problem, draw_irrelevant(rng, problem))) == problem.answer


@given(problems)
def test_every_stated_number_is_used_and_every_step_is_needed(problem: Problem) -> None:
    stated = [int(number) for number in re.findall(r"\d+", problem.text)]
    assert stated == list(problem.numbers)
    steps = calculations(problem.solution)
    assert 2 <= len(steps) <= 4
    assert all(1 <= number <= LARGEST for step in steps for number in (step[0], step[2], step[3]))
    operands = [operand for left, _, right, _ in steps for operand in (left, right)]
    for number in stated:
        operands.remove(number)
    # What is left of the operands after the stated numbers are intermediate results: each is used later.
    for *_, result in steps[:-1]:
        assert result in operands
    assert problem.solution.endswith(f" . #### {problem.answer}")


def changed(problem: Problem, place: int) -> int:
    """Answer the problem with its number at ``place`` one larger, by the independent reading."""
    spots = [match.span() for match in re.finditer(r"\d+", problem.text)]
    start, end = spots[place]
    return solve(f"{problem.text[:start]}{problem.numbers[place] + 1}{problem.text[end:]}")


@given(problems)
def test_every_stated_number_changes_the_answer(problem: Problem) -> None:
    assert all(changed(problem, place) != problem.answer for place in range(len(problem.numbers)))


@given(problems, st.integers(0, 2**32))
def test_a_twin_differs_by_exactly_one_sentence_before_the_question(problem: Problem, seed: int) -> None:
    irrelevant = draw_irrelevant(random.Random(seed), problem)
    sentence = irrelevant["sentence_template"].format(role=irrelevant["role"], number=irrelevant["number"])
    assert with_irrelevant(problem, irrelevant) == " ".join([*problem.context, sentence, problem.question])
    assert irrelevant["role"] not in problem.people
    in_range = min(problem.numbers) <= int(irrelevant["number"]) <= max(problem.numbers)
    assert irrelevant["number_label"] == ("in_range" if in_range else "out_range")
    overlapped = any(name in irrelevant["role"] for name in problem.people)
    assert irrelevant["role_label"] == ("overlapped" if overlapped else "nonoverlapped")
    assert irrelevant["sentence_label"] == ("in_topic" if problem.things in sentence else "out_topic")


def test_rows_have_the_fields_of_their_data_sets_and_kinds_are_balanced() -> None:
    rows = laptop_rows(seed=1, train_rows=400, test_rows=64)
    for name, source_rows in rows.items():
        assert all(set(SOURCES[name].fields) <= set(row) for row in source_rows)
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


def test_no_training_problem_is_in_a_test_set() -> None:
    rows = laptop_rows(seed=0, train_rows=3000, test_rows=400)
    train = {row["question"] for row in rows["gsm8k_train"]}
    assert len(train) == 3000
    # A training problem with an irrelevant sentence must not be a test problem underneath either.
    without = {" . ".join([*text.split(" . ")[:-2], text.split(" . ")[-1]]) for text in train}
    assert not {row["question"] for row in rows["gsm8k_test"]} & (train | without)
    assert not {row["new_question"] for row in rows["gsm_ic_2step"] + rows["gsm_ic_mstep"]} & train


def test_about_the_documented_share_of_training_problems_has_an_irrelevant_sentence() -> None:
    rows = laptop_rows(seed=3, train_rows=2000, test_rows=1)["gsm8k_train"]
    facts = re.compile(r"(?!The )\w+ (has (twice|\d+ (times|more|fewer)) .*|buys .*|loses .*)")
    extra = sum(
        sum(not facts.fullmatch(fact) for fact in row["question"].split(" . ")[:-1]) > 1 for row in rows
    )  # the first sentence states a start
    assert abs(extra / len(rows) - IRRELEVANT_SHARE) < 0.03


def test_more_training_rows_leave_the_test_set_as_it_is() -> None:
    few, many = laptop_rows(4, 10, 20), laptop_rows(4, 50, 20)
    assert few["gsm8k_test"] == many["gsm8k_test"]
    assert few["gsm8k_train"] == many["gsm8k_train"][:10]


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_laptop_data(tmp_path / name, seed, 50, 20)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == 4
    assert all(files[0][name] != files[2][name] for name in files[0])
    monkeypatch.setenv(ENV_VAR, str(tmp_path / "a"))
    assert len(load("gsm8k_train")) == 50
    assert len(load("gsm_ic_2step")) + len(load("gsm_ic_mstep")) == 20


def test_nothing_half_written_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_laptop_data(tmp_path, 0, 5, 5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def no_space(self: Path, text: str, encoding: str) -> int:
        with self.open("w", encoding=encoding) as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(CoTMaskError, match=r"cannot be written \(No space left on device\): make room for it"):
        write_laptop_data(tmp_path, 1, 5, 5)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_row_counts_below_one_are_refused(tmp_path: Path, counts: tuple[int, int]) -> None:
    with pytest.raises(CoTMaskError, match=r"(train|test)_rows is 0: give at least 1 row"):
        write_laptop_data(tmp_path / "data", 0, *counts)


@given(problems, st.integers(0, 2**32))
def test_every_word_has_a_token_and_prompt_and_solution_come_back(problem: Problem, seed: int) -> None:
    question = with_irrelevant(problem, draw_irrelevant(random.Random(seed), problem))
    ids = TOKENIZER(alpaca_prompt(question) + SEPARATOR + problem.solution)["input_ids"]
    assert TOKENIZER.unk_token_id not in ids
    assert len(ids) == 3 + len(question.split()) + len(problem.solution.split())
    assert TOKENIZER.decode(ids[-len(problem.solution.split()) :]) == problem.solution
    assert len(known_words()) < 200


TOKENIZER = build_word_tokenizer()
