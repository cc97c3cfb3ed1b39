"""A judge of steps, behind a stub server: what it is asked, how its replies are read, what is counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.chat_stub import Body, Raw, chat_stub
from support.lm_eval_runs import DATE, TASK
from support.project import write_jsonl

from axolotl_cotmask.analysis.judge import read_rating
from axolotl_cotmask.cli import cotmask


def write_run(directory: Path, answers: Sequence[str], right: Sequence[float], **document: Any) -> Path:
    """What lm-eval writes, of answers to as many questions."""
    directory.mkdir()
    content = {"results": {TASK: {"exact_match,none": sum(right) / len(right)}}, "config": {"model_args": {}}}
    (directory / f"results_{DATE}.json").write_text(json.dumps(content), encoding="utf-8")
    rows = [
        {"doc_id": i, "doc": {"question": f"What is {i} + 1?", "answer": f"#### {i + 1}", **document}, "resps": [[answer]], "exact_match": value}
        for i, (answer, value) in enumerate(zip(answers, right, strict=True))
    ]  # fmt: skip
    write_jsonl(directory / f"samples_{TASK}_{DATE}.jsonl", rows)
    return directory


def judge(stub_url: str, tmp_path: Path, *arguments: str | Path) -> Result:
    options = ["-o", tmp_path / "replies.jsonl", "--endpoint", stub_url, "--model", "j", "--retries", "0"]
    return CliRunner().invoke(cotmask, ["analyze", "judge", *map(str, (*arguments, *options))])


def sentence(result: Result) -> str:
    assert result.exit_code == 1, (result.output, result.exception)
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def says(*steps: bool, error: str = "none") -> str:
    return json.dumps({"reason": "so", "steps": steps, "error": error})


@pytest.mark.parametrize(
    ("text", "steps", "error"),
    [
        (says(True), (True,), None),
        (says(True, False, error="missing step"), (True, False), "missing step"),
        (f"```json\n{says(False, error=' Misunderstanding ')}\n```", (False,), "misunderstanding"),
        (f"The set {{1, 2}} is odd.\n{says(True)} Good luck!", (True,), None),
        (f"<think>Perhaps {says(False, error='calculation')}? No.</think>{says(True)}", (True,), None),
        ('{"verdict": ' + says(True) + "}", (True,), None),
        ("{" * 9 + says(True), (True,), None),
    ],
)
def test_a_reply_that_is_read(text: str, steps: tuple[bool, ...], error: str | None) -> None:
    rating = read_rating(text)
    assert rating is not None
    assert (rating.steps, rating.error) == (steps, error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "All steps are correct.",
        "{}",
        "null",
        says(),
        says(True, error="typo"),
        '{"steps": [true]}',
        '{"steps": [true], "error": null}',
        '{"steps": ["correct"], "error": "none"}',
        '{"steps": [1, 0], "error": "none"}',
        '{"steps": 3, "error": "none"}',
        '{"steps": [[true]], "error": "none"}',
        says(True)[:-1],
        "{" * 100_000,
        '{"a":' * 100_000,
        "<html>{}</html>",
        f"<think>Perhaps {says(True)}",
    ],
)
def test_a_reply_that_is_not(text: str) -> None:
    assert read_rating(text) is None


def test_what_the_judge_is_asked(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", ["{no} it's <<1+1=2>>2\n#### 2"], [1.0], solution="{gold} %s #### 1")
    with chat_stub(lambda _: says(True)) as stub:
        assert judge(stub.url, tmp_path, f"A={run}").exit_code == 0
        [body] = stub.asked
    [message] = body["messages"]
    for text in ("What is 0 + 1?", "{gold} %s #### 1", "{no} it's <<1+1=2>>2\n#### 2", '{"reason": '):
        assert text in message["content"]
    assert "{{" not in message["content"]
    assert body["temperature"] == 0


def test_tables_6_and_7(tmp_path: Path) -> None:
    """Two models on six questions, counted by hand."""
    verdicts = {
        "a0": says(True, True), "a1": says(True, False, error="incoherent steps"), "a2": says(False, error="missing step"),
        "a3": says(True, False, error="calculation"), "a4": says(True), "a5": "I cannot judge that.",
        "b0": says(True), "b1": says(True), "b2": says(True), "b3": says(False, error="misunderstanding"),
        "b4": says(False, error="misunderstanding"), "b5": says(True),
    }  # fmt: skip
    a = write_run(tmp_path / "a", ["a0", "a1", "a2", "a3 <<1+1=3>>", "a4", "a5"], [1, 1, 0, 0, 0, 1])
    b = write_run(tmp_path / "b", [f"b{i}" for i in range(6)], [1, 1, 1, 0, 0, 1])

    def answer(body: Body) -> str:
        return verdicts[body["messages"][0]["content"].rpartition("\n\n")[2][:2]]

    with chat_stub(answer) as stub:
        printed = judge(stub.url, tmp_path, f"A={a}", f"B={b}")
        assert printed.exit_code == 0, printed.output
        assert len(stub.asked) == 12
        told = json.loads(judge(stub.url, tmp_path, f"A={a}", f"B={b}", "--json").stdout)
        assert len(stub.asked) == 12, "all replies are there"
    of_a, of_b = told["models"]["A"], told["models"]["B"]
    assert (of_a["judged"], of_a["right"], of_a["false_positive_count"], of_a["errors"], of_a["untyped"]) == (
        5,
        2,
        1,
        3,
        1,
    )
    assert of_a["false_positives"]["value"] == 1 / 2
    assert of_a["step_accuracy"]["value"] == pytest.approx(5 / 8)
    assert of_a["step_accuracy"]["low"] < 5 / 8 < of_a["step_accuracy"]["high"]
    assert of_a["step_accuracy"]["n"] == 5, "the steps of an answer are not independent"
    assert of_a["steps"] == pytest.approx(8 / 5)
    shares = {name: estimate["value"] for name, estimate in of_a["error_types"].items()}
    assert shares == {"calculation": 1 / 3, "missing step": 1 / 3, "misunderstanding": 0, "incoherent steps": 0}
    assert of_a["wrong_annotations"]["value"] == 1 / 3
    assert of_a["unreadable"] == [f"{a / f'samples_{TASK}_{DATE}.jsonl'}, line 6"]
    assert (of_b["judged"], of_b["false_positive_count"], of_b["error_types"]["misunderstanding"]["value"]) == (6, 0, 1)
    compared = told["compared_with_first"]["B"]
    assert {name: (result["n"], result["only_a"], result["only_b"]) for name, result in compared.items()} == {
        "false positive": (5, 1, 0),
        "all steps correct": (5, 1, 2),
    }
    assert "A: the judge's reply on 1 answers cannot be read" in printed.stdout
    assert "B - A" in printed.stdout
    lines = [json.loads(line) for line in (tmp_path / "replies.jsonl").read_text().splitlines()]
    assert {line["response"]: line["answer"] for line in lines}["a5"] == "I cannot judge that."


def test_nothing_readable_and_nothing_wrong(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", ["x", "y"], [1, 1])
    with chat_stub(lambda _: "?") as stub:
        result = judge(stub.url, tmp_path, f"A={run}", f"B={run}")
    assert result.exit_code == 0, result.output
    assert "on 2 answers cannot be read" in result.stdout


def test_the_questions_are_drawn_once_for_all_models(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, [f"{name}{i}" for i in range(30)], [1.0] * 30) for name in "ab"]

    def asked(seed: int) -> list[list[str]]:
        with chat_stub(lambda _: says(True)) as stub:
            (tmp_path / "replies.jsonl").unlink(missing_ok=True)
            result = judge(stub.url, tmp_path, f"A={runs[0]}", f"B={runs[1]}", "--questions", "5", "--seed", str(seed))
            assert result.exit_code == 0, result.output
            texts = sorted(body["messages"][0]["content"].rpartition("\n\n")[2] for body in stub.asked)
        return [[text[1:] for text in texts if text[0] == name] for name in "ab"]

    first = asked(0)
    assert first[0] == first[1]
    assert len(first[0]) == 5
    assert asked(0) == first != asked(1)


def test_a_judge_that_breaks_off_goes_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", list("abcdefgh"), [1.0] * 8)
    down = True
    with chat_stub(lambda _: Raw(500, "<html>oops") if down and len(stub.asked) > 2 else says(True)) as stub:
        command = (stub.url, tmp_path, f"A={run}", "--concurrency", "1")
        assert "6 of 8 answers did not come (HTTP 500: <html>oops)" in sentence(judge(*command))
        down = False
        again = judge(*command)
        assert again.exit_code == 0
        assert "2 answers are there, 6 are asked for" in again.stderr


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", ["x"], [1]), write_run(tmp_path / "b", ["x"], [1], question="Another?")
    none = write_run(tmp_path / "c", ["x"], [1], answer=5)
    with chat_stub(lambda _: says(True)) as stub:
        assert "compare answers to the same questions" in sentence(judge(stub.url, tmp_path, f"A={a}", f"B={b}"))
        assert "no reference solution" in sentence(judge(stub.url, tmp_path, f"A={none}"))
        assert "no label" in sentence(judge(stub.url, tmp_path, str(a)))
        assert stub.asked == []
    assert not (tmp_path / "replies.jsonl").exists()
