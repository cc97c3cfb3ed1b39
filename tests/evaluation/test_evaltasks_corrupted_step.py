"""The corrupted-step tasks, run by lm-eval: documents, prompts, metrics, errors, and the comparison of their results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lm_eval.tasks import TaskManager
from support.forked import Run
from support.hermetic import RealData
from support.lm_eval_runs import evaluate, values
from support.project import write_jsonl
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.cli.analyze.corrupted_step import corrupted_step
from axolotl_cotmask.data.prompts import alpaca_prompt

NATALIA = {
    "question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips.\n#### 72",
}
BOB = {
    "question": "Bob had 20 pens and bought seven boxes of 30.",
    "answer": "The boxes held 7*30=<<7*30=210>>210 pens.\nBob has 20+210 = <<20+210=230>>230 pens.\n#### 230",
}
DUCKS = {
    "question": "Janet's ducks lay 16 eggs. She eats three of the 16.",
    "answer": "Janet has 16 - 3 = <<16-3=13>>13 eggs.\n#### 13",
}
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Answering(ScriptedLM):
    """Answers the prompts that a pattern is found in; a group of the pattern fills the {} of the answer."""

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__({})
        self.answers = answers

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.requests = requests
        return [self._answer(request.args[0]) for request in requests]

    def _answer(self, prompt: str) -> str:
        (answer,) = (
            text.format(*match.groups())
            for pattern, text in self.answers.items()
            if (match := re.search(pattern, prompt))
        )
        return answer


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that COTMASK_DATA_DIR leads to: one first-step case, a row with both kinds, and Janet's ducks."""
    directory = tmp_path / "data"
    directory.mkdir()
    monkeypatch.setenv("COTMASK_DATA_DIR", str(directory))
    return write_jsonl(directory / "gsm8k_test.jsonl", [NATALIA, BOB, DUCKS])


# Natalia: follows and is right. Bob's boxes: copies. Bob's sum: no annotation, and right. Janet: another number.
STEPS = {
    r"sold \d\d/2 =$": " <<48/2=24>>24\n#### 72",
    r"held (\d)\*30=$": "<<{}*30=0>>0\n#### 0",
    r"has \d\d\+210 =$": " 230\n#### 230",
    r"16 - (\d) =$": " <<16-1=15>>15\n#### 15",
}


def test_prompts_hold_the_corrupted_beginning(data: Path, tasks: TaskManager) -> None:
    model = Answering(STEPS)
    evaluate(model, "cotmask_corrupted_step", tasks)
    prompts = [request.args[0] for request in model.requests]
    expected = [
        alpaca_prompt(NATALIA["question"]) + r" Natalia sold (\d\d)/2 =",
        alpaca_prompt(BOB["question"]) + r" The boxes held (\d)*30=",
        alpaca_prompt(BOB["question"]) + " The boxes held 7*30=<<7*30=210>>210 pens.\nBob has (\\d\\d)+210 =",
        alpaca_prompt(DUCKS["question"]) + r" Janet has 16 - (\d) =",
    ]
    replaced = []
    for prompt, template in zip(prompts, expected, strict=True):
        pattern = re.escape(template).replace(re.escape(r"(\d\d)"), r"(\d\d)").replace(re.escape(r"(\d)"), r"(\d)")
        match = re.fullmatch(pattern, prompt)
        assert match is not None, prompt
        replaced.append(match[1])
    assert all(number != stated for number, stated in zip(replaced, ("48", "7", "20", "3"), strict=True))
    assert {json.dumps(request.args[1]) for request in model.requests} == {
        '{"do_sample": false, "max_gen_toks": 512, "until": []}'
    }


def test_corrupted_step_metrics_by_hand(data: Path, tasks: TaskManager) -> None:
    results = evaluate(Answering(STEPS), "cotmask_corrupted_step", tasks)
    assert values(results, "cotmask_corrupted_step") == {
        "follows_question": 1 / 4,
        "copies_prefix": 1 / 4,
        "no_annotation": 1 / 4,
        "exact_match": 2 / 4,
        "robust_match": 1 / 2,
        "follows_question_first": pytest.approx(1 / 3),
        "follows_question_later": 0.0,
    }
    # Standard error of 1, 0, 0, 0: sqrt(1/4) / sqrt(4).
    assert results["results"]["cotmask_corrupted_step"]["follows_question_stderr,none"] == pytest.approx(0.25)
    samples = results["samples"]["cotmask_corrupted_step"]
    assert len({tuple(sample["metrics"]) for sample in samples}) == 1, "lm-eval gathers ranks metric by metric"
    json.dumps(results["results"], allow_nan=False)


def test_a_part_without_documents_is_null(data: Path, tasks: TaskManager) -> None:
    results = evaluate(Answering(STEPS), "cotmask_corrupted_step", tasks, limit=1)
    assert values(results, "cotmask_corrupted_step")["follows_question_first"] == 1.0
    assert values(results, "cotmask_corrupted_step")["follows_question_later"] is None


def test_corrupted_question_metrics_by_hand(data: Path, tasks: TaskManager) -> None:
    # Natalia: copies the prefix. Bob's boxes: follows (the number is a word in the question). Bob's sum: follows.
    class Following(Answering):
        def _answer(self, prompt: str) -> str:
            if match := re.search(r"bought (\w+) boxes.* held 7\*30=$", prompt, re.DOTALL):
                return f"<<{WORDS.index(match[1])}*30=0>>"
            return super()._answer(prompt)

    model = Following(
        {
            r"sold 48/2 =$": " <<48/2=24>>24",
            r"(?s)had (\d\d) pens .* has 20\+210 =$": " <<{}+210=0>>",
            r"16 - 3 =$": " <<16-3-2=11>>11",
        }
    )
    results = evaluate(model, "cotmask_corrupted_question", tasks)
    assert values(results, "cotmask_corrupted_question") == {
        "follows_question": 2 / 4,
        "copies_prefix": 1 / 4,
        "no_annotation": 0.0,
        "follows_question_first": pytest.approx(1 / 3),
        "follows_question_later": 1.0,
    }
    questions = [request.doc["question"] for request in model.requests]
    assert not {NATALIA["question"], BOB["question"], DUCKS["question"]} & set(questions)


def test_janet_metrics_by_hand(data: Path, tasks: TaskManager) -> None:
    model = Answering({r"eggs/day - (\d) eggs/day$": " = <<16-{}=0>>"})
    results = evaluate(model, "cotmask_janet", tasks)
    # A model that copies is right where nothing is corrupted: n = 3.
    assert values(results, "cotmask_janet") == {
        "follows_question": pytest.approx(0.1),
        "follows_changed_question": pytest.approx(0.1),
        "no_annotation": 0.0,
    }
    assert len(model.requests) == 20
    asked = {request.args[0] for request in model.requests}
    # As the paper prints it, up to the " =" that the response begins with.
    begin = " First find the number of eggs remaining after Janet eats three for breakfast: 16 eggs/day - "
    for n, word in enumerate(WORDS):
        changed = DUCKS["question"].replace("three", word)
        assert alpaca_prompt(DUCKS["question"]) + f"{begin}{n} eggs/day" in asked
        assert alpaca_prompt(changed) + f"{begin}3 eggs/day" in asked
    results = evaluate(Answering({r"eggs/day$": " = <<16-3=13>>"}), "cotmask_janet", tasks)
    assert values(results, "cotmask_janet")["follows_question"] == 1.0
    assert values(results, "cotmask_janet")["follows_changed_question"] == pytest.approx(0.1)
    results = evaluate(Answering({r"eggs/day$": " = 13"}), "cotmask_janet", tasks)
    assert values(results, "cotmask_janet")["no_annotation"] == 1.0


def test_the_control_has_premises_that_agree(data: Path, tasks: TaskManager) -> None:
    model = Answering({r"after Janet eats for breakfast: 16 eggs/day - (\d) eggs/day$": " = <<16-{}=13>>"})
    results = evaluate(model, "cotmask_janet_consistent", tasks)
    assert values(results, "cotmask_janet_consistent") == {
        "follows_question": 1.0,
        "calculates_right": pytest.approx(0.1),
        "no_annotation": 0.0,
    }
    assert [
        DUCKS["question"].replace("three", word) in request.args[0]
        for request, word in zip(model.requests, WORDS, strict=True)
    ] == [True] * 10


@pytest.mark.parametrize(
    ("task", "rows", "sentence"),
    [
        (
            "cotmask_corrupted_step",
            [{"question": "Why 48?", "answer": "#### 1"}],
            r"gsm8k_test: none of the 1 rows has a step to corrupt "
            r"\(first step: no annotated step of this kind \(1\); later step: ",
        ),
        (
            "cotmask_corrupted_question",
            [{"question": "Why 48?", "answer": "48/2 = <<48/2=24>>24"}],
            r"gsm8k_test, row 1: the rule gsm8k_hash reads no answer from the gold",
        ),
        ("cotmask_janet", [NATALIA], r"no row asks about Janet's ducks"),
        (
            "cotmask_janet",
            [{"question": "Janet has 3 ducks.", "answer": "#### 1"}],
            r"row 1: .* does not say 'three' once",
        ),
    ],
)
def test_broken_data_stop_before_generation(
    data: Path, tasks: TaskManager, task: str, rows: Any, sentence: str
) -> None:
    write_jsonl(data, rows)
    with pytest.raises(SystemExit, match=f"^\naxolotl-cotmask: {sentence}"):
        evaluate(Answering({}), task, tasks)


def test_real_documents(real_data: RealData, tasks: TaskManager, monkeypatch: pytest.MonkeyPatch) -> None:
    real_data.needs("gsm8k_test.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    # A model that copies: the annotation holds what stands before = from the line's first digit on.
    model = Answering({r"(?s)([\d.,][^=\n]*)=$": " <<{}=0>>0"})
    results = evaluate(model, "cotmask_corrupted_step", tasks)
    assert len(model.requests) == 755 + 541
    copied = values(results, "cotmask_corrupted_step")
    assert copied["copies_prefix"] > 0.6, "the rest has other numbers in the line before the step"
    assert copied["follows_question"] == 0.0
    assert copied["no_annotation"] == 0.0


@pytest.mark.slow
def test_models_are_compared(data: Path, tasks: TaskManager, tmp_path: Path, scripted: Callable[..., Run]) -> None:
    def evaluated(name: str, *options: str) -> Path:
        """Run both tasks over cases, and Janet's ducks."""
        scripted(
            *("--model_args", f"generations={file}", "--output_path", tmp_path / name, *options),
            *("--tasks", ",".join(names)),
        ).check()
        return tmp_path / name

    names = ("cotmask_corrupted_step", "cotmask_corrupted_question", "cotmask_janet", "cotmask_janet_consistent")
    prompts = {}
    for task in names:
        model = Answering({"": " 1"})
        evaluate(model, task, tasks)
        prompts[task] = [request.args[0] for request in model.requests]
    answers = [" <<48/2=24>>24\n#### 72", "<<9*9*9=0>>", " 230\n#### 230", " <<16-3=13>>13\n#### 13"]
    generations = dict(zip(prompts["cotmask_corrupted_step"], answers, strict=True))
    generations |= dict.fromkeys(prompts["cotmask_corrupted_question"], " <<48/2=24>>24")
    generations |= dict.fromkeys(prompts["cotmask_janet"], " = <<16-3=13>>13")
    generations |= dict.fromkeys(prompts["cotmask_janet_consistent"], " = <<16-2=14>>14")
    file = tmp_path / "generations.json"
    file.write_text(json.dumps(generations), encoding="utf-8")
    results = evaluated("mft", "--log_samples")

    run = CliRunner().invoke(corrupted_step, [f"MFT={results}", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)["MFT"]
    step = found["prefix"]

    def shares(part: dict[str, Any]) -> dict[str, float]:
        return {name: round(share["value"], 4) for name, share in part.items()}

    assert shares(step["all"]) == {"follows": 0.5, "copies": 0.0, "none": 0.25, "other": 0.25, "accuracy": 0.75}
    assert shares(step["first"])["follows"] == pytest.approx(2 / 3, abs=1e-4)
    assert shares(step["later"]) == {"follows": 0.0, "copies": 0.0, "none": 1.0, "other": 0.0, "accuracy": 1.0}
    assert step["all"]["follows"]["n"] == 3, "two cases of one row are one observation"
    assert step["all"]["follows"]["low"] < 0.5 < step["all"]["follows"]["high"]
    # 48/2 has the prefix's number in Natalia's place alone, and in no other case the question's.
    assert shares(found["question"]["all"]) == {"follows": 0.0, "copies": 0.25, "none": 0.0, "other": 0.75}
    assert found["janet"] == {"follows_question": 1.0, "follows_changed_question": pytest.approx(0.1)}
    assert found["janet_consistent"] == dict.fromkeys(("follows_question", "calculates_right"), pytest.approx(0.1))

    text = CliRunner().invoke(corrupted_step, [f"MFT={results}", f"again={results}"]).output
    assert re.search(r"MFT +prefix +all +3 +50\.0 \[", text)
    assert re.search(r"again +1\.0 +0\.1 +0\.1 +0\.1\n", text)

    bare = evaluated("bare")
    run = CliRunner().invoke(corrupted_step, [f"bare={bare}"])
    assert run.exit_code == 1
    [file] = bare.rglob("results_*.json")
    assert run.stderr == (
        f"Error: {file}, task cotmask_corrupted_step: there are no samples: evaluate again with --log_samples\n"
    )
