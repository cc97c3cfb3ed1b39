"""The tasks that read an answer after the model's thinking, run by lm-eval on real questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from support.hermetic import RealData
from support.lm_eval_runs import EVALTASKS, evaluate, values
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.common.files import read_jsonl

TASKS = {"cotmask_gsm8k_thinking": ("gsm8k_test.jsonl", "question"), "cotmask_math500_thinking": ("math500.jsonl", "problem")}  # fmt: skip


class Answers(ScriptedLM):
    """A model that writes what ``answer`` returns for a gold, the n-th of the task."""

    def __init__(self, answer: Callable[[int, str], str]) -> None:
        super().__init__({})
        self.answer = answer

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.requests = requests
        return [self.answer(number, request.doc["answer"]) for number, request in enumerate(requests)]


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(EVALTASKS), include_defaults=False)


@pytest.fixture
def data(real_data: RealData, monkeypatch: pytest.MonkeyPatch) -> Path:
    real_data.needs(*(file for file, _ in TASKS.values()))
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    return real_data


def scored(task: str, manager: TaskManager, answer: Callable[[int, str], str], limit: int) -> dict[str, Any]:
    metrics = values(evaluate(Answers(answer), task, manager, limit=limit), task)
    return {name: metrics[name] for name in ("exact_match", "robust_match", "invalid")}


@pytest.mark.parametrize("task", TASKS)
def test_the_bare_question_is_asked(data: Path, manager: TaskManager, task: str) -> None:
    file, field = TASKS[task]
    model = Answers(lambda _, gold: f"<think>\n\\boxed{{0}} or #### 1?\n</think>\n\nIt is $\\boxed{{{gold}}}$.")
    results = evaluate(model, task, manager, limit=20)
    expected = [row[field] for _, row in zip(range(20), read_jsonl(data / file), strict=False)]
    options = {"do_sample": False, "max_gen_toks": 15360, "until": []}
    assert [request.args for request in model.requests] == [(question, options) for question in expected]
    assert values(results, task)["exact_match"] == values(results, task)["robust_match"] == 1


@pytest.mark.parametrize("task", TASKS)
def test_what_is_thought_is_no_answer(data: Path, manager: TaskManager, task: str) -> None:
    answers: list[tuple[str, tuple[int, int, int]]] = [
        ("<think>\\boxed{GOLD}</think>It is \\boxed{x + 99}.", (0, 0, 0)),
        ("<think>\\boxed{GOLD}", (0, 0, 1)),  # cut off
        ("<think>\\boxed{GOLD}</think>", (0, 0, 1)),
        ("\\boxed{x}</think>\\boxed{GOLD}", (1, 1, 0)),  # the template opens the thinking
        ("<think></think>\\boxed{GOLD}", (1, 1, 0)),
        ("\\boxed{GOLD}", (1, 1, 0)),
        ("<think>a</think>\\boxed{1}<think>b</think>\\boxed{GOLD}", (1, 1, 0)),
        ("<think>\\boxed{99}</think>The answer is $GOLD$.", (0, 1, 1)),  # another form
    ]
    got = scored(task, manager, lambda number, gold: answers[number][0].replace("GOLD", gold), len(answers))
    exact, robust, invalid = (sum(column) / len(answers) for column in zip(*(want for _, want in answers), strict=True))
    assert got == {"exact_match": exact, "robust_match": robust, "invalid": invalid}


def test_a_number_with_thousands_is_right_by_value(data: Path, manager: TaskManager) -> None:
    thousands = {"cotmask_gsm8k_thinking": lambda _, gold: f"<think>so</think>\\boxed{{{int(gold):,}.00}}"}
    for task, answer in thousands.items():
        assert scored(task, manager, answer, 40)["robust_match"] == 1
