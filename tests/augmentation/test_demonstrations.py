"""Demonstrations: training questions as prompts, a teacher behind a stub server, its right answers as rows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support import recipe_files as recipes
from support.augment import augment, sentence
from support.chat_stub import Body, Raw, chat_stub, reply
from support.forked import Axolotl
from support.project import Rows, write_jsonl

from axolotl_cotmask.augmentation.demonstrations import Dropped, demonstration
from axolotl_cotmask.augmentation.forms import FORMS
from axolotl_cotmask.augmentation.samples import Asked
from axolotl_cotmask.augmentation.training_questions import training_questions
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import RULES, Judgement

TEST_QUESTION = "Janet has 16 eggs and eats 3 of them. How many are left?"
OBQA = {
    "question_stem": "What do plants need?",
    "choices": {"text": ["salt", "light", "noise", "sand"], "label": ["A", "B", "C", "D"]},
    "answerKey": "B",
}
CSQA = {"question": "Where is a book?", "choices": {"text": ["sea", "shelf"], "label": ["A", "B"]}, "answerKey": "B"}
PIQA = {"goal": "To open a tin,", "sol1": "use an opener", "sol2": "use a spoon", "label": 0}
SIQA = {
    "context": "Al fell.",
    "question": "How is he?",
    "answerA": "glad",
    "answerB": "sad",
    "answerC": "rich",
    "label": "2",
}
MATH = {"problem": "What is $2^3 + 1$?", "solution": "It is $8 + 1 = \\boxed{9}$.", "level": "Level 1"}
GSM8K = {"question": "Ann has 5 red and 7 blue pens. How many pens has she?", "answer": "5 + 7 = <<5+7=12>>12\n#### 12"}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gsm8k_rows: Rows) -> Path:
    """A data directory with a few rows of three training sets, and a test set of one question."""
    directory = tmp_path / "data"
    directory.mkdir()
    write_jsonl(directory / "gsm8k_test.jsonl", [{"question": TEST_QUESTION, "answer": "16 - 3 = 13\n#### 13"}])
    write_jsonl(directory / "gsm8k_train.jsonl", gsm8k_rows[:8])
    for name, row in {"obqa": OBQA, "csqa": CSQA, "siqa": SIQA, "math": MATH}.items():
        write_jsonl(directory / f"{name}_train.jsonl", [row])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(directory))
    return directory


def asked(rule: str, gold: str) -> Asked:
    return Asked("q", gold, None, "q", rule)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("She has 5 + 7 = 12 pens.\n#### 12", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("She has 5 + 7 = 12 pens.\n**#### 12**", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("She has 5 + 7 = 12 pens.\n#### $12.00\n\nLet me know!", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("She has 5 + 7 = 12 pens.\n\n**Final Answer:**\n\\[\n\\boxed{12}\n\\]", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("She has 5 + 7 = 12 pens.\n\nThe answer is 12 pens.", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("She has 5 + 7 = 12 pens.", "She has 5 + 7 = 12 pens.\n#### 12"),
        ("### Step 1\n5 + 7 = 12\n### Answer\n**12**", "### Step 1\n5 + 7 = 12\n#### 12"),
        ("<think>5 + 7 = 13\n#### 13? No.</think>\n5 + 7 = 12.\n#### 12", "5 + 7 = 12.\n#### 12"),
        ("5 + 7 = 12.\r\n#### 12\r\n", "5 + 7 = 12.\n#### 12"),
        ("5 + 7 = 12.\n#### 12</s>", "5 + 7 = 12.\n#### 12"),
        ("5 + 7 = 12.\n#### 12\n\nQuestion: What is 3 + 4?\n3 + 4 = 7\n#### 7", "5 + 7 = 12.\n#### 12"),
        ("Answer: 5 + 7 = 12 pens.\n#### 12", "Answer: 5 + 7 = 12 pens.\n#### 12"),
        ("5 + 7 = 12.\n\nQuestion: What is 3 + 4?\n3 + 4 = 7.", Dropped.FORM),
        ("5 + 6 = 11\n#### 11\nWait, no.\n5 + 7 = 12\n#### 12", Dropped.FORM),
        ("#### 1. Add\n5 + 7 = 12\n#### 12", Dropped.FORM),
        ("#### 12", Dropped.NO_REASONING),
        ("12", Dropped.NO_REASONING),
        ("The answer is 12.", Dropped.NO_REASONING),
        ("#### 12\nSince 5 + 7 = 12 and nothing else.", Dropped.NO_REASONING),
        ("5 + 7 = 13.\n#### 13", Dropped.WRONG),
        ("5 + 7 = 12.\n#### 12\nWait, it is 13.\n#### 13", Dropped.WRONG),
        ("I cannot help with that.", Dropped.NO_ANSWER),
        ("", Dropped.NO_ANSWER),
        ("<think>5 + 7 = 12\n#### 12", Dropped.NO_ANSWER),
        ("5 + 7 = \ud800 12\n#### 12", Dropped.NO_ANSWER),
        ("<html><body>502 Bad Gateway</body></html>", Dropped.WRONG),
    ],
)  # fmt: skip
def test_a_solution_gets_the_answer_line_of_gsm8k(text: str, wanted: str | Dropped) -> None:
    for gold in ("5 + 7 = 12\n#### 12", "12"):
        assert demonstration(text, asked("gsm8k_hash", gold)) == wanted


@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        ("How many apples does Tom have left?", "#### 5"),
        ("How many apples does Ann have?", Dropped.WRONG),
        ("Well?", Dropped.NO_ANSWER),
    ],
)
def test_of_several_numbers_the_question_tells_which_is_the_answer(question: str, outcome: str | Dropped) -> None:
    text = "Tom has 8 apples and gives 3 of them to Ann, so 8 - 3.\nSo Tom has 5 apples left and Ann has 3."
    made = demonstration(text, Asked(question, "5", None, question, "gsm8k_hash"))
    assert made == (outcome if isinstance(outcome, Dropped) else f"{text}\n{outcome}")
    judged = {Dropped.WRONG: Judgement.FALSE, Dropped.NO_ANSWER: Judgement.INVALID}
    rule = Asked(question, "5", None, question, "robust_number").answer_rule
    assert rule.judge(text, "5") is (judged[outcome] if isinstance(outcome, Dropped) else Judgement.TRUE)


def test_the_line_is_the_golds() -> None:
    text = "There are 1000 + 250 = 1250 of them.\n#### 1250"
    assert demonstration(text, asked("gsm8k_hash", "so\n#### 1,250")) == text.replace("#### 1250", "#### 1,250")
    assert demonstration(text, asked("gsm8k_hash", "#### 1,250\nNote: #### 7")) == text.replace(
        "#### 1250", "#### 1,250"
    )
    assert demonstration("It sinks by 7 - 12 = -5.\nSo it is -5", asked("gsm8k_hash", "-5")) == (
        "It sinks by 7 - 12 = -5.\n#### -5"
    )


@pytest.mark.parametrize(
    ("rule", "gold", "text", "wanted"),
    [
        ("math_boxed", "9", "$8 + 1 = 9$.\nThe answer is $9$.", "$8 + 1 = 9$.\nThe answer is $\\boxed{9}$."),
        ("math_boxed", "9", "So it is $8 + 1 = \\boxed{9}$", "So it is $8 + 1 = \\boxed{9}$\nThe answer is $\\boxed{9}$."),
        ("math_boxed", "\\frac{1}{2}", "One of two equal parts is left.\n\\boxed{0.5}", "One of two equal parts is left.\nThe answer is $\\boxed{\\frac{1}{2}}$."),
        ("math_boxed", "9", "$8 + 1 = 10$, so \\boxed{10}.", Dropped.WRONG),
        ("robust_choice", "B", "Plants make sugar out of light.\n\nAnswer: B", "Plants make sugar out of light.\nThe answer is (B)."),
        ("robust_choice", "B", "Plants make sugar out of light.\nSo the answer is (B) light.", "Plants make sugar out of light.\nThe answer is (B)."),
        ("robust_choice", "B", "Plants make sugar out of light.\n**B) light**", "Plants make sugar out of light.\nThe answer is (B)."),
        ("robust_choice", "B", "The answer is (B), because plants make sugar out of light.", Dropped.NO_REASONING),
        ("robust_choice", "B", "Plants make sugar out of light.\nThe answer is (C).", Dropped.WRONG),
        ("robust_choice", "B", "Plants make sugar out of light, so I choose option B.", "Plants make sugar out of light, so I choose option B.\nThe answer is (B)."),
        ("robust_choice", "B", "The answer is (A)?\n\nPlants need no salt, I think.\nThe answer is (B).", Dropped.FORM),
    ],
)  # fmt: skip
def test_a_solution_gets_the_form_of_its_data_set(rule: str, gold: str, text: str, wanted: str | Dropped) -> None:
    assert demonstration(text, asked(rule, gold)) == wanted


@pytest.mark.slow
def test_gsm8ks_own_solutions_stay_as_they_are(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    assert (real_data / "gsm8k_train.jsonl").is_file()
    outcomes = [
        (question, demonstration(question.answer, question)) for _, question in training_questions("gsm8k_train")
    ]
    other = [question for question, outcome in outcomes if outcome != question.answer]
    assert (len(outcomes), other) == (7473, [])


def test_of_real_solutions_the_right_ones_are_kept(real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "generations" / "openai_gsm8k_example_solutions.jsonl"))
    kept = 0
    for row in rows:
        gold = row["ground_truth"].rpartition("A: ")[2]
        for model in row.keys() - {"question", "ground_truth"}:
            outcome = demonstration(row[model]["solution"], asked("gsm8k_hash", gold))
            assert (not isinstance(outcome, Dropped)) == row[model]["is_correct"], outcome
            kept += not isinstance(outcome, Dropped)
    assert kept == 2001


@pytest.mark.parametrize(
    "source", ["gsm8k_train", "math_train", "obqa_train", "csqa_train", "piqa_train", "siqa_train"]
)
def test_prompts_of_a_training_set(source: str, tmp_path: Path, data: Path, gsm8k_rows: Rows) -> None:
    write_jsonl(data / "piqa_train.jsonl", [PIQA])
    output = tmp_path / "prompts"
    result = augment("prompts", source, "-o", output)
    assert result.exit_code == 0, result.output
    rows = list(read_jsonl(output))
    wanted = {
        "gsm8k_train": [(row["question"], row["answer"], "gsm8k_hash") for row in gsm8k_rows[:8]],
        "math_train": [(MATH["problem"], "9", "math_boxed")],
        "obqa_train": [("What do plants need?\nA) salt\nB) light\nC) noise\nD) sand", "B", "robust_choice")],
        "csqa_train": [("Where is a book?\nA) sea\nB) shelf", "B", "robust_choice")],
        "piqa_train": [("To open a tin,\nA) use an opener\nB) use a spoon", "A", "robust_choice")],
        "siqa_train": [("Al fell. How is he?\nA) glad\nB) sad\nC) rich", "B", "robust_choice")],
    }
    assert [(row["question"], row["gold"], row["answer_rule"]) for row in rows] == wanted[source]
    for row in rows:
        [message] = row["messages"]
        assert message["content"].endswith(f"\n\n{row['question']}"), "the gold is not shown"
        assert FORMS[row["answer_rule"]].asked_for in message["content"]


@pytest.mark.parametrize("rule", FORMS)
def test_the_form_that_is_asked_for_is_the_one_that_is_written(rule: str) -> None:
    gold = {"gsm8k_hash": "72", "math_boxed": "72", "robust_choice": "B"}[rule]
    form = FORMS[rule]
    assert form.asked_for.rstrip(".").endswith(form.stated(gold).rstrip("."))
    text = f"We see that it must be so.\n{form.stated(gold)}"
    assert demonstration(text, asked(rule, gold)) == text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds no rows"),
        ([{"question": "q"}], "line 1: no gold, the field 'answer'"),
        ([{"answer": "#### 5"}], "line 1: no field 'question'"),
        ([GSM8K, {**GSM8K, "answer": "#### 13"}], "line 2, and "),
        ([{**GSM8K, "answer_rule": "metamath_gsm8k"}], "line 1: demonstrations cannot be written for the answer rule metamath_gsm8k: give one of gsm8k_hash, math_boxed, robust_choice"),
        ([{**GSM8K, "answer_rule": "gsm8k_hsh"}], "line 1: there is no answer rule 'gsm8k_hsh': did you mean gsm8k_hash?"),
        ([{**GSM8K, "answer": "twelve"}], "line 1: the rule gsm8k_hash reads no answer from the gold 'twelve'"),
        ([GSM8K, {**GSM8K, "question": TEST_QUESTION.upper()}], "line 2: is a test question (gsm8k_test, row 1)"),
        ([{**GSM8K, "question": "half \ud800"}], "line 1: a text holds half of a surrogate pair"),
    ],
)  # fmt: skip
def test_prompts_of_files_that_make_none(tmp_path: Path, rows: Rows, said: str) -> None:
    output = tmp_path / "prompts"
    assert said in sentence(augment("prompts", write_jsonl(tmp_path / "own.jsonl", rows), "-o", output))
    assert not output.exists()


def test_prompts_of_what_is_no_training_set(tmp_path: Path, data: Path) -> None:
    output = tmp_path / "prompts"
    assert "gsm8k_test is no training set: name one of gsm8k_train, math_train," in sentence(augment("prompts", "gsm8k_test", "-o", output))  # fmt: skip
    assert "did you mean gsm8k_train?" in sentence(augment("prompts", "gsm8k_trian", "-o", output))
    assert "piqa_train.jsonl is not in it" in sentence(augment("prompts", "piqa_train", "-o", output))
    write_jsonl(data / "obqa_train.jsonl", [OBQA | {"answerKey": "E"}])
    assert "obqa_train, row 1: no option is right" in sentence(augment("prompts", "obqa_train", "-o", output))
    assert "is a directory" in sentence(augment("prompts", str(data), "-o", output))
    own = write_jsonl(tmp_path / "own.jsonl", [GSM8K])
    assert "over what is read" in sentence(augment("prompts", own, "-o", own))
    assert augment("prompts", write_jsonl(own, [GSM8K, GSM8K, {**GSM8K, "question": "Another one?"}]), "-o", output).exit_code == 0  # fmt: skip
    assert [row["question"] for row in read_jsonl(output)] == [GSM8K["question"], "Another one?"]


def made(tmp_path: Path, *rows: dict[str, Any], options: tuple[str, ...] = ()) -> tuple[Rows, dict[str, Any]]:
    """The demonstrations of rows, and the report; their order, and a file given twice, do not matter."""
    outcomes = []
    for seed in (0, 1):
        file = write_jsonl(tmp_path / f"answers-{seed}", random.Random(seed).sample(rows, len(rows)))
        output = tmp_path / "demonstrations.jsonl"
        output.unlink(missing_ok=True)
        result = augment("demonstrations", *[file] * (seed + 1), "-o", output, "--json", *options)
        report = json.loads(result.stdout)
        assert (result.exit_code, output.exists()) == ((0, True) if report["rows"] else (1, False)), result.output
        report["dropped"] = {reason: count for reason, count in report["dropped"].items() if count}
        outcomes.append((list(read_jsonl(output)) if report["rows"] else [], report))
    assert outcomes[0] == outcomes[1]
    rows_made, report = outcomes[0]
    assert report["answers"] == report["rows"] + sum(report["dropped"].values()), "each answer is accounted for"
    return rows_made, report


def answer(text: str | None, **fields: Any) -> dict[str, Any]:
    return {"question": GSM8K["question"], "gold": GSM8K["answer"], "answer": text, **fields}


def test_the_shortest_right_answers_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    answers = [
        answer("Red and blue together are 5 + 7 = 12.\n#### 12"),
        answer("5 + 7 = 12\n#### 12"),
        answer("5 + 7 = 12\n**#### 12**"),
        answer("5 + 7 = 13\n#### 13"),
        answer("5 + 7", finish_reason="length"),
        answer("5 + 7 = 12\nSo", finish_reason="content_filter"),
        answer(None),
        answer("12"),
        answer("#### 1. Add\n5 + 7 = 12\n#### 12"),
        answer("3 + 4 = 8\n#### 8", question="What is 3 + 4?", gold=7),
    ]
    rows, report = made(tmp_path, *answers)
    assert rows == [{"query": GSM8K["question"], "response": "5 + 7 = 12\n#### 12"}]
    assert (report["questions"], report["solved"]) == (2, 1)
    assert report["dropped"] == {
        Dropped.CUT: 2, Dropped.NO_ANSWER: 1, Dropped.WRONG: 2, Dropped.NO_REASONING: 1, Dropped.FORM: 1, Dropped.MORE: 2,
    }  # fmt: skip
    other = {"doc_id": 1, "doc": {"question": "What is 3 + 4?", "gold": "7"}}
    assert made(tmp_path, {**answers[1], **other})[0] == rows, "what else is in the line does not matter"
    more, report = made(tmp_path, *answers, options=("--most", "5"))
    assert [len(row["response"]) for row in more] == sorted(len(row["response"]) for row in more)
    assert (len(more), report["dropped"][Dropped.MORE]) == (2, 1), "the same response is one"
    assert made(tmp_path, answers[3])[0] == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds no rows"),
        ([{"question": "q", "answer": "a"}], "line 1: the field 'gold' is missing"),
        ([answer("a", gold=None)], "line 1: no gold, the field 'gold'"),
        ([answer("a", gold=True)], "line 1: no gold, the field 'gold'"),
        ([answer("a", gold="none")], "line 1: the rule gsm8k_hash reads no answer"),
        ([answer(5)], "line 1: the field 'answer' is no text"),
        ([answer("a", question=TEST_QUESTION)], "line 1: is a test question (gsm8k_test, row 1)"),
        ([answer("a"), answer("b", gold="13")], "line 2, and "),
        ([answer("a", answer_rule="openai_gsm8k", gold="12")], "line 1: demonstrations cannot be written for the answer rule"),
    ],
)  # fmt: skip
def test_answers_that_are_none(tmp_path: Path, rows: Rows, said: str) -> None:
    output = tmp_path / "o"
    output.write_text("before")
    file = write_jsonl(tmp_path / "answers", rows)
    assert said in sentence(augment("demonstrations", file, "-o", output))
    assert output.read_text() == "before"
    assert "over what is read" in sentence(augment("demonstrations", file, "-o", file))


def test_from_a_teacher_to_what_the_first_stage_trains_on(
    tmp_path: Path, gsm8k_rows: Rows, tiny_model: Path, axolotl: Axolotl
) -> None:
    """By its commands, with a teacher that fails in every way; then the recipe's own data entry, by Axolotl."""
    prompts, answers = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    solutions = {row["question"]: row["answer"] for row in gsm8k_rows[:8]}
    ways = [
        lambda solution: solution.replace("#### ", "\n**Final Answer:** "),
        lambda solution: solution.partition("####")[2].strip(),
        lambda solution: reply(solution[: len(solution) // 2], "length"),
        lambda solution: solution.partition("####")[0] + "#### 98765",
        lambda _: "As a language model I cannot do that.",
    ]
    whole = {question: ways[i](text) if i < len(ways) else text for i, (question, text) in enumerate(solutions.items())}

    def teach(body: Body) -> Raw | str:
        instruction, _, question = body["messages"][0]["content"].partition("\n\n")
        assert instruction.endswith("such as #### 72.")
        return whole[question]

    with chat_stub(teach) as stub:
        for command in (
            ["prompts", "gsm8k_train", "-o", prompts],
            ["ask", prompts, "-o", answers, "--endpoint", stub.url, "--model", "t", "--temperature", "0.7"],
        ):
            assert augment(*command).exit_code == 0
        assert len(stub.asked) == 8
    output = tmp_path / "demonstrations.jsonl"
    result = augment("demonstrations", answers, "-o", output)
    assert result.exit_code == 0, result.output
    for count in (
        "dropped: cut off",
        "dropped: wrong answer",
        "dropped: no answer can be read",
        "dropped: right, without",
    ):
        assert any(line.startswith(count) and line.endswith("1") for line in result.output.splitlines()), result.output
    rows = {row["query"]: row["response"] for row in read_jsonl(output)}
    questions = list(solutions)
    assert rows.keys() == {questions[0], *questions[5:]}
    for question, response in rows.items():
        assert RULES["gsm8k_hash"].judge(response, solutions[question]) is Judgement.TRUE
        assert response.splitlines()[-1] == f"#### {solutions[question].partition('#### ')[2]}"
    recipe = recipes.on_cpu("self-refine/llama2-7b-sft", tiny_model, {"query_response": output}, tmp_path / "run")
    done = axolotl("preprocess", recipe, cwd=tmp_path / "run").check()
    assert "Success! Preprocessed data path" in done.output
    from datasets import load_from_disk
    from transformers import AutoTokenizer

    [prepared] = [path.parent for path in (tmp_path / "prepared").rglob("dataset_info.json")]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    learnt = {
        tokenizer.decode([token for token in row["labels"] if token >= 0], skip_special_tokens=True).strip()
        for row in load_from_disk(str(prepared))
    }
    assert learnt == set(rows.values())
