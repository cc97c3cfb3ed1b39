"""The tasks of other benchmarks than GSM8K, GSM-IC and the corrupted steps, run by lm-eval: prompts, golds, metrics, errors."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager, get_task_dict
from lm_eval.utils import load_yaml_config
from support.hermetic import RealData
from support.lm_eval_runs import EVALTASKS, evaluate, values
from support.project import write_jsonl
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.data import sources
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.benchmarks.corrupted_step_task import corrupted_questions
from axolotl_cotmask.evaluation.tasks import number_text

BEFORE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n"
)
AFTER = "\n\n### Response:"
METAMATH_STOPS = ["Question:", "Question", "USER:", "USER", "ASSISTANT:", "ASSISTANT", "Instruction:", "Instruction", "Response:", "Response"]  # fmt: skip
PLATINUM = [
    {"question": f"What is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}", "cleaning_status": "consensus"}
    for n in range(8)
]
SYMBOLIC = [
    {"id": n % 4, "instance": n // 4, "question": f"What is {n} * 2?", "answer": f"Twice.\n#### {2 * n}"}
    for n in range(8)
]
CHOICES = [
    {
        "question_stem": f" Which is {n}?",
        "question": f" Which is {n}?",
        "choices": {"text": ["-1", " other", str(n), "many"], "label": ["A", "B", "C", "D"]},
        "answerKey": "C",
    }
    for n in range(8)
]
PIQA = [{"goal": f"reach {n}", "sol1": "go", "sol2": "stay", "label": n % 2} for n in range(8)]
SIQA = [
    {"context": f"Ann has {n}. ", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c", "label": str(1 + n % 3)}
    for n in range(8)
]  # fmt: skip
#: Files that are not among the real data, but rows of their form.
HANDWRITTEN = {
    "gsm8k_platinum_test.jsonl": PLATINUM,
    "gsm_symbolic_main.jsonl": SYMBOLIC,
    "gsm_symbolic_p1.jsonl": SYMBOLIC,
    "gsm_symbolic_p2.jsonl": SYMBOLIC,
    "obqa_test.jsonl": CHOICES,
    "csqa_validation.jsonl": CHOICES,
    "piqa_validation.jsonl": PIQA,
    "siqa_validation.jsonl": SIQA,
}
#: The full test split of MATH is not among them either, but rows of the train split with the same fields.
MATH_ROWS = "math_train_sample.jsonl"

READMES = sorted(EVALTASKS.glob("*/README.md"))

Row = Mapping[str, Any]


class Answers(ScriptedLM):
    """A model that writes what ``answer`` returns for a document."""

    def __init__(self, answer: Callable[[Row], str]) -> None:
        super().__init__({})
        self.answer = answer

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.requests = requests
        return [self.answer(request.doc) for request in requests]


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(EVALTASKS), include_defaults=False)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What COTMASK_DATA_DIR names; it is empty."""
    directory = tmp_path / "data"
    directory.mkdir()
    monkeypatch.setenv("COTMASK_DATA_DIR", str(directory))
    return directory


@pytest.fixture
def all_data(real_data: RealData, directory: Path) -> Path:
    """The directory, with the data of every task."""
    real_data.needs(*({case.file for case in CASES.values()} - HANDWRITTEN.keys() - {"math_test.jsonl"}))
    for path in real_data.glob("*.jsonl"):
        (directory / path.name).symlink_to(path)
    (directory / "math_test.jsonl").symlink_to(real_data / MATH_ROWS)
    for name, rows in HANDWRITTEN.items():
        write_jsonl(directory / name, rows)
    return directory


def hashed(answer: object) -> str:
    return f" So.\n#### {answer}"


def boxed(answer: object) -> str:
    return f" So $\\boxed{{{answer}}}.$"


def stated(answer: object) -> str:
    return f"\nSo.\nThe answer is: {answer}"


def named(answer: object) -> str:
    return f" So. The answer is {answer}."


def after_hash(row: Row) -> str:
    return row["answer"].rpartition("#### ")[2]


@dataclass(frozen=True)
class Case:
    """What a task makes of a row, written a second time; ``gold`` is None for a row that it leaves out."""

    file: str
    question: Callable[[Row], str]
    gold: Callable[[Row], object]
    write: Callable[[object], str] = hashed
    suffix: str = ""
    tokens: int = 512
    until: tuple[str, ...] = ()


def question(row: Row) -> str:
    return row["question"]


def problem(row: Row) -> str:
    return row["problem"]


def svamp_question(row: Row) -> str:
    body, asked = row["Body"].strip(), row["Question"].strip()
    return f"{body} {asked}" if body.endswith(".") else f"{body}. {asked}"


def asdiv_gold(row: Row) -> str | None:
    number = row["answer"].split("(")[0].strip()
    return number if number.isdecimal() else None


def aqua_question(row: Row) -> str:
    text = "".join(f"({option}" for option in row["options"])
    options = "".join({"(": " (", ")": ") "}.get(character, character) for character in text)
    return f"{row['question'].strip()}\nAnswer Choices:{options}"


def choices_question(row: Row) -> str:
    texts = [text.strip() for text in row["choices"]["text"]]
    return f"{row['question'].strip()}\nA) {texts[0]}\nB) {texts[1]}\nC) {texts[2]}\nD) {texts[3]}"


def siqa_question(row: Row) -> str:
    return f"{row['context'].strip()} {row['question']}\nA) {row['answerA']}\nB) {row['answerB']}\nC) {row['answerC']}"


def choice(file: str, question: Callable[[Row], str], gold: Callable[[Row], object]) -> dict[bool, Case]:
    """The task with reasoning, and the one without."""
    direct = {"write": lambda answer: f" ({answer}).", "suffix": " The answer is"}
    return {False: Case(file, question, gold, write=named), True: Case(file, question, gold, **direct)}


OBQA = choice("obqa_test.jsonl", choices_question, lambda row: row["answerKey"])
CSQA = choice("csqa_validation.jsonl", choices_question, lambda row: row["answerKey"])
PIQA_CASE = choice(
    "piqa_validation.jsonl", lambda row: f"{row['goal']}\nA) {row['sol1']}\nB) {row['sol2']}", lambda row: "AB"[row["label"]]
)  # fmt: skip
SIQA_CASE = choice("siqa_validation.jsonl", siqa_question, lambda row: " ABC"[int(row["label"])])
STEP_BY_STEP = " Let's think step by step."
MATH = {"write": boxed, "tokens": 2048}
METAMATH = {"write": stated, "suffix": STEP_BY_STEP, "until": tuple(METAMATH_STOPS)}
CASES = {
    "cotmask_math": Case("math_test.jsonl", problem, lambda row: row["answer"], **MATH),
    "cotmask_math500": Case("math500.jsonl", problem, lambda row: row["answer"], **MATH),
    "cotmask_metamath_gsm8k": Case("gsm8k_test.jsonl", question, after_hash, **METAMATH),
    "cotmask_metamath_math": Case("math_test.jsonl", problem, lambda row: row["answer"], **METAMATH, tokens=2048),
    "cotmask_metamath_math500": Case("math500.jsonl", problem, lambda row: row["answer"], **METAMATH, tokens=2048),
    "cotmask_svamp": Case("svamp.jsonl", svamp_question, lambda row: f"{row['Answer']:.0f}"),
    "cotmask_asdiv": Case("asdiv.jsonl", lambda row: f"{row['body']} {row['question']}", asdiv_gold),
    "cotmask_multiarith": Case(
        "multiarith.jsonl", lambda row: row["sQuestion"].strip(), lambda row: f"{row['lSolutions'][0]:.0f}"
    ),
    "cotmask_mawps": Case("mawps_test.jsonl", lambda row: row["input"], lambda row: f"{row['target']:.0f}"),
    "cotmask_aqua": Case("aqua_test.jsonl", aqua_question, lambda row: row["correct"], write=named),
    "cotmask_gsm8k_backward": Case("gsm8k_backward_fobar.jsonl", question, lambda row: row["answer"]),
    "cotmask_gsm8k_platinum": Case("gsm8k_platinum_test.jsonl", question, after_hash),
    "cotmask_gsm_plus": Case(
        "gsm_plus_testmini.jsonl", question, lambda row: None if row["answer"] == "None" else row["answer"]
    ),
    "cotmask_gsm_symbolic": Case("gsm_symbolic_main.jsonl", question, after_hash),
    "cotmask_gsm_symbolic_p1": Case("gsm_symbolic_p1.jsonl", question, after_hash),
    "cotmask_gsm_symbolic_p2": Case("gsm_symbolic_p2.jsonl", question, after_hash),
    "cotmask_obqa": OBQA[False],
    "cotmask_obqa_direct": OBQA[True],
    "cotmask_csqa": CSQA[False],
    "cotmask_csqa_direct": CSQA[True],
    "cotmask_piqa": PIQA_CASE[False],
    "cotmask_piqa_direct": PIQA_CASE[True],
    "cotmask_siqa": SIQA_CASE[False],
    "cotmask_siqa_direct": SIQA_CASE[True],
}


#: How the tasks begin that have tests of their own: test_evaltasks.py, test_thinking_tasks.py, test_hybrid.py, test_sampling.py, ...
ELSEWHERE = ("gsm8k", "gsm_ic", "corrupted_", "janet", "mammoth_", "sample_", "math500_thinking")
GROUPS = ("cotmask_robust", "cotmask_ood", "cotmask_paper")


def test_every_task_is_tested() -> None:
    tasks = {path.stem for path in EVALTASKS.glob("*/*.yaml")} - CASES.keys() - set(GROUPS)
    assert [task for task in sorted(tasks) if not task.removeprefix("cotmask_").startswith(ELSEWHERE)] == []


@pytest.mark.parametrize("task", [task for task, case in CASES.items() if case.file not in HANDWRITTEN])
def test_prompts_and_golds_of_real_rows(all_data: Path, manager: TaskManager, task: str) -> None:
    check_prompts_and_golds(all_data, manager, task)


@pytest.mark.parametrize("task", [task for task, case in CASES.items() if case.file in HANDWRITTEN])
def test_prompts_and_golds_of_handwritten_rows(directory: Path, manager: TaskManager, task: str) -> None:
    write_jsonl(directory / CASES[task].file, HANDWRITTEN[CASES[task].file])
    check_prompts_and_golds(directory, manager, task)


def check_prompts_and_golds(directory: Path, manager: TaskManager, task: str) -> None:
    case = CASES[task]
    rows = (row for row in read_jsonl(directory / case.file) if case.gold(row) is not None)
    expected = list(islice(rows, 8))
    golds = {BEFORE + case.question(row) + AFTER + case.suffix: case.gold(row) for row in expected}
    model = ScriptedLM({prompt: case.write(gold) for prompt, gold in golds.items()})
    results = evaluate(model, task, manager, limit=8)
    options = {"do_sample": False, "max_gen_toks": case.tokens, "until": list(case.until)}
    assert [request.args for request in model.requests] == [(prompt, options) for prompt in golds]
    metrics = values(results, task)
    assert {name: metrics[name] for name in ("exact_match", "robust_match", "invalid")} == {
        "exact_match": 1.0, "robust_match": 1.0, "invalid": 0.0
    }  # fmt: skip
    assert results["higher_is_better"][task]["exact_match"]
    assert results["higher_is_better"][task]["robust_match"]
    assert not results["higher_is_better"][task]["invalid"]


@pytest.mark.parametrize(
    ("task", "documents"),
    [
        ("cotmask_math500", 500),
        ("cotmask_metamath_gsm8k", 1319),
        ("cotmask_svamp", 1000),
        ("cotmask_asdiv", 2092),
        ("cotmask_multiarith", 600),
        ("cotmask_mawps", 2065),
        ("cotmask_aqua", 254),
        ("cotmask_gsm8k_backward", 1270),
        ("cotmask_gsm_plus", 2100),
    ],
)
def test_number_of_documents(all_data: Path, manager: TaskManager, task: str, documents: int) -> None:
    assert len(get_task_dict([task], manager)[task].test_docs()) == documents


def test_asdiv_leaves_out_what_is_no_number(directory: Path, manager: TaskManager) -> None:
    golds = {
        "9 (apples)": "9", "14  (seats)": "14", "2.50 (dollars)": "2.5", "1,000": "1000", "5/2": "2.5", "8": "8",
        "11; 12; 13": None, "5 (years old); 15 (years old)": None, "5:6": None, "3:30 p.m.": None, "6th": None,
        "Mrs. Hilt": None, "-(1/3)": None, "Yes": None,
    }  # fmt: skip
    write_jsonl(directory / "asdiv.jsonl", [{"body": "b", "question": "q", "answer": answer} for answer in golds])
    documents = get_task_dict(["cotmask_asdiv"], manager)["cotmask_asdiv"].test_docs()
    assert documents["answer"] == [gold for gold in golds.values() if gold is not None]


@pytest.mark.parametrize(
    ("answer", "text"),
    [(39.0, "39"), (7, "7"), ("845,640", "845640"), (0.625, "0.625"), ("1/4", "0.25"), ("-12.50", "-12.5"), ("x", "x"), ("1/0", "1/0")],
)  # fmt: skip
def test_number_text(answer: str | float, text: str) -> None:
    assert number_text(answer) == text


def test_multiarith_by_either_name_of_its_fields(directory: Path, manager: TaskManager) -> None:
    file = directory / "multiarith.jsonl"
    for row in ({"sQuestion": " q ", "lSolutions": [39.0]}, {"question": "q", "final_ans": "39"}):
        write_jsonl(file, [row])
        [document] = get_task_dict(["cotmask_multiarith"], manager)["cotmask_multiarith"].test_docs()
        assert (document["question"], document["answer"]) == ("q", "39")


def test_aliases_of_a_remote_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"sQuestion": "q", "lSolutions": "1"}])
    remote = {"path": "json", "data_files": str(path), "split": "train"}
    source = sources.DataSource((), remote, ("question", "final_ans"), aliases=sources.SOURCES["multiarith"].aliases)
    monkeypatch.setattr(sources, "SOURCES", {"multiarith": source})
    assert list(sources.load("multiarith")) == [{"question": "q", "final_ans": "1"}]


def test_number_metrics_by_hand(directory: Path, manager: TaskManager) -> None:
    answers = {
        "a": "9 - 4 = 5\n#### 5",
        "b": "#### 1,200.00",
        "c": "The answer is 7.",  # in the wrong form
        "d": "#### 6",  # wrong
        "e": "I do not know.",
        "How many apples does Tom have?": "So Tom has 5 apples and Ann has 3.",  # the question tells which
    }
    golds = [5.0, 1200.0, 7.0, 8.0, 9.0, 5.0]
    rows = [{"input": q, "target": gold} for q, gold in zip(answers, golds, strict=True)]
    write_jsonl(directory / "mawps_test.jsonl", rows)
    results = evaluate(Answers(lambda doc: answers[doc["question"]]), "cotmask_mawps", manager)
    assert values(results, "cotmask_mawps") == {"exact_match": 2 / 6, "robust_match": 4 / 6, "invalid": 3 / 6}


def test_math_metrics_by_hand(directory: Path, manager: TaskManager) -> None:
    def row(problem: str, level: str | int, answer: str) -> dict[str, Any]:
        return {"problem": problem, "level": level, "solution": f"So \\boxed{{1}} and then $\\boxed{{{answer}}}.$"}

    rows = [
        row("a", "Level 1", "\\frac{1}{2}"),
        row("b", "Level 1", "3"),
        row("c", "Level 5", "x^2"),
        row("d", "Level ?", "4"),
    ]
    answers = {"a": "\\boxed{\\dfrac12}", "b": "It is 3.", "c": "\\boxed{x^3}", "d": "\\boxed{4}"}
    write_jsonl(directory / "math_test.jsonl", rows)
    model = Answers(lambda doc: answers[doc["problem"]])
    results = evaluate(model, "cotmask_math", manager)
    assert values(results, "cotmask_math") == {
        "exact_match": 2 / 4,
        "robust_match": 3 / 4,
        "invalid": 1 / 4,
        "exact_match_level_1": 1 / 2,
        "exact_match_level_2": None,
        "exact_match_level_3": None,
        "exact_match_level_4": None,
        "exact_match_level_5": 0.0,
    }
    samples = results["samples"]["cotmask_math"]
    assert [sample["target"] for sample in samples] == ["\\frac{1}{2}", "3", "x^2", "4"]
    assert len({tuple(sample["metrics"]) for sample in samples}) == 1, "lm-eval gathers ranks metric by metric"
    json.dumps(results["results"], allow_nan=False)

    # A MetaMath model's form: none of these answers has it.
    metamath = evaluate(model, "cotmask_metamath_math", manager)
    assert values(metamath, "cotmask_metamath_math")["invalid"] == 1.0
    answers |= {"a": "So.\nThe answer is: \\dfrac12.\n", "b": "The answer is: 3", "c": "The answer is: x^3", "d": "4"}
    metamath = evaluate(model, "cotmask_metamath_math", manager)
    assert values(metamath, "cotmask_metamath_math") | {"robust_match": None} == {
        "exact_match": 2 / 4,
        "robust_match": None,
        "invalid": 1 / 4,
        "exact_match_level_1": 1.0,
        "exact_match_level_2": None,
        "exact_match_level_3": None,
        "exact_match_level_4": None,
        "exact_match_level_5": 0.0,
    }


def test_metamath_gsm8k_metrics_by_hand(directory: Path, manager: TaskManager) -> None:
    golds = ["#### 72", "#### 1,200", "#### 3", "#### 4"]
    rows = [{"question": str(n), "answer": gold} for n, gold in enumerate(golds)]
    answers = ["\nThe answer is: 72", "\nThe answer is: $1200.", "#### 3", "The answer is: 5"]
    write_jsonl(directory / "gsm8k_test.jsonl", rows)
    results = evaluate(Answers(lambda doc: answers[int(doc["question"])]), "cotmask_metamath_gsm8k", manager)
    assert values(results, "cotmask_metamath_gsm8k") == {"exact_match": 2 / 4, "robust_match": 3 / 4, "invalid": 1 / 4}


def test_aqua_metrics_by_hand(directory: Path, manager: TaskManager) -> None:
    answers = {"a": "The answer is (B)", "b": "The answer is A", "c": "#### 18", "d": "so\n(D) 5"}
    golds = {"a": "B", "b": "C", "c": "C", "d": "D"}
    rows = [{"question": q, "options": ["A)1", "B)2(3)", "C)4"], "correct": gold} for q, gold in golds.items()]
    write_jsonl(directory / "aqua_test.jsonl", rows)
    model = Answers(lambda doc: answers[doc["question"][0]])
    results = evaluate(model, "cotmask_aqua", manager)
    assert values(results, "cotmask_aqua") == {"exact_match": 2 / 4, "robust_match": 2 / 4, "invalid": 1 / 4}
    assert model.requests[0].args[0] == f"{BEFORE}a\nAnswer Choices: (A) 1 (B) 2 (3)  (C) 4{AFTER}"


def test_gsm_plus_metrics_by_hand(directory: Path, manager: TaskManager) -> None:
    def row(perturbation: str, gold: str) -> dict[str, str]:
        return {"question": gold, "answer": gold, "perturbation_type": perturbation}

    rows = [
        row("numerical substitution", "1/2"),
        row("numerical substitution", "3"),
        row("integer-decimal-fraction conversion", "4.33"),
        row("critical thinking", "None"),
        row("distraction insertion", "5"),
    ]
    answers = {"1/2": "#### 0.5", "3": "#### 4", "4.33": "#### 4.33", "5": "so 5"}
    write_jsonl(directory / "gsm_plus_testmini.jsonl", rows)
    results = evaluate(Answers(lambda doc: answers[doc["question"]]), "cotmask_gsm_plus", manager)
    assert values(results, "cotmask_gsm_plus") == {
        "exact_match": 2 / 4,
        "robust_match": 3 / 4,
        "invalid": 1 / 4,
        "exact_match_numerical_substitution": 1 / 2,
        "exact_match_digit_expansion": None,
        "exact_match_integer_decimal_fraction_conversion": 1.0,
        "exact_match_adding_operation": None,
        "exact_match_reversing_operation": None,
        "exact_match_problem_understanding": None,
        "exact_match_distraction_insertion": 0.0,
    }
    json.dumps(results["results"], allow_nan=False)


def test_gsm_plus_breaks_the_real_data_down_by_all_seven_perturbations(all_data: Path, manager: TaskManager) -> None:
    results = evaluate(Answers(lambda doc: hashed(doc["answer"])), "cotmask_gsm_plus", manager)
    assert {name: value for name, value in values(results, "cotmask_gsm_plus").items() if value != 1.0} == {"invalid": 0.0}  # fmt: skip


def test_gsm_symbolic_spread_by_hand(directory: Path, manager: TaskManager) -> None:
    write_jsonl(directory / "gsm_symbolic_main.jsonl", SYMBOLIC)
    wrong = {0, 1, 5}  # accuracies 1/2 and 3/4: their sample standard deviation is (1/4) / sqrt(2)
    model = Answers(lambda doc: hashed(-1 if SYMBOLIC.index(dict(doc)) in wrong else after_hash(doc)))
    metrics = values(evaluate(model, "cotmask_gsm_symbolic", manager), "cotmask_gsm_symbolic")
    assert metrics.pop("exact_match_std_over_instances") == pytest.approx(0.25 / 2**0.5)
    assert metrics == {"exact_match": 5 / 8, "robust_match": 5 / 8, "invalid": 0.0}
    metrics = values(evaluate(model, "cotmask_gsm_symbolic", manager, limit=4), "cotmask_gsm_symbolic")
    assert metrics["exact_match_std_over_instances"] is None, "one instance has no spread"


@pytest.mark.parametrize(
    ("task", "file", "row", "sentence"),
    [
        ("cotmask_svamp", "svamp.jsonl", {"Body": "b", "Answer": 1.0}, r"svamp\.jsonl, line 2: the field 'Question' is missing"),
        ("cotmask_svamp", "svamp.jsonl", {"Body": None, "Question": "q", "Answer": 1.0}, r"svamp\.jsonl, line 2: the field 'Body' is null"),
        ("cotmask_mawps", "mawps_test.jsonl", {"input": "q", "target": "many"}, r"mawps_test\.jsonl: a field changes its type between rows"),
        ("cotmask_multiarith", "multiarith.jsonl", {"sQuestion": "q", "lSolutions": [1.0, 2.0]}, r"multiarith, row 2: lSolutions holds 2 numbers: give one"),
        ("cotmask_aqua", "aqua_test.jsonl", {"question": "q", "options": ["A)1"], "correct": "F"}, r"aqua, row 2: the rule mammoth_choice reads no answer from the gold 'F'"),
        ("cotmask_gsm_plus", "gsm_plus_testmini.jsonl", {"question": "q", "answer": "many", "perturbation_type": "x"}, r"gsm_plus, row 2: the rule gsm8k_hash reads no answer from the gold 'many'"),
        ("cotmask_math", "math_test.jsonl", {"problem": "q", "solution": "", "level": "Level 1"}, r"math_test, row 2: the rule math_boxed reads no answer from the gold ''"),
        ("cotmask_metamath_gsm8k", "gsm8k_test.jsonl", {"question": "q", "answer": "#### 1.5"}, r"gsm8k_test, row 2: the rule metamath_gsm8k reads no answer from the gold '#### 1\.5'"),
        ("cotmask_obqa", "obqa_test.jsonl", {"question_stem": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"}, r"obqa_test, row 2: no option is right, of 2: mend the row"),
        ("cotmask_obqa_direct", "obqa_test.jsonl", {"question_stem": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"}, r"obqa_test, row 2: the options are \['a'\]: give two to five texts"),
        ("cotmask_csqa", "csqa_validation.jsonl", {"question": "q", "choices": {"text": list("abcdef"), "label": list("ABCDEF")}, "answerKey": "A"}, r"csqa_validation, row 2: the options are .*: give two to five texts"),
        ("cotmask_csqa", "csqa_validation.jsonl", {"question": "q", "choices": "a or b", "answerKey": "A"}, r"csqa_validation\.jsonl: a field changes its type|csqa_validation, row 2: the field 'choices'"),
        ("cotmask_csqa", "csqa_validation.jsonl", {"question": "q", "answerKey": ""}, r"csqa_validation\.jsonl, line 2: the field 'choices' is missing"),
        ("cotmask_obqa", "obqa_test.jsonl", {"question_stem": " ", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"}, r"obqa_test, row 2: the question is empty"),
        ("cotmask_obqa", "obqa_test.jsonl", {"question_stem": "q", "choices": {"label": ["A", "B"]}, "answerKey": "A"}, r"obqa_test, row 2: the options are None: give two to five texts"),
        ("cotmask_piqa", "piqa_validation.jsonl", {"goal": "g", "sol1": "a", "sol2": "b", "label": 1.5}, r"piqa_validation, row 2: no option is right, of 2"),
        ("cotmask_piqa", "piqa_validation.jsonl", {"goal": "g", "sol1": "a", "sol2": "b", "label": -1}, r"piqa_validation, row 2: no option is right, of 2"),
        ("cotmask_piqa", "piqa_validation.jsonl", {"goal": "g", "sol1": "a", "sol2": " ", "label": 1}, r"piqa_validation, row 2: the options are \['a', ' '\]: give two to five texts"),
        ("cotmask_siqa", "siqa_validation.jsonl", {"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c", "label": "four"}, r"siqa_validation, row 2: no option is right, of 3"),
        ("cotmask_gsm_symbolic", "gsm_symbolic_main.jsonl", {"id": 0, "question": "q", "answer": "#### 1"}, r"gsm_symbolic_main\.jsonl, line 2: the field 'instance' is missing"),
    ],
)  # fmt: skip
def test_broken_data_stop_before_generation(
    directory: Path, manager: TaskManager, task: str, file: str, row: dict[str, Any], sentence: str
) -> None:
    whole = {
        "svamp.jsonl": {"Body": "b", "Question": "q", "Answer": 1.0},
        "mawps_test.jsonl": {"input": "q", "target": 1.0},
        "multiarith.jsonl": {"sQuestion": "q", "lSolutions": [1.0]},
        "aqua_test.jsonl": {"question": "q", "options": ["A)1"], "correct": "A"},
        "gsm_plus_testmini.jsonl": {"question": "q", "answer": "1", "perturbation_type": "x"},
        "math_test.jsonl": {"problem": "q", "solution": "\\boxed{1}", "level": "Level 1"},
        "gsm8k_test.jsonl": {"question": "q", "answer": "#### 1"},
        "gsm_symbolic_main.jsonl": {"id": 0, "instance": 0, "question": "q", "answer": "#### 1"},
        "obqa_test.jsonl": CHOICES[0],
        "csqa_validation.jsonl": CHOICES[0],
        "piqa_validation.jsonl": PIQA[0],
        "siqa_validation.jsonl": SIQA[0],
    }
    write_jsonl(directory / file, [whole[file], row])
    with pytest.raises(SystemExit, match=f"^\naxolotl-cotmask: .*{sentence}"):
        evaluate(ScriptedLM({}), task, manager)


def test_files_that_are_not_there(directory: Path, manager: TaskManager, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        SystemExit, match=r"math_test\.jsonl is not in it: put it there, or unset COTMASK_DATA_DIR to use the hub$"
    ):
        evaluate(ScriptedLM({}), "cotmask_math", manager)
    with pytest.raises(SystemExit, match=r"mawps_test\.jsonl is not in it: put it there$"):
        evaluate(ScriptedLM({}), "cotmask_mawps", manager)
    (directory / "mawps_test.jsonl").touch()
    with pytest.raises(CoTMaskError, match=r"mawps_test\.jsonl holds no rows: put the data set there$"):
        sources.load("mawps")
    write_jsonl(directory / "asdiv.jsonl", [{"body": "b", "question": "q", "answer": "Yes"}])
    with pytest.raises(SystemExit, match=r"asdiv holds no question that the task can score: check the file$"):
        evaluate(ScriptedLM({}), "cotmask_asdiv", manager)
    monkeypatch.delenv("COTMASK_DATA_DIR")
    with pytest.raises(
        SystemExit,
        match=r"mawps has no known home .* set COTMASK_DATA_DIR to a directory that holds mawps_test\.jsonl$",
    ):
        evaluate(ScriptedLM({}), "cotmask_mawps", manager)


NATALIA = {
    "question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May. How many in all?",
    "answer": "She sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips in all.\n#### 72",
}


def test_a_task_of_an_unknown_data_set_or_without_a_signature_is_a_sentence(directory: Path) -> None:
    with pytest.raises(SystemExit, match=r"no data set is named svmap: did you mean svamp\?$"):
        tasks.load_documents("svmap", *tasks.NUMBER, version=1.0, signature={})
    said = r"the metadata of the task on gsm8k_test have no signature: write `metadata: \{version: 1\.0, signature: \{\}\}`"
    write_jsonl(directory / "gsm8k_test.jsonl", [NATALIA])
    for load in (partial(tasks.load_documents, "gsm8k_test", *tasks.NUMBER), corrupted_questions):
        with pytest.raises(SystemExit, match=said):
            load(version=1.0)


@pytest.mark.parametrize("group", GROUPS)
def test_the_readme_of_a_group_names_its_members(group: str) -> None:
    text = (EVALTASKS / group / "README.md").read_text(encoding="utf-8")
    assert [task for task in members_of(group) if f"`{task}`" not in text] == []


def members_of(group: str) -> list[str]:
    return load_yaml_config(EVALTASKS / group / f"{group}.yaml")["task"]


@pytest.mark.parametrize("group", ["cotmask_robust", "cotmask_ood"])
def test_groups(all_data: Path, manager: TaskManager, group: str) -> None:
    results = evaluate(Answers(lambda _: "#### 1"), group, manager, limit=2)
    assert set(members_of(group)) < set(results["results"])
    assert values(results, group) == {}, "no number for the whole"


def loaded(path: Path) -> str:
    """A task's YAML with what it includes; a function is its name and its file."""

    def named(function: Any) -> str:
        return f"{Path(inspect.getfile(inspect.unwrap(function))).resolve()}:{function.__name__}"

    return json.dumps(load_yaml_config(path), default=named, sort_keys=True)


@pytest.mark.parametrize("path", sorted(EVALTASKS.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_tasks_are_the_same_from_every_working_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval looks for an included file in the working directory first."""
    config = loaded(path)
    for directory in (EVALTASKS, *(readme.parent for readme in READMES)):
        monkeypatch.chdir(directory)
        assert loaded(path) == config, f"in {directory.name}"


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_a_readme_has_the_version_of_its_tasks(readme: Path) -> None:
    said = re.search(r"\bVersion (?:\| )?(\d\.\d)", readme.read_text(encoding="utf-8"))
    assert said, "the README says no version"
    versions = {load_yaml_config(path)["metadata"]["version"] for path in readme.parent.glob("*.yaml")}
    assert versions == {float(said[1])}


def test_fetched_tasks_are_the_same(tmp_path: Path) -> None:
    result = CliRunner().invoke(cotmask, ["fetch", "evaltasks", str(tmp_path / "tasks")])
    assert result.exit_code == 0, result.output
    for path in sorted(EVALTASKS.glob("*/*.yaml")):
        fetched = tmp_path / "tasks" / path.relative_to(EVALTASKS)
        assert loaded(fetched).replace(str(tmp_path / "tasks"), str(EVALTASKS.resolve())) == loaded(path)


def readme_command(path: Path) -> list[str]:
    """The words of the first command of a README, without the flag that lets a task run a model's programs."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    command = shlex.split(next(line for line in text.splitlines() if line.startswith("    lm_eval run ")))
    return [word for word in command if word != "--confirm_run_unsafe_code"]


COMMAND = shlex.split(
    "lm_eval run --model hf --model_args pretrained=outputs/x,dtype=bfloat16 --batch_size 16 "
    "--include_path evaltasks --tasks TASKS --log_samples --output_path results"
)
TASKS, MODEL, OUTPUT = (COMMAND.index(word) for word in ("TASKS", "pretrained=outputs/x,dtype=bfloat16", "results"))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_a_readme_names_its_own_tasks_in_the_one_command(readme: Path) -> None:
    command = readme_command(readme)
    asked, command[TASKS] = command[TASKS].split(","), "TASKS"
    assert command == COMMAND
    assert set(asked) <= {path.stem for path in readme.parent.glob("*.yaml")}


@pytest.mark.slow
def test_the_readmes_commands_run(all_data: Path, tiny_model: Path, tmp_path: Path) -> None:
    asked = {task for readme in READMES for task in readme_command(readme)[TASKS].split(",")}
    # lm-eval takes no task twice, and these groups are made of the other tasks.
    asked -= set(GROUPS)
    command = [sys.executable, "-m", *COMMAND]
    command[TASKS + 2] = ",".join(sorted(asked))
    command[MODEL + 2] = f"pretrained={tiny_model},dtype=bfloat16"
    command[OUTPUT + 2] = str(tmp_path / "results")
    command += ["--confirm_run_unsafe_code", "--limit", "8", "--gen_kwargs", "max_gen_toks=2", "--device", "cpu"]
    environment = {**os.environ, "COTMASK_DATA_DIR": str(all_data), "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        command, cwd=EVALTASKS.parent, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert run.returncode == 0, run.stderr[-3000:]
    [path] = (tmp_path / "results").glob("*/results_*.json")
    results = json.loads(path.read_text(encoding="utf-8"))
    assert asked | CASES.keys() <= results["results"].keys()
    assert {counts["effective"] for counts in results["n-samples"].values()} == {8}
