"""MAmmoTH's hybrid decoding through lm-eval: both prompts, the programs' execution, and what counts in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from click.testing import CliRunner
from lm_eval.tasks import TaskManager, get_task_dict
from support.forked import Run
from support.hermetic import RealData
from support.lm_eval_runs import values
from support.project import write_jsonl
from support.sandboxes import need, nothing_left
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation.programs import executed, program_in
from axolotl_cotmask.evaluation.sandbox import Isolation, detect_isolation

PROGRAM = "Let's write a program."

# question -> answer, what the program prompt gets, what the other one gets
QUESTIONS = {
    "by program": ("so\n#### 1,200", "\nx = 1000 + 200\nprint(x)\n### Instruction: print(3)", "The answer is 7"),
    "by chain": ("#### 2", "print(1 / 0)", "1 + 1 is 2. The answer is 2"),
    "a text all the same": ("#### 3", "The answer is 3", "The answer is 4"),
    "a program at the second": ("#### 4", "I cannot", "print('The sum is', 4)"),
    "by none": ("#### 5", "while True: print(", "I cannot"),
    "wrong": ("#### 6", "print(66)", "The answer is 6"),
    "in bold": ("#### 8", "print()", "which makes **$8** of the 9"),
}


def generations() -> dict[str, str]:
    texts: dict[str, str] = {}
    for question, (_, program, chain) in QUESTIONS.items():
        texts[alpaca_prompt(f"{question} {PROGRAM}")] = program
        texts[alpaca_prompt(question)] = chain
    return texts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "axolotl-cotmask" / "programs"


@pytest.fixture
def gsm8k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [{"question": f" {question}\n", "answer": answer} for question, (answer, _, _) in QUESTIONS.items()]
    write_jsonl(tmp_path / "gsm8k_test.jsonl", rows)
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    return tmp_path


def evaluate(task: str, tasks: TaskManager, model: ScriptedLM | None = None, **options: Any) -> dict[str, Any]:
    return lm_eval.evaluate(
        model or ScriptedLM(generations()), get_task_dict([task], tasks), confirm_run_unsafe_code=True, **options
    )


def test_programs_are_run_and_the_chain_counts_where_they_gave_no_answer(gsm8k: Path, tasks: TaskManager) -> None:
    model = ScriptedLM(generations())
    results = evaluate("cotmask_mammoth_gsm8k", tasks, model)
    assert values(results, "cotmask_mammoth_gsm8k") == {
        "exact_match": pytest.approx(4 / 7),  # by program, by chain, a text all the same, a program at the second
        "robust_match": pytest.approx(5 / 7),  # and in bold
        "invalid": pytest.approx(1 / 7),
        "program_answered": pytest.approx(3 / 7),
    }
    first, second = model.requests[:2]
    assert first.args == (
        alpaca_prompt(f"by program {PROGRAM}"),
        {
            "do_sample": False,
            "max_gen_toks": 1500,
            "until": [
                *("USER:", "USER", "ASSISTANT:", "ASSISTANT"),
                *("### Instruction:", "### Instruction", "Response:", "Response"),
            ],
        },
    )
    assert second.args[0] == alpaca_prompt("by program")


def test_what_was_generated_and_what_was_read_stand_in_the_samples(gsm8k: Path, tasks: TaskManager) -> None:
    samples = evaluate("cotmask_mammoth_gsm8k", tasks)["samples"]["cotmask_mammoth_gsm8k"]
    by_question = {sample["doc"]["question"]: sample for sample in samples}
    sample = by_question["by program"]
    assert sample["resps"] == [["\nx = 1000 + 200\nprint(x)\n### Instruction: print(3)"], ["The answer is 7"]]
    assert sample["filtered_resps"] == ["The answer is 1200", "The answer is 7"]
    assert (sample["exact_match"], sample["program_answered"]) == (1.0, 1.0)
    assert by_question["a program at the second"]["filtered_resps"] == ["I cannot", "The answer is The sum is 4"]
    assert by_question["by chain"]["filtered_resps"] == ["The answer is ", "1 + 1 is 2. The answer is 2"]


def test_nothing_runs_without_consent(gsm8k: Path, tasks: TaskManager, cache: Path) -> None:
    with pytest.raises(ValueError, match="confirm_run_unsafe_code"):
        lm_eval.evaluate(ScriptedLM(generations()), get_task_dict(["cotmask_mammoth_gsm8k"], tasks))
    assert not cache.exists()


def test_a_chat_template_is_refused(gsm8k: Path, tasks: TaskManager) -> None:
    with pytest.raises(SystemExit, match="cotmask_mammoth_gsm8k asks with the prompt of MAmmoTH's training rows"):
        evaluate("cotmask_mammoth_gsm8k", tasks, system_instruction="Be brief.")


def test_generation_here_and_execution_there(
    gsm8k: Path, tasks: TaskManager, tmp_path: Path, cache: Path, scripted: Callable[..., Run]
) -> None:
    file = tmp_path / "generations.json"
    file.write_text(json.dumps(generations()), encoding="utf-8")
    scripted(
        *("--model_args", f"generations={file}", "--tasks", "cotmask_mammoth_gsm8k_generate"),
        *("--log_samples", "--output_path", tmp_path / "results"),
    ).check()
    assert not cache.exists(), "nothing was run"
    (samples,) = tmp_path.glob("results/*/samples_cotmask_mammoth_gsm8k_generate_*.jsonl")
    output = tmp_path / "executed.jsonl"
    command = ["execute", str(samples), str(output), "--rule", "mammoth_number"]

    refused = CliRunner().invoke(cotmask, command)
    assert refused.exit_code == 1
    assert "add --confirm_run_unsafe_code" in refused.stderr
    assert not output.exists()

    done = CliRunner().invoke(cotmask, [*command, "--confirm_run_unsafe_code"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert rows[0]["prediction"] == "The answer is 1200"
    assert {row["isolation"] for row in rows} == {str(detect_isolation())}
    fields = ["--rule", "mammoth_number", "--prediction-field", "prediction", "--gold-field", "target", "--json"]
    scored = json.loads(CliRunner().invoke(cotmask, ["score", str(output), *fields]).stdout)
    here = values(evaluate("cotmask_mammoth_gsm8k", tasks), "cotmask_mammoth_gsm8k")
    assert scored["accuracy"] == here["exact_match"]
    assert scored["invalid"] / scored["n"] == here["invalid"]


#: Each is the answer to a program prompt, and counts as no answer; the chain of thought is asked then.
HOSTILE = {
    "deep": "for _ in range(1100): os.mkdir('d'); os.chdir('d')\nraise ValueError(print(1))",
    "gone": "import shutil; here = os.getcwd(); os.chdir('/'); shutil.rmtree(here, True)\nraise ValueError(print(1))",
    "starves": "import resource\ntry:\n    for kind in range(16): resource.prlimit(os.getppid(), kind, (0, 0))\n"
    "except OSError: pass\nraise ValueError(print(1))",
    "signals": "try: os.kill(os.getppid(), 9)\nfinally: raise ValueError(print(1))",
    "feeds": "try: open(f'/proc/{os.getppid()}/fd/0', 'w').write('x')\nfinally: raise ValueError(print(1))",
    "escapes": "print('\\x1b[J\\x00\\u202e')",
    "no utf-8": "os.write(1, b'\\xff\\xfe'); print('')",
    "half a character": "print('\ud800')",
    "a claim": "import sys; print(1); sys.exit('bwrap: cannot be run')",
    "closed": "print(); os.closerange(0, 100)",
    "much": "while True: print('x' * 10 ** 6)",
    "nothing": "print('\\0' * 99999)",
}
#: What is read as an answer, or not, in no time.
ODD_NUMBERS = (
    "'9' * 99_999",
    "'9**9**9**9'",
    "'1e999999999'",
    "'1/0'",
    r"'\\frac{1}{0}'",
    "float('nan')",
    "'-' * 9999 + '1'",
    "'٣', '½'",
)


@pytest.fixture(params=list(Isolation))
def detected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Isolation]:
    """The level that is detected: each that works here."""
    level = need(request.param)
    if level is Isolation.PROCESS:
        # As where there is no bubblewrap.
        monkeypatch.setenv("PATH", "")
    detect_isolation.cache_clear()
    yield level
    detect_isolation.cache_clear()


@pytest.mark.slow
def test_no_program_ends_the_evaluation(
    tasks: TaskManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detected: Isolation
) -> None:
    answers = HOSTILE | {number: f"print({number})" for number in ODD_NUMBERS}
    write_jsonl(tmp_path / "gsm8k_test.jsonl", [{"question": name, "answer": "#### 7"} for name in answers])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    texts = {alpaca_prompt(name): "The answer is 7" for name in answers}
    model = ScriptedLM(texts | {alpaca_prompt(f"{name} {PROGRAM}"): answers[name] for name in answers})
    with nothing_left(tmp_path / "temporary", monkeypatch):
        results = evaluate("cotmask_mammoth_gsm8k", tasks, model)
    samples = results["samples"]["cotmask_mammoth_gsm8k"]
    assert {
        s["doc"]["question"]: s["exact_match"] for s in samples if s["doc"]["question"] in HOSTILE
    } == dict.fromkeys(HOSTILE, 1.0)
    assert len(samples) == len(answers)

    # The other way, with the same generations and without what was kept.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    write_jsonl(
        tmp_path / "samples.jsonl", [{"resps": [[answers[name]], [texts[alpaca_prompt(name)]]]} for name in answers]
    )
    output = tmp_path / "executed.jsonl"
    command = [
        "execute",
        str(tmp_path / "samples.jsonl"),
        str(output),
        "--rule",
        "mammoth_number",
        "--confirm_run_unsafe_code",
    ]
    done = CliRunner().invoke(cotmask, command)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {row["isolation"] for row in rows} == {str(detected)}
    assert [row["prediction"] for row in rows[: len(HOSTILE)]] == ["The answer is 7"] * len(HOSTILE)


def test_other_samples_cannot_be_executed(tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    write_jsonl(samples, [{"resps": [["a"], ["b"]]}, {"resps": [["a"]]}])
    command = ["execute", str(samples), str(tmp_path / "o"), "--rule", "mammoth_number", "--confirm_run_unsafe_code"]
    result = CliRunner().invoke(cotmask, command)
    assert result.exit_code == 1
    assert "samples.jsonl, line 2: resps does not hold the answers to two prompts" in result.stderr


@pytest.mark.parametrize(
    ("generation", "answer"),
    [
        ("print(math.sqrt(9))", "The answer is 3.0"),
        ("\nimport math\n\ndef f(n):\n    return 1 if n == 0 else n * f(n - 1)\n\nprint(f(5))\n", "The answer is 120"),
        ("print(1)\nprint(2)", "The answer is 1\n2"),
        ("return print(7)", "The answer is 7"),
        ("print(1)\nraise ValueError", "The answer is "),
        ("print(1)\nwhile True: pass", "The answer is "),
        ("from math import *\nprint(sqrt(9))", "The answer is "),
        ("no program", "no program"),
    ],
)
def test_programs_are_run_as_the_scripts_run_them(generation: str, answer: str) -> None:
    assert executed([generation], detect_isolation()) == [answer]


def test_a_text_is_no_program() -> None:
    assert program_in("The answer is 5") is None


def test_math_by_level(real_data: RealData, tasks: TaskManager, monkeypatch: pytest.MonkeyPatch) -> None:
    real_data.needs("math500.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))

    class Gold(ScriptedLM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return ["no" if PROGRAM in r.args[0] else f"The answer is {r.doc['answer']}" for r in requests]

    found = values(evaluate("cotmask_mammoth_math500", tasks, Gold({}), limit=40), "cotmask_mammoth_math500")
    assert found["exact_match"] == found["robust_match"] == found["exact_match_level_3"] == 1.0
    assert found["program_answered"] == 0.0


def test_the_signature_says_how_far_programs_were_kept_apart(
    gsm8k: Path, tmp_path: Path, scripted: Callable[..., Run]
) -> None:
    file = tmp_path / "generations.json"
    file.write_text(json.dumps(generations()), encoding="utf-8")
    scripted(
        *("--model_args", f"generations={file}", "--tasks", "cotmask_mammoth_gsm8k", "--confirm_run_unsafe_code"),
        *("--log_samples", "--output_path", tmp_path / "results"),
    ).check()
    line = CliRunner().invoke(cotmask, ["signature", str(tmp_path / "results")]).stdout
    assert f"|sandbox:{detect_isolation()}" in line
