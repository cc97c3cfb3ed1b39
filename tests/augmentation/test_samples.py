"""Reading samples: what lm-eval writes, other files, and what is refused in one sentence."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from support.hermetic import RealData
from support.lm_eval_runs import EVALTASKS, evaluate, values
from support.project import Rows, write_jsonl
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.augmentation.pool import Pool
from axolotl_cotmask.augmentation.samples import Asked, Sampled
from axolotl_cotmask.augmentation.sampling import PER_ROUND
from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.prompt_strategies import gsm8k, query_response

ROW = {"question": "q", "answer": "3 + 4 = <<3+4=7>>7\n#### 7", "responses": ["<<3+4=7>>\n#### 7", "#### 8"]}
SAMPLE = {
    "doc_id": 0,
    "doc": {"question": "q", "answer": "#### 7", "answer_rule": "gsm8k_hash"},
    "arguments": {"gen_args_0": {"arg_0": "a prompt", "arg_1": {"do_sample": True, "temperature": 0.7}}},
    "resps": [["so\n#### 7", "#### 8"]],
    "filter": "none",
}

CHOICES = {"text": ["ant", "bee"], "label": ["A", "B"]}


def run(*arguments: str | Path) -> str:
    """What a command prints that ends well."""
    result = CliRunner().invoke(cotmask, ["augment", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def sentence(*arguments: str | Path) -> str:
    """The one sentence that a command ends with, without having written its file."""
    result = CliRunner().invoke(cotmask, ["augment", *map(str, arguments)])
    assert result.exit_code == 1, result.output
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit), result.exception
    [line] = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert "-o" not in arguments or not Path(arguments[arguments.index("-o") + 1]).exists(), "nothing is half-written"
    return line.removeprefix("Error: ")


@pytest.mark.parametrize("command", [("rft",), ("pairs", "--gsm-ic", "none", "--rule", "answer")])
@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], "holds no rows: give a file with the samples of one question per line"),
        ([{"question": "q", "responses": ["a"]}], "line 1: no gold, the field 'answer'"),
        ([ROW, {**ROW, "answer": None}], "line 2: no gold, the field 'answer'"),
        ([{**ROW, "answer": ["#### 7"]}], "line 1: no gold, the field 'answer'"),
        ([{**ROW, "answer": "many"}], "line 1: the rule gsm8k_hash reads no answer from the gold 'many'"),
        ([{**ROW, "question": " "}], "line 1: no field 'question'"),
        ([{**ROW, "question": 7}], "line 1: the field 'question' is no text"),
        ([{**ROW, "responses": "a"}], "line 1: no field 'responses' with a list of texts"),
        ([{**ROW, "responses": []}], "line 1: no field 'responses' with a list of texts"),
        ([{**ROW, "responses": ["a", None]}], "line 1: no field 'responses' with a list of texts"),
        ([{**ROW, "responses": ["\ud800"]}], "line 1: a text holds half of a surrogate pair"),
        ([{**ROW, "answer_rule": "gsm8k_hsh"}], "line 1: there is no answer rule 'gsm8k_hsh': did you mean gsm8k_hash?"),
        ([{**ROW, "answer_rule": {}}], "line 1: there is no answer rule {}"),
        ([{**ROW, "solution": "#### 8"}], "line 1: the field 'solution' ends in another answer than the field 'answer'"),
        ([ROW, {**ROW, "answer": "#### 8"}], "line 1: the gold of one question is '#### 8' and"),
        ([{**ROW, "answer_start": " ####"}], "line 1: it was asked for an answer without reasoning"),
        ([{**ROW, "responses": ["no answer", "#### 8"]}], "1 questions give no pair|no sample of 1 questions can be kept"),
        ([{**SAMPLE, "resps": [[[-3.5, False]]]}], "line 1: its resps are no generated texts"),
        ([{**SAMPLE, "resps": [["a"], ["b"]]}], "line 1: its resps are no generated texts"),
        ([{key: value for key, value in SAMPLE.items() if key != "resps"}], "line 1: its resps are no generated texts"),
        ([{**SAMPLE, "doc": {"question": "q"}}], "line 1: no gold, the field 'answer'"),
        ([{**SAMPLE, "doc": {"query": "q", "answer": "#### 7"}}], "line 1: no field 'question'"),
        ([{**SAMPLE, "doc": {"question": "q", "answer": "#### 7"}}], "line 1: is a sample of another task than cotmask_sample_*"),
        ([SAMPLE | {"arguments": {"gen_args_0": {"arg_0": "p", "arg_1": {"do_sample": False}}}}], "line 1: 2 samples at temperature 0 are 2 times the same"),
        ([SAMPLE | {"arguments": {"gen_args_0": {"arg_0": "p", "arg_1": {"temperature": 0}}}}], "line 1: 2 samples at temperature 0 are 2 times the same"),
        ([{**ROW, "question": f"q{n}", "responses": ["#### 7"] * 5} for n in range(3)], "all samples of a question are the same text, for each of 3 questions"),
        ([{"results": {}}, {}], "line 1: no field 'question'|holds lm-eval's results"),
    ],
)  # fmt: skip
def test_bad_samples(tmp_path: Path, command: tuple[str, ...], rows: Rows, error: str) -> None:
    file = write_jsonl(tmp_path / "samples.jsonl", rows)
    said = sentence(command[0], file, *command[1:], "--test", "none", "-o", tmp_path / "made.jsonl")
    assert str(file) in said or not error.startswith("line"), said
    assert any(part in said for part in error.split("|")), said


def test_bad_arguments(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "samples.jsonl", [ROW])
    made = ("--test", "none", "-o", tmp_path / "made.jsonl")
    (tmp_path / "empty").mkdir()
    assert "no samples_*.jsonl in it" in sentence("rft", tmp_path / "empty", *made)
    pairs = ("pairs", file, "--gsm-ic", "none", *made)
    assert "--direct is for --rule cot" in sentence(*pairs, "--rule", "wrong", "--direct", file)
    assert "it was asked for reasoning, too" in sentence(*pairs, "--rule", "cot", "--direct", file)
    other = write_jsonl(tmp_path / "other.jsonl", [SAMPLE | {"doc": {**SAMPLE["doc"], "answer": ROW["answer"]}}])
    assert "the prompt of one question is" in sentence("pairs", other, *pairs[1:], "--rule", "answer")
    two = [ROW, {**ROW, "question": "p", "responses": ["#### 7", "so\n#### 7"]}]
    copies = [write_jsonl(tmp_path / f"{n}.jsonl", rows) for n, rows in enumerate((two, two[::-1]))]
    assert "begin the same samples, drawn with the same seed, or a copy" in sentence("rft", *copies, *made)
    before = copies[0].read_bytes()
    for command in (("rft",), ("pairs", "--rule", "answer", "--gsm-ic", "none")):
        arguments = ["augment", command[0], str(copies[0]), *command[1:], "--test", "none", "-o", str(copies[0])]
        result = CliRunner().invoke(cotmask, arguments)
        assert "would be written over what is read from it" in result.output
    assert copies[0].read_bytes() == before
    assert "there is no directory" in sentence("rft", file, "--test", "none", "-o", tmp_path / "none" / "made.jsonl")
    results = tmp_path / "results_x.json"
    results.write_text(json.dumps({"results": {"cotmask_gsm8k": {}}}), encoding="utf-8")
    assert "holds lm-eval's results, not samples" in sentence("rft", results, *made)


def test_direct_samples_make_pairs_with_those_that_reason(tmp_path: Path) -> None:
    asked = {key: ROW[key] for key in ("question", "answer")}
    reasons = write_jsonl(tmp_path / "s.jsonl", [ROW])
    direct = write_jsonl(tmp_path / "d.jsonl", [asked | {"answer_start": " ####", "responses": [" 12", " 3 * 4 = 12"]}])
    made = tmp_path / "made.jsonl"
    arguments = ("pairs", "--rule", "cot", "--test", "none", "--gsm-ic", "none")
    report = json.loads(run(*arguments, "--json", "-o", made, reasons, "--direct", direct))
    assert list(read_jsonl(made)) == [
        {"prompt": alpaca_prompt("q"), "chosen": " <<3+4=7>>\n#### 7", "rejected": " #### 12"},
    ]
    assert (report["pairs"], report["rejected_right"], report["samples"]["direct"]) == (1, 0, 1)
    # Another gold of the direct ones, and direct ones whose question was not asked for reasoning.
    write_jsonl(direct, [asked | {"answer": "#### 9", "answer_start": " ####", "responses": [" 12"]}])
    assert "the gold of one question is" in sentence(*arguments, reasons, "--direct", direct, "-o", tmp_path / "no")
    write_jsonl(direct, [asked | {"question": "other", "answer_start": " ####", "responses": [" 12"]}])
    said = sentence(*arguments, reasons, "--direct", direct, "-o", tmp_path / "no")
    assert "2 questions give no pair" in said
    assert "1 with no answer without reasoning" in said


def test_what_was_there_stays_when_nothing_can_be_made(tmp_path: Path) -> None:
    file, made = write_jsonl(tmp_path / "s.jsonl", [{**ROW, "responses": ["#### 8"]}]), tmp_path / "made.jsonl"
    made.write_text("before", encoding="utf-8")
    result = CliRunner().invoke(cotmask, ["augment", "rft", str(file), "--test", "none", "-o", str(made)])
    assert result.exit_code == 1
    assert "(1 wrong answer)" in result.output
    assert made.read_text(encoding="utf-8") == "before"


def test_one_row_and_the_form_that_query_response_reads(tmp_path: Path) -> None:
    file, made = write_jsonl(tmp_path / "s.jsonl", [ROW]), tmp_path / "made.jsonl"
    report = json.loads(run("rft", file, "--test", "none", "-o", made, "--json"))
    assert list(read_jsonl(made)) == [
        {"query": "q", "response": ROW["answer"]},
        {"query": "q", "response": "<<3+4=7>>\n#### 7"},
    ]
    gold = query_response.ROW_FORMAT.to_example(next(iter(read_jsonl(made))))
    assert gold == gsm8k.ROW_FORMAT.to_example(ROW), "the gold row is trained on as in GSM8K"
    assert (report["kept"], report["samples"], report["dropped"]["wrong answer"]) == (1, 2, 1)
    assert report["distinct"] == [
        {"samples": 1, "with_gold": 1.0, "sampled": 0.5},
        {"samples": 2, "with_gold": 1.0, "sampled": 1.0},
    ]


def test_order_of_files_and_rows_does_not_matter(tmp_path: Path) -> None:
    chance = random.Random(0)
    rows = [
        {"question": f"q{n}", "answer": ROW["answer"], "responses": [f"<<{a}+{7 - a}=7>>{b}\n#### {7 + (b > 3)}"]}
        for n in range(5) for a in range(4) for b in range(5)
    ]  # fmt: skip
    made = []
    for attempt in range(3):
        chance.shuffle(rows)
        files = [write_jsonl(tmp_path / f"{attempt}-{name}.jsonl", rows[name::3]) for name in range(3)]
        chance.shuffle(files)
        outputs = []
        for number, command in enumerate((("rft",), ("pairs", "--rule", "wrong", "--gsm-ic", "none"))):
            output = tmp_path / f"made-{attempt}-{number}.jsonl"
            # A file that is named twice counts once.
            run(command[0], *files, files[0], *command[1:], "--test", "none", "-o", output)
            outputs.append(output.read_bytes())
        made.append(outputs)
    assert made[0] == made[1] == made[2]


def test_test_questions_are_refused_and_bases_left_out(real_data: RealData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    real_data.needs("gsm8k_test.jsonl", "gsm_ic_2step_1k.jsonl", "gsm_ic_mstep_1k.jsonl", "gsm8k_train.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    rows = list(read_jsonl(real_data / "gsm8k_train.jsonl"))
    names = ("gsm_ic_2step_1k.jsonl", "gsm_ic_mstep_1k.jsonl")
    bases = {row["original_question"] for name in names for row in read_jsonl(real_data / name)}
    sampled = [row | {"responses": [row["answer"], "#### -3"]} for row in rows]
    file, made = write_jsonl(tmp_path / "train.jsonl", sampled), tmp_path / "made.jsonl"
    report = json.loads(run("pairs", file, "--rule", "answer", "-o", made, "--json"))
    assert report["questions"] == 7473, "no training question is a test question"
    asked = {row["prompt"] for row in read_jsonl(made)}
    assert report["skipped"]["base question of GSM-IC"] == 7473 - len(asked) > 90
    assert not any(base in prompt for base in bases - {None} for prompt in asked)
    assert json.loads(run("rft", file, "-o", made, "--json"))["gold"] == 7473
    test = list(read_jsonl(real_data / "gsm8k_test.jsonl"))[8]
    made.unlink()
    for change in (str, str.upper, lambda text: f"  {text.replace(' ', '  ')}\n"):
        row = {**test, "question": change(test["question"]), "responses": [test["answer"], "#### -3"]}
        file = write_jsonl(tmp_path / "tested.jsonl", [sampled[0], row])
        for command in (("rft",), ("pairs", "--rule", "answer")):
            said = sentence(command[0], file, *command[1:], "-o", made)
            assert said.startswith(f"{file}, line 2: is a test question (gsm8k_test, row 9):"), said


def test_a_test_question_with_options_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"question_stem": "Which flies?", "choices": CHOICES, "answerKey": "B"}
    write_jsonl(tmp_path / "obqa_test.jsonl", [asked])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    row = {"question": "Which flies?\nA) ant\nB) bee", "answer": "B", "answer_rule": "robust_choice"}
    texts = ["Bees have wings, so the answer is (B).", "The answer is (A)."]
    file = write_jsonl(tmp_path / "s.jsonl", [row | {"responses": texts}])
    made = tmp_path / "made.jsonl"
    assert "is a test question (obqa_test, row 1)" in sentence("rft", file, "--test", "obqa_test", "-o", made)
    run("rft", file, "--test", "none", "-o", made)
    assert list(read_jsonl(made)) == [{"query": row["question"], "response": texts[0]}], "a letter is no gold row"


def test_a_full_disk_is_a_sentence() -> None:
    def fill() -> None:
        with Pool() as pool:
            pool._database.execute("PRAGMA max_page_count = 20")
            pool.add(Sampled("", Asked(f"q{n}", "7", None, "p", "gsm8k_hash"), ("7" * 999,)) for n in range(100))

    with pytest.raises(CoTMaskError, match=r"cannot be put together on the disk \(database or disk is full\): name a"):
        fill()


class Sampling(ScriptedLM):
    """A model that writes another text at each call: the n-th ends in the n-th of ``answers``, again and again."""

    def __init__(self, write: Callable[[int], str]) -> None:
        super().__init__({})
        self.write = write

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.requests = requests
        return [self.write(number) for number in range(len(requests))]


@pytest.fixture(scope="module")
def tasks() -> TaskManager:
    return TaskManager(include_path=str(EVALTASKS), include_defaults=False)


#: By task: a row of its data, the gold, a right and a wrong text, what a direct answer begins with.
QUESTIONS: dict[str, tuple[str, dict[str, Any], str, Sequence[str], str]] = {
    "gsm8k": ("gsm8k_train.jsonl", {"question": "q", "answer": "#### 7"}, "#### 7", (" #### 7", " #### 8", " 7", " 8"), " ####"),
    "math": ("math_train.jsonl", {"problem": "q", "solution": "So $\\boxed{7}$.", "level": "Level 1"}, "7", (" $\\boxed{7}$", " $\\boxed{8}$", "7}$.", "8}$."), " $\\boxed{"),
    "obqa": ("obqa_train.jsonl", {"question_stem": "q", "choices": CHOICES, "answerKey": "B"}, "B", (" The answer is (B).", " The answer is A.", " B.", " A."), " The answer is"),
    "csqa": ("csqa_train.jsonl", {"question": "q", "choices": CHOICES, "answerKey": "B"}, "B", (" The answer is (B).", " The answer is A.", " B.", " A."), " The answer is"),
    "piqa": ("piqa_train.jsonl", {"goal": "q", "sol1": "ant", "sol2": "bee", "label": 1}, "B", (" The answer is (B).", " The answer is A.", " B.", " A."), " The answer is"),
    "siqa": ("siqa_train.jsonl", {"context": "", "question": "q", "answerA": "ant", "answerB": "bee", "answerC": "cat", "label": "2"}, "B", (" The answer is (B).", " The answer is A.", " B.", " A."), " The answer is"),
}  # fmt: skip


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("name", QUESTIONS)
def test_sample_tasks_keep_every_text(
    name: str, direct: bool, tasks: TaskManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, row, gold, texts, start = QUESTIONS[name]
    write_jsonl(tmp_path / file, [row])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    right, wrong = texts[2:] if direct else texts[:2]
    model = Sampling(lambda number: (right, wrong, "", wrong, wrong)[number] + " " * number)
    task = f"cotmask_sample_{name}{'_direct' if direct else ''}"
    results = evaluate(model, task, tasks)
    assert len(model.requests) == PER_ROUND
    [(prompt, generation)] = {(request.args[0], json.dumps(request.args[1])) for request in model.requests}
    assert prompt.endswith(f"### Response:{start if direct else ''}")
    assert json.loads(generation) == {"do_sample": True, "temperature": 0.7, "top_k": 50, "top_p": 1.0, "max_gen_toks": 512, "until": []}  # fmt: skip
    metrics = values(results, task)
    assert (metrics["exact_match"], metrics["solved"], metrics["invalid"]) == (1 / 5, 1.0, 1 / 5)
    [sample] = results["samples"][task]
    assert (
        sample["resps"]
        == sample["filtered_resps"]
        == [[(right, wrong, "", wrong, wrong)[n] + " " * n for n in range(5)]]
    )
    assert sample["doc"]["answer"] == gold
    assert sample["doc"].get("answer_start", "") == (start if direct else "")


def test_the_chat_task_asks_the_bare_question(
    tasks: TaskManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "gsm8k_train.jsonl", [{"question": "q", "answer": "#### 7"}])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    model = Sampling(lambda number: f"{number}\n#### 7")
    evaluate(model, "cotmask_sample_gsm8k_chat", tasks)
    assert {request.args[0] for request in model.requests} == {"q"}


def test_after_a_prompt_of_another_form_no_space_is_put(tmp_path: Path) -> None:
    """Such as a chat template's: the targets of `gsm8k_chat` begin at once."""
    resps = [["Three and four are seven.\n#### 7", "#### 8"]]
    file, made = write_jsonl(tmp_path / "s.jsonl", [SAMPLE | {"resps": resps}]), tmp_path / "made.jsonl"
    run("pairs", file, "--rule", "answer", "--test", "none", "--gsm-ic", "none", "-o", made)
    assert list(read_jsonl(made)) == [{"prompt": "a prompt", "chosen": resps[0][0], "rejected": resps[0][1]}]


def test_what_lm_eval_writes_is_what_is_read(axolotl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the files of its command line; the scripted model writes the same text each time, as greedy ones do."""
    rows = [{"question": f"q{n}", "answer": f"So {n}.\n#### {n}"} for n in range(2)]
    write_jsonl(tmp_path / "gsm8k_train.jsonl", rows)
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    generations = tmp_path / "generations.json"
    texts = {alpaca_prompt(row["question"]): f" It is {n}.\n#### {n}" for n, row in enumerate(rows)}
    generations.write_text(json.dumps(texts), encoding="utf-8")
    axolotl.lm_eval(
        "run", "--model", "scripted", "--model_args", f"generations={generations}", "--include_path", EVALTASKS,
        "--tasks", "cotmask_sample_gsm8k", "--log_samples", "--output_path", tmp_path / "out",
    ).check()  # fmt: skip
    made = tmp_path / "made.jsonl"
    assert "are the same text, for each of 2 questions" in sentence(
        "rft", tmp_path / "out", "--test", "none", "-o", made
    )
    [samples] = (tmp_path / "out").rglob("samples_*.jsonl")
    changed = list(read_jsonl(samples))
    changed[0]["resps"][0][1] = " #### 9"
    write_jsonl(samples, changed)
    report = json.loads(run("rft", tmp_path / "out", "--test", "none", "-o", made, "--json"))
    assert (report["questions"], report["samples"], report["kept"], report["gold"]) == (2, 10, 2, 0)
    # What a round that was killed has left does not count.
    (tmp_path / "out" / ".round-002.x").mkdir()
    write_jsonl(tmp_path / "out" / ".round-002.x" / samples.name, [{"broken": True}])
    assert json.loads(run("rft", tmp_path / "out", "--test", "none", "-o", made, "--json")) == report
