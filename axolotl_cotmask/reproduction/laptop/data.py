"""Writes the data of the laptop reproduction under the names that ``COTMASK_DATA_DIR`` expects."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.reproduction.laptop.problems import (
    IRRELEVANT_SHARE,
    KINDS,
    Problem,
    draw_irrelevant,
    draw_problem,
    with_irrelevant,
)


def _twin(rng: random.Random, problem: Problem, kind: tuple[str, str, str]) -> dict[str, Any]:
    """Return GSM-IC's row for ``problem`` with one irrelevant sentence."""
    irrelevant = draw_irrelevant(rng, problem, kind)
    return {
        "original_question": problem.text,
        "new_question": with_irrelevant(problem, irrelevant),
        "answer": str(problem.answer),
        "n_steps": len(problem.steps),
        **irrelevant,
    }


def question_rows(seed: int, train_rows: int, test_rows: int, questions: int) -> list[dict[str, Any]]:
    """Return as many further problems in GSM8K's form, with their answers and without solutions.

    They are none of the problems of `laptop_rows` of the same arguments.
    """
    rows = laptop_rows(seed, train_rows + questions, test_rows)["gsm8k_train"][train_rows:]
    return [row | {"answer": f"#### {row['answer'].rpartition('#### ')[2]}"} for row in rows]


def laptop_rows(seed: int, train_rows: int, test_rows: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all four data sets, by their names in `axolotl_cotmask.data.sources.SOURCES`.

    The test problems are drawn first, so that the test set depends on the seed and its own size only; no test problem
    is a training problem, with or without an irrelevant sentence.

    Raises:
        CoTMaskError: a row count is below 1.
    """
    for name, rows in (("train_rows", train_rows), ("test_rows", test_rows)):
        if rows < 1:
            raise CoTMaskError(f"{name} is {rows}: give at least 1 row")
    seen: set[str] = set()

    def draw(rng: random.Random) -> Problem:
        while (problem := draw_problem(rng)).text in seen:
            pass
        seen.add(problem.text)
        return problem

    rng = random.Random(f"{seed} test")
    test = [draw(rng) for _ in range(test_rows)]
    twins = [_twin(rng, problem, KINDS[i % len(KINDS)]) for i, problem in enumerate(test)]
    rng = random.Random(f"{seed} train")
    train = []
    for _ in range(train_rows):
        problem = draw(rng)
        irrelevant = rng.random() < IRRELEVANT_SHARE
        text = with_irrelevant(problem, draw_irrelevant(rng, problem)) if irrelevant else problem.text
        train.append({"question": text, "answer": problem.solution})
    return {
        "gsm8k_train": train,
        "gsm8k_test": [{"question": problem.text, "answer": problem.solution} for problem in test],
        "gsm_ic_2step": [twin for twin in twins if twin["n_steps"] == 2],
        "gsm_ic_mstep": [twin for twin in twins if twin["n_steps"] > 2],
    }


def write_laptop_data(directory: Path, seed: int, train_rows: int, test_rows: int, questions: int = 0) -> None:
    """Write the four data sets as JSON lines, each whole or not at all; the same arguments give the same bytes.

    With ``questions`` write instead so many further training problems, which have an answer and no solution.

    Raises:
        CoTMaskError: a row count is below 1, or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        data = (
            {"gsm8k_train": question_rows(seed, train_rows, test_rows, questions)}
            if questions
            else laptop_rows(seed, train_rows, test_rows)
        )
        for name, rows in data.items():
            with whole_file(directory / SOURCES[name].file) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise CoTMaskError(f"{directory}: cannot write the data there ({error.strerror})") from error
