"""The short commands of the pages, run as they stand there, in a directory with what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.lm_eval_runs import DATE, write_results
from support.pages import PAGES, ROOT, commands
from support.project import Project, Rows, write_jsonl

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.files import read_jsonl

#: Of our commands those that are not run here, each with where it is.
LONG = {
    "base-model": "tests/training/test_real_model.py builds it",
    "ask": "needs a teacher: tests/augmentation/test_teacher_loop.py has one",
    "sample": "tests/augmentation/test_sampling.py samples a model",
}
SAMPLES = f"samples_cotmask_sample_gsm8k_{DATE}.jsonl"
QUESTION, GOLD = "Ben has 3 apples and gets 4. How many has he?", "Ben has 3 + 4 = <<3+4=7>>7 apples.\n#### 7"


def config(project: Project, rows: Rows) -> None:
    project.config()


def scores(name: str, *rights: float) -> Callable[[Project, Rows], None]:
    def write(project: Project, rows: Rows) -> None:
        (project.directory / name).parent.mkdir(parents=True, exist_ok=True)
        write_results(project.directory / name, [f"#### {i}" for i in range(len(rights))], list(rights))

    return write


def lines(name: str, *rows: dict[str, Any]) -> Callable[[Project, Rows], None]:
    def write(project: Project, _: Rows) -> None:
        (project.directory / name).parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(project.directory / name, list(rows))

    return write


def data_sets(project: Project, rows: Rows) -> None:
    """Write what is read by COTMASK_DATA_DIR."""
    write_jsonl(project.directory / "gsm8k_train.jsonl", rows)
    test: dict[str, Any] = {"question": "What is 1 + 1?", "answer": "1 + 1 = 2\n#### 2"}
    write_jsonl(project.directory / "gsm8k_test.jsonl", [test])
    added = "It is 9 o'clock."
    irrelevant: dict[str, Any] = {
        "original_question": test["question"],
        "new_question": f"{added} {test['question']}",
        "answer": "2",
    }
    irrelevant |= {"n_steps": 2, "irrelevant_sentence": added}
    for name in ("2step", "mstep"):
        write_jsonl(project.directory / f"gsm_ic_{name}_1k.jsonl", [irrelevant])


def seeds(project: Project, rows: Rows) -> None:
    (project.directory / "seeds").mkdir()
    write_jsonl(project.directory / "seeds" / "gsm8k_train.jsonl", rows[:2])


def graded(project: Project, rows: Rows) -> None:
    """Write the samples of a task that has the metric ``solved``."""
    (project.directory / "outputs" / "llm2llm").mkdir(parents=True)
    directory = write_results(project.directory / "outputs" / "llm2llm" / "scores-N", [rows[0]["answer"]], [0.0])
    (file,) = directory.glob("samples_*.jsonl")
    write_jsonl(file, [row | {"solved": row["exact_match"], "resps": [["#### 1"]]} for row in read_jsonl(file)])


#: What a command reads, by how it is named there, and what makes it.
READ: dict[str, Callable[[Project, Rows], None]] = {
    "config.yaml": config,
    "scores-of-sft": scores("scores-of-sft", 1, 0, 0),
    "scores-of-mft": scores("scores-of-mft", 1, 1, 0),
    "scores": scores("scores", 1, 1, 0),
    "scores/sft-matched": scores("scores/sft-matched", 1, 0, 0),
    "scores/mft": scores("scores/mft", 1, 1, 0),
    "generations.jsonl": lines("generations.jsonl", {"answer": "so 7", "gold": "7"}),
    "outputs/samples": lines(
        f"outputs/samples/{SAMPLES}",
        {
            "doc_id": 0,
            "doc": {"question": QUESTION, "answer": GOLD, "answer_rule": "gsm8k_hash"},
            "arguments": {"gen_args_0": {"arg_0": "a prompt", "arg_1": {"do_sample": True, "temperature": 0.7}}},
            "resps": [["4 + 3 = <<4+3=7>>7\n#### 7", "#### 8"]],
            "filter": "none",
        },
    ),
    "answers.jsonl": lines("answers.jsonl", {"question": QUESTION, "gold": GOLD, "answer_rule": "gsm8k_hash", "answer": GOLD, "key": "1"}),
    "outputs/llm2llm/scores-N": graded,
    "new-N.jsonl": lines("new-N.jsonl", {"answer": f"Question: {QUESTION}\nAnswer: {GOLD}", "key": "1"}),
    "new-*.jsonl": lines("new-1.jsonl", {"answer": f"Question: {QUESTION}\nAnswer: {GOLD}", "key": "1"}),
    "solved-*.jsonl": lines("solved-1.jsonl", *({"question": QUESTION, "answer": GOLD, "key": str(n)} for n in range(2))),
    "seeds/gsm8k_train.jsonl": seeds,
}  # fmt: skip


def short_commands() -> Iterator[tuple[str, list[str]]]:
    seen = set()
    # The page of the example is run as a whole: test_example.py.
    for page in (page for page in PAGES if page.parent.name != "examples"):
        for program, *words in commands(page):
            if program == "nox" and "--plan" in words:
                words = ["repro", *words[words.index("--") + 1 :]]
            elif words[:1] == ["cotmask"]:
                words = words[1:]
            elif program != "axolotl-cotmask":
                continue
            line = " ".join(words)
            if not set(words[:2]) & set(LONG) and line not in seen:
                seen.add(line)
                yield str(page.relative_to(ROOT)), words


def test_there_are_commands_to_run() -> None:
    pages = {page for page, _ in short_commands()}
    assert pages >= {"README.md", "docs/score.md", "docs/augmentation.md", "docs/reproduce.md", "docs/use.md"}


@pytest.mark.parametrize(("page", "words"), short_commands(), ids=lambda value: value if isinstance(value, str) else " ".join(value[:4]))  # fmt: skip
def test_a_short_command_runs(
    page: str, words: list[str], project: Project, gsm8k_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.directory)
    monkeypatch.setenv("COTMASK_DATA_DIR", str(project.directory))
    data_sets(project, gsm8k_rows)
    for word in words:
        if word in READ:
            READ[word](project, gsm8k_rows)
    if "-o" in words:
        Path(words[words.index("-o") + 1]).parent.mkdir(parents=True, exist_ok=True)
    expanded = [str(found) for word in words for found in (sorted(Path().glob(word)) if "*" in word else [word])]
    if words[0] in ("check", "preview"):
        # In a process of its own: Axolotl changes the one that loads a config.
        output = project.axolotl("cotmask", *expanded).check().output
    else:
        result = CliRunner().invoke(cotmask, expanded, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        output = result.output
    assert output
    if "-o" in words:
        assert list(read_jsonl(Path(words[words.index("-o") + 1])))
