"""The student's half of LLM2LLM, by its commands: hard questions, a teacher behind a stub server, rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.augment import augment, sentence
from support.chat_stub import Body, Raw, chat_stub, reply
from support.forked import Axolotl
from support.lm_eval_runs import EVALTASKS
from support.project import Project, Rows, write_jsonl

from axolotl_cotmask.data.prompts import alpaca_prompt

TEST_QUESTION = (
    "Janet has 16 eggs. She eats 3 of them for breakfast and sells the rest for 2 dollars each. How much does she make?"
)

NEW = "Ann bakes 4 trays of 6 rolls, and her brother eats 5 of them. How many rolls are left?"
GOOD = f"Question: {NEW}\nAnswer: She bakes 4 * 6 = <<4*6=24>>24 rolls.\n24 - 5 = <<24-5=19>>19 are left.\n#### 19"


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(autouse=True)
def _test_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GSM8K's test split has one question."""
    directory = tmp_path / "data"
    directory.mkdir()
    write_jsonl(
        directory / "gsm8k_test.jsonl", [{"question": TEST_QUESTION, "answer": "16 - 3 = 13\n13 * 2 = 26\n#### 26"}]
    )
    monkeypatch.setenv("COTMASK_DATA_DIR", str(directory))


@pytest.fixture
def samples(tmp_path: Path, gsm8k_rows: Rows) -> Callable[..., Path]:
    """Write a samples file of lm-eval on training questions with the given ratings."""

    def write(ratings: Sequence[Any], rows: Rows = gsm8k_rows, **fields: Any) -> Path:
        return write_jsonl(
            tmp_path / "samples_train_2026.jsonl",
            [
                {
                    "doc_id": i,
                    "doc": rows[i],
                    "resps": [[f"wrong {i}"]],
                    "filter": "none",
                    "exact_match": rating,
                    **fields,
                }
                for i, rating in enumerate(ratings)
            ],
        )

    return write


def answers(path: Path, *rows: dict[str, Any]) -> Path:
    return write_jsonl(path, list(rows))


def votes(question: str, *results: str) -> list[dict[str, Any]]:
    return [
        {"question": question, "answer": f"So it is {result}.\n#### {result}", "key": str(n)}
        for n, result in enumerate(results)
    ]


def test_hard_questions_come_with_the_gold_and_not_with_the_mistake(
    samples: Callable[..., Path], gsm8k_rows: Rows, tmp_path: Path
) -> None:
    output = tmp_path / "hard.jsonl"
    result = augment("hard", samples([1.0, 0.0, 1.0, 0.0, "invalid"]), "-o", output)
    assert result.exit_code == 0, result.output
    assert "3 questions; 5 were answered" in result.output
    rows = rows_of(output)
    assert [row["seed_question"] for row in rows] == [gsm8k_rows[i]["question"] for i in (1, 3, 4)]
    assert [row["seed_solution"] for row in rows] == [gsm8k_rows[i]["answer"] for i in (1, 3, 4)]
    assert [row["student_answer"] for row in rows] == ["wrong 1", "wrong 3", "wrong 4"]
    for row in rows:
        system, user = row["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        assert row["seed_question"] in user["content"]
        assert row["seed_solution"] in user["content"]
        assert row["student_answer"] not in system["content"] + user["content"]


def test_hard_takes_the_solution_and_not_the_bare_answer(samples: Callable[..., Path], tmp_path: Path) -> None:
    document = {
        "problem": "What is 2 + 3?",
        "solution": r"It is $\boxed{5}$.",
        "answer": "5",
        "question": "What is 2 + 3?",
    }
    assert augment("hard", samples([0], [document]), "-o", tmp_path / "o").exit_code == 0
    assert rows_of(tmp_path / "o")[0]["seed_solution"] == r"It is $\boxed{5}$."


def test_hard_of_braces_repeats_and_doubled_questions(samples: Callable[..., Path], tmp_path: Path) -> None:
    document = {"question": "What is {a} + {0}, %s and \ud800?", "answer": "{b}\n#### 5"}
    output = tmp_path / "o"
    assert augment("hard", samples([0, 0], [document, document], resps=[["a", "b"]]), "-o", output).exit_code == 0
    [row] = rows_of(output)
    assert document["question"] in row["messages"][1]["content"]
    assert row["student_answer"] is None, "two texts tell nothing of one"


@pytest.mark.parametrize(
    ("ratings", "documents", "said"),
    [
        ([1, 1], [{"question": "a", "answer": "b"}] * 2, "none of the 2 questions was answered wrongly"),
        ([0], [{"question": "a b"}], "line 1: the document holds no reference solution (there are: question)"),
        ([0], [{"question": "a b", "answer": 5}], "line 1: the document holds no reference solution"),
        ([0], [{"question": "a b", "answer": " "}], "line 1: the document holds no reference solution"),
        ([1], [{"ctx": "a", "endings": []}], "line 1: no field holds the question (there are: ctx, endings)"),
        ([1, 0], [{"question": TEST_QUESTION.upper(), "answer": "b"}, {"question": "a", "answer": "b"}], "line 1: the question is one of a test set (gsm8k_test, row 1)"),
        ([None], [{"question": "a", "answer": "b"}], "none of the 0 questions"),
        (["maybe"], [{"question": "a", "answer": "b"}], "which is no verdict"),
    ],
)  # fmt: skip
def test_hard_refuses_what_makes_no_prompt(
    samples: Callable[..., Path], tmp_path: Path, ratings: list[Any], documents: Rows, said: str
) -> None:
    output = tmp_path / "hard.jsonl"
    assert said in sentence(augment("hard", samples(ratings, documents), "-o", output))
    assert not output.exists()


@pytest.mark.slow
def test_hard_of_what_lm_eval_wrote(
    gsm8k_rows: Rows, tmp_path: Path, axolotl: Axolotl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real evaluation, on rows that stand where the task looks, and are no test set here."""
    write_jsonl(tmp_path / "data" / "gsm8k_test.jsonl", gsm8k_rows[:4])
    other = write_jsonl(tmp_path / "tests.jsonl", [{"question": TEST_QUESTION}])
    texts = {
        alpaca_prompt(row["question"]): " so\n#### 987654" if i % 2 else f" {row['answer']}"
        for i, row in enumerate(gsm8k_rows[:4])
    }
    (tmp_path / "generations.json").write_text(json.dumps(texts))
    axolotl.lm_eval(
        "run", "--model", "scripted", "--include_path", EVALTASKS, "--model_args", f"generations={tmp_path / 'generations.json'}",
        "--tasks", "cotmask_gsm8k", "--log_samples", "--output_path", tmp_path / "scores",
    ).check()  # fmt: skip
    [file] = (tmp_path / "scores").rglob("samples_*.jsonl")
    for source in (tmp_path / "scores", file, *(tmp_path / "scores").rglob("results_*.json")):
        result = augment("hard", source, "-o", tmp_path / "hard", "--test", other)
        assert result.exit_code == 0, result.output
        assert [row["seed_question"] for row in rows_of(tmp_path / "hard")] == [
            gsm8k_rows[i]["question"] for i in (1, 3)
        ]
        assert rows_of(tmp_path / "hard")[0]["student_answer"] == " so\n#### 987654"
    assert "the tasks are cotmask_gsm8k" in sentence(
        augment("hard", tmp_path / "scores", "-o", tmp_path / "o", "--task", "x")
    )
    assert "leave it out" in sentence(augment("hard", file, "-o", tmp_path / "o", "--task", "x"))
    assert "one of a test set (gsm8k_test, row 1)" in sentence(augment("hard", file, "-o", tmp_path / "o"))


def test_what_is_read_is_not_written_over(samples: Callable[..., Path], tmp_path: Path) -> None:
    files = {
        "hard": samples([0.0]),
        "merge": answers(tmp_path / "a", {"answer": GOOD}),
        "solve": answers(tmp_path / "b", {"answer": GOOD}),
    }
    for command, file in files.items():
        before = file.read_bytes()
        link = tmp_path / f"{command}-link"
        link.symlink_to(file)
        for output in (file, link):
            assert "over what is read" in sentence(augment(command, file, "-o", output))
        assert file.read_bytes() == before


def test_hard_of_a_file_that_is_none(tmp_path: Path) -> None:
    for content, said in (
        ("", "holds no rows"),
        ("{broken\n", "line 1: not a complete"),
        ('{"a": 1}\n', "'exact_match' is missing"),
    ):
        path = tmp_path / "x.jsonl"
        path.write_text(content)
        assert said in sentence(augment("hard", path, "-o", tmp_path / "o"))


def test_the_whole_loop(samples: Callable[..., Path], tmp_path: Path, project: Project) -> None:
    """From what a student got wrong to rows that Axolotl trains on, with three answers to each new question."""
    hard, new, again, solved, rows = (tmp_path / name for name in ("hard", "new", "again", "solved", "rows.jsonl"))
    problems = iter([
        GOOD,
        f"Question: {TEST_QUESTION.replace('16', '20')}\nAnswer: 17 * 2 = 34\n#### 34",
        "I cannot do that.",
        "Question: A cat has 4 paws. How many paws have 3 cats?\nAnswer: 3 * 4 = 11\n#### 11",
    ])  # fmt: skip

    def teach(body: Body) -> str:
        asked = body["messages"][-1]["content"]
        if body["messages"][0]["role"] == "system":
            return next(problems)
        return "4 * 6 - 5 = 19\n#### 19" if NEW in asked else "3 * 4 = 12\n#### 12"

    with chat_stub(teach) as stub:
        teacher = ["--endpoint", stub.url, "--model", "t", "--concurrency", "1"]
        for command in (
            ["hard", samples([0.0] * 4), "-o", hard],
            ["ask", hard, "-o", new, *teacher],
            ["solve", new, "-o", again],
            [
                "ask",
                again,
                "-o",
                solved,
                *teacher,
                "-n",
                "2",
                "--temperature",
                "0.7",
                "--max-tokens",
                "99",
                "--top-p",
                "0.9",
            ],
        ):
            result = augment(*command)
            assert result.exit_code == 0, result.output
        assert len(stub.asked) == 4 + 3 * 2
        assert {name: stub.asked[-1][name] for name in ("temperature", "max_tokens", "top_p")} == {
            "temperature": 0.7,
            "max_tokens": 99,
            "top_p": 0.9,
        }
        assert "temperature" not in stub.asked[0]
    merged = augment("merge", new, solved, "-o", rows)
    assert merged.exit_code == 0, merged.output
    assert rows_of(rows) == [
        {"query": "A cat has 4 paws. How many paws have 3 cats?", "response": "3 * 4 = 12\n#### 12"},
        {"query": NEW, "response": GOOD.partition("Answer: ")[2]},
    ]
    assert "refused, 0.9" in merged.output
    assert TEST_QUESTION in merged.output
    dataset = {"path": str(rows), "type": "axolotl_cotmask.prompt_strategies.query_response"}
    project.axolotl("preprocess", project.config(datasets=[dataset], min_sample_len=1)).check()


def test_ask_goes_on_where_it_was_and_asks_for_more(samples: Callable[..., Path], tmp_path: Path) -> None:
    hard, output = tmp_path / "hard", tmp_path / "answers"
    augment("hard", samples([0.0] * 6), "-o", hard)
    down = True
    with chat_stub(lambda _: Raw(503, "busy", Retry_After="0") if down and len(stub.asked) > 3 else GOOD) as stub:
        command = [
            "ask",
            hard,
            "-o",
            output,
            "--endpoint",
            stub.url,
            "--model",
            "t",
            "--concurrency",
            "1",
            "--retries",
            "1",
        ]
        said = sentence(augment(*command))
        assert "3 of 6 answers did not come (HTTP 503: busy, after 2 tries)" in said
        assert "run the same command again" in said
        assert len(rows_of(output)) == 3
        down = False
        result = augment(*command)
        assert "3 answers are there, 3 are asked for" in result.stderr
        assert "6 answers" in result.stdout
        more = augment(*command, "-n", "2")
        assert "6 answers are there, 6 are asked for" in more.stderr
        assert "12 answers" in more.stdout
    lines = rows_of(output)
    assert {line["sample"] for line in lines} == {0, 1}
    assert set(lines[0]) == {"key", "model", "settings", "seed_question", "seed_solution", "student_answer", "sample", "answer", "finish_reason"}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "line 1: asks nothing"),
        ({"prompt": " "}, "line 1: asks nothing"),
        ({"prompt": 5}, "line 1: asks nothing"),
        ({"messages": []}, "line 1: asks nothing"),
        ({"messages": "hello", "prompt": "x"}, "line 1: asks nothing"),
        ({"messages": [{"role": "user"}]}, "line 1: asks nothing"),
        ({"messages": [{"role": "user", "content": None}]}, "line 1: asks nothing"),
        ({"messages": [{"role": "user", "content": "x"}, "y"]}, "line 1: asks nothing"),
        ({"prompt": "x", "answer": "5"}, "line 1: the field 'answer' is one of the answers to come"),
    ],
)
def test_ask_refuses_rows_that_ask_nothing(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    file = write_jsonl(tmp_path / "f", [row])
    assert said in sentence(
        augment("ask", file, "-o", tmp_path / "o", "--endpoint", "http://localhost:1/v1", "--model", "t")
    )
    assert not (tmp_path / "o").exists()


def test_ask_of_empty_files_and_the_same_answer_many_times(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "f", [])
    command = ["ask", file, "-o", tmp_path / "o", "--endpoint", "http://localhost:1/v1", "--model", "t"]
    assert "holds no rows" in sentence(augment(*command))
    refused = augment(*command, "-n", "3", "--temperature", "0")
    assert refused.exit_code == 2
    assert "gives the same answer 3 times" in refused.stderr


@pytest.mark.parametrize("option", ["--temperature", "--top-p", "--timeout"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300", "x"])
def test_a_number_that_is_none(tmp_path: Path, option: str, value: str) -> None:
    file = write_jsonl(tmp_path / "f", [{"prompt": "hello"}])
    with chat_stub(lambda _: "hi") as stub:
        result = augment("ask", file, "-o", tmp_path / "o", "--endpoint", stub.url, "--model", "t", option, value)
        assert (result.exit_code, stub.asked) == (2, [])


def test_ask_takes_prompts(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "f", [{"prompt": "hello", "id": 7}] * 2)
    with chat_stub(lambda _: "hi") as stub:
        asked = augment("ask", file, "-o", tmp_path / "o", "--endpoint", stub.url, "--model", "t")
        assert asked.stdout.endswith("o: 1 answers\n"), "the same question is one"
        assert stub.asked[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert rows_of(tmp_path / "o")[0]["id"] == 7


def merged(
    tmp_path: Path, *rows: dict[str, Any], options: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows that replies make, and the report; the order of the replies does not matter."""
    outcomes = []
    for seed in (0, 1):
        shuffled = random.Random(seed).sample(rows, len(rows))
        file, output = answers(tmp_path / "a.jsonl", *shuffled), tmp_path / f"o{seed}.jsonl"
        output.unlink(missing_ok=True)
        result = augment("merge", file, "-o", output, "--json", *options)
        report = json.loads(result.stdout)
        if report["rows"]:
            assert result.exit_code == 0, result.output
        else:
            assert "no question is left" in sentence(result)
            assert not output.exists()
        outcomes.append((rows_of(output) if report["rows"] else [], {k: v for k, v in report.items() if k != "dropped"} | {k: v for k, v in report["dropped"].items() if v}))  # fmt: skip
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize(
    ("rows", "kept", "dropped"),
    [
        (votes(NEW, "19", "19", "19"), 1, {}),
        (votes(NEW, "19", "18", "19"), 1, {}),
        (votes(NEW, "19", "19.0", "19.00"), 1, {}),
        (votes(NEW, "19", "18", "17"), 0, {"question without a majority for a written answer": 1}),
        (votes(NEW, "19", "18", "19", "18"), 0, {"question without a majority for a written answer": 1}),
        (votes(NEW, "19", "19"), 0, {"question with too few answers to check": 1}),
        (votes(NEW, "19", "?", "?"), 0, {"question without a majority for a written answer": 1}),
        (votes(NEW, "19", "19", "?"), 1, {}),
        (votes(NEW, "?", "?", "?"), 0, {"question without an answer that the rule reads": 1}),
        ([{"question": NEW, "answer": text} for text in ("", "I do not know.", None)], 0, {"question without an answer that the rule reads": 1}),
        ([{"question": NEW, "answer": "#### 19", "key": str(n)} for n in range(3)], 0, {"question without a majority for a written answer": 1}),
        ([{"question": NEW, "answer": "So\n#### 19"}] * 3, 0, {"question with too few answers to check": 1}),
        ([*votes(NEW, "19", "19"), {"answer": GOOD}], 1, {}),
        ([{**row, "answer": f"<think>#### 3? No.</think>{row['answer']}"} for row in votes(NEW, "19", "19", "19")], 1, {}),
        ([{**row, "answer": f"<think>{row['answer']}"} for row in votes(NEW, "19", "19", "19")], 0, {"question without an answer that the rule reads": 1}),
        ([{"answer": GOOD}] * 3, 0, {"question with too few answers to check": 1}),
        ([{"answer": GOOD, "finish_reason": "length"}], 0, {"reply that was cut off": 1}),
        ([{"answer": GOOD, "finish_reason": "content_filter"}], 0, {"reply that was cut off": 1}),
        ([*votes(NEW, "19", "19"), *({**row, "key": "x", "finish_reason": "length"} for row in votes(NEW, "19"))], 1, {}),
        ([*votes(NEW, "19"), *({**row, "key": n, "finish_reason": "length"} for n in "xy" for row in votes(NEW, "19"))], 0, {"question without a majority for a written answer": 1}),
        ([{"question": "?!", "answer": "So\n#### 19", "key": str(n)} for n in range(3)], 0, {"reply that is not one question and one answer": 3}),
        ([{"question": "half \ud800", "answer": "So\n#### 19", "key": str(n)} for n in range(3)], 0, {"reply that is not one question and one answer": 3}),
        ([{"question": NEW, "answer": f"So \ud800\n#### {n}", "key": str(n)} for n in range(3)], 0, {"question without an answer that the rule reads": 1}),
    ],
)  # fmt: skip
def test_an_answer_is_checked_by_others(tmp_path: Path, rows: Rows, kept: int, dropped: dict[str, int]) -> None:
    made, report = merged(tmp_path, *rows)
    assert len(made) == kept
    assert {
        name: count for name, count in report.items() if name not in ("rows", "replies", "questions", "contaminated")
    } == dropped


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "",
        GOOD.replace("Answer:", ""),
        GOOD.replace("Question:", ""),
        f"{GOOD}\n\n{GOOD}",
        f"{GOOD}\nAnswer: 5\n#### 5",
        f"{GOOD}\n#### 20",
        "Answer: 5 + 3 = 8\n#### 8\nQuestion: What is 5 + 3?",
        f"Question: What is 1 + 1?\n{GOOD}",
        GOOD.replace("\n####", "\nAnswer: 19\n####"),
        "Question:\nAnswer: 5\n#### 5",
        "Question: What is 5 + 3?\nAnswer:",
        "Question: What is 5 + 3?\nAnswer: #### 8",
        "<html>Question</html>",
        GOOD + "\ud800",
        '{"question": "What is 5 + 3?", "answer": "8"}',
        " " * 100_000,
        "question" * 20_000,
        "*# " * 50_000 + "question",
    ],
)
def test_a_reply_that_is_no_problem(tmp_path: Path, text: str) -> None:
    _, report = merged(tmp_path, {"answer": text}, options=("--votes", "1"))
    lost = report.get("reply that is not one question and one answer", 0) + report.get(
        "question without an answer that the rule reads", 0
    )
    assert (lost, report["rows"]) == (1, 0)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Sure, I can help you with that!\n\n{GOOD}",
        f"1. {GOOD}",
        GOOD.replace("Question:", "**Question:**").replace("Answer:", "**Answer:**"),
        GOOD.replace("Question:", "### Question:\n").replace("Answer:", "\n### Answer:\n"),
        GOOD.replace("Question:", "QUESTION :").replace("Answer:", "Solution:"),
        f"{GOOD}\n\nLet me know if you want another one!",
        GOOD.replace("#### 19", "####19"),
        GOOD.replace("#### 19", "**#### 19**"),
        f"<think>\nQuestion: 5?\nAnswer: 4\n#### 4\nNo.</think>\n\n{GOOD}",
        f"\r\n{GOOD}\n".replace("\n", "\r\n"),
    ],
)
def test_a_reply_that_is_one_problem(tmp_path: Path, text: str) -> None:
    [row], _ = merged(tmp_path, {"answer": text}, options=("--votes", "1"))
    assert row["query"] == NEW
    assert row["response"].replace("\r", "") == GOOD.partition("Answer: ")[2]


def test_what_the_teacher_repeats(tmp_path: Path, gsm8k_rows: Rows) -> None:
    seed = gsm8k_rows[0]["question"]
    other = NEW.replace("Ann", "Eve")
    made, report = merged(
        tmp_path,
        {"answer": f"Well:\n{GOOD}", "seed_question": seed},
        {"answer": f"Question: {seed}\nAnswer: so\n#### 5", "seed_question": seed},
        {"answer": f"Question: {TEST_QUESTION}\nAnswer: so\n#### 26", "seed_question": seed},
        {"answer": f"Question: {other}\nAnswer: so\n#### 19", "seed_question": seed},
        options=("--votes", "1", "--seed-similarity", "0.9"),
    )
    assert [row["query"] for row in made] == [NEW], "the first by its text"
    assert (
        report["question near a seed"]
        == report["question near one of a test set"]
        == report["question near another new one"]
        == 1
    )
    [refused] = report["contaminated"]
    assert refused == {
        "question": TEST_QUESTION,
        "near": {"similarity": 1.0, "question": TEST_QUESTION, "place": "gsm8k_test, row 1"},
    }


def test_a_question_that_is_dropped_keeps_no_other_out(tmp_path: Path) -> None:
    other = NEW.replace("Ann", "Abe")
    made, _ = merged(
        tmp_path,
        {"question": other, "answer": "?"},
        {"answer": GOOD},
        options=("--votes", "1", "--seed-similarity", "0.9"),
    )
    assert [row["query"] for row in made] == [NEW]


def test_seeds_and_tests_by_file(tmp_path: Path) -> None:
    own = write_jsonl(tmp_path / "own.jsonl", [{"problem": NEW}])
    _, report = merged(tmp_path, {"answer": GOOD}, options=("--votes", "1", "--seeds", str(own)))
    assert report["question near a seed"] == 1
    _, report = merged(tmp_path, {"answer": GOOD}, options=("--votes", "1", "--test", str(own)))
    assert report["contaminated"][0]["near"]["place"] == f"{own}, line 1"
    made, _ = merged(tmp_path, {"answer": GOOD.replace(NEW, TEST_QUESTION)}, options=("--votes", "1", "--test", "none"))
    assert len(made) == 1


def test_the_same_file_twice_is_no_second_vote(tmp_path: Path) -> None:
    file = answers(tmp_path / "a", *votes(NEW, "19", "19"))
    assert "no question is left" in sentence(augment("merge", file, file, "-o", tmp_path / "o"))


def fenced(program: str) -> str:
    return f"Here it is:\n```python\n{program}\n```"


@pytest.mark.parametrize(
    ("program", "kept"),
    [
        ("print(4 * 6 - 5)", True),
        ("print('19')", True),
        ("print(4 * 6)", False),
        ("print(1 / 0)", False),
        ("print('19 rolls')", False),
        ("print()", False),
    ],
)
def test_an_answer_is_checked_by_a_program(tmp_path: Path, program: str, kept: bool) -> None:
    rows = [{"answer": GOOD}, {"question": NEW, "answer": fenced(program)}]
    made, _ = merged(tmp_path, *rows, options=("--confirm_run_unsafe_code",))
    assert len(made) == kept


def test_programs_run_with_consent_only_and_make_no_rows_alone(tmp_path: Path) -> None:
    rows = [{"question": NEW, "answer": fenced(f"print(19) # {n}")} for n in range(3)]
    file, output = answers(tmp_path / "a", *rows), tmp_path / "o"
    assert "add --confirm_run_unsafe_code" in sentence(augment("merge", file, "-o", output))
    assert not output.exists()
    _, report = merged(tmp_path, *rows, options=("--confirm_run_unsafe_code",))
    assert report["question without a majority for a written answer"] == 1


def test_another_rule_reads_other_answers(tmp_path: Path) -> None:
    text = f"Question: {NEW}\nAnswer: It is $\\boxed{{\\frac{{1}}{{2}}}}$."
    rows = [
        {"answer": text},
        {"question": NEW, "answer": "So\n#### 0.5", "key": "1"},
        {"question": NEW, "answer": "So\n#### 1/2", "key": "2"},
    ]
    assert merged(tmp_path, *rows)[0] == []
    [row], _ = merged(tmp_path, *rows, options=("--rule", "robust_math"))
    assert row["response"] == "It is $\\boxed{\\frac{1}{2}}$."


def test_merge_of_files_that_are_none(tmp_path: Path) -> None:
    for content, said in (
        ("", "holds no rows"),
        ("{broken\n", "line 1: not a complete"),
        ('{"question": "a"}\n', "line 1: the field 'answer' is missing"),
        ('{"answer": 5}\n', "line 1: the field 'answer' is no text"),
        ('{"answer": "5", "question": ["a"]}\n', "line 1: the field 'question' is no text"),
    ):
        path = tmp_path / "x.jsonl"
        path.write_text(content)
        for command in ("merge", "solve"):
            assert said in sentence(augment(command, path, "-o", tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_an_output_is_whole_or_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "o"
    output.write_text("before")
    file = answers(tmp_path / "a", {"answer": "nothing"})
    assert augment("merge", file, "-o", output).exit_code == 1
    assert "no reply holds one question" in sentence(augment("solve", file, "-o", output))
    assert output.read_text() == "before"
    assert "there is no directory" in sentence(augment("merge", answers(tmp_path / "b", {"answer": GOOD}), "--votes", "1", "-o", tmp_path / "none" / "o"))  # fmt: skip


def test_solve_asks_for_steps_or_a_program(tmp_path: Path) -> None:
    file = answers(
        tmp_path / "a",
        {"answer": GOOD},
        {"answer": GOOD, "key": "2"},
        {"answer": "no"},
        {"question": "q", "answer": "5"},
    )
    for options, word in (((), "####"), (("--program",), "Python")):
        assert augment("solve", file, "-o", tmp_path / "o", *options).exit_code == 0
        [row] = rows_of(tmp_path / "o")
        assert row["question"] == NEW
        assert NEW in row["messages"][0]["content"]
        assert word in row["messages"][0]["content"]
        assert "19" not in row["messages"][0]["content"]


def test_a_teacher_that_is_cut_off_says_so(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "f", [{"prompt": "hello"}])
    with chat_stub(lambda _: reply(GOOD, "length")) as stub:
        augment("ask", file, "-o", tmp_path / "a", "--endpoint", stub.url, "--model", "t")
    assert "reply that was cut off" in augment("merge", tmp_path / "a", "-o", tmp_path / "o", "--votes", "1").stdout
