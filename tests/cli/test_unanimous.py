"""`axolotl cotmask analyze unanimous`: which questions it finds, what it shows of them, and what it refuses."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.lm_eval_runs import write_results
from support.project import write_jsonl

from axolotl_cotmask.cli import cotmask

QUESTIONS = 40


def unanimous(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cotmask, ["analyze", "unanimous", *map(str, arguments)])


def sentence(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def samples(path: Path, right: Sequence[float | None], text: str = "a text", **fields: Any) -> Path:
    """Write lm-eval's samples, in another order than the data."""
    rows = [
        {"doc_id": place, "doc": {"question": f"Question {place}?", "answer": f"It is {place}.\n#### {place}"},
         "filtered_resps": [f" {text} to {place}"], "exact_match": value, **fields}
        for place, value in enumerate(right)
    ]  # fmt: skip
    return write_jsonl(path, rows[::-1])


def groups(directory: Path, runs: Mapping[str, Sequence[Sequence[float | None]]]) -> list[str]:
    return [
        f"{label}={samples(directory / f'{label}-{number}.jsonl', right, f'{label} {number}')}"
        for label, of_label in runs.items()
        for number, right in enumerate(of_label, start=1)
    ]


@pytest.mark.parametrize("sizes", [(3, 3), (1, 1), (2, 4)])
def test_it_finds_what_all_of_one_solve_and_all_of_the_other_fail(sizes: tuple[int, int], tmp_path: Path) -> None:
    rng = random.Random(sum(sizes))
    runs = {
        label: [[float(rng.random() < share) for _ in range(QUESTIONS)] for _ in range(size)]
        for label, share, size in zip(("SFT", "MFT"), (0.3, 0.6), sizes, strict=True)
    }
    found = json.loads(unanimous(*groups(tmp_path, runs), "--json").stdout)
    summed = {label: [sum(right) for right in zip(*of_label, strict=True)] for label, of_label in runs.items()}
    whole = {label: len(of_label) for label, of_label in runs.items()}

    def places(sft: int, mft: int) -> list[int]:
        return [n for n in range(QUESTIONS) if (summed["SFT"][n], summed["MFT"][n]) == (sft, mft)]

    only_mft, only_sft = places(0, whole["MFT"]), places(whole["SFT"], 0)
    assert [case["question"] for case in found["only_second"]] == [f"Question {n}?" for n in only_mft]
    assert [case["question"] for case in found["only_first"]] == [f"Question {n}?" for n in only_sft]
    assert only_mft, "there is something to find"
    assert (found["both"], found["neither"]) == (len(places(whole["SFT"], whole["MFT"])), len(places(0, 0)))
    agreed = len(only_mft) + len(only_sft) + found["both"] + found["neither"]
    assert (found["questions"], found["split"]) == (QUESTIONS, QUESTIONS - agreed)
    case, place = found["only_second"][0], only_mft[0]
    assert case["first"] == [f"SFT {number} to {place}" for number in range(1, whole["SFT"] + 1)]
    assert case["second"] == [f"MFT {number} to {place}" for number in range(1, whole["MFT"] + 1)]
    assert case["reference"] == f"It is {place}.\n#### {place}"


def test_what_is_printed_and_both_pages_have_the_texts(tmp_path: Path) -> None:
    arguments = groups(tmp_path, {"SFT": [[0, 0, 1], [0, 0, 0]], "MFT": [[1, 1, 1], [1, 0, 1]]})
    page, markdown = tmp_path / "page.html", tmp_path / "page.md"
    printed = unanimous(*arguments, "--page", page).stdout
    assert unanimous(*arguments, "--page", markdown).stdout == printed
    texts = ["Question 0?", "SFT 1 to 0", "SFT 2 to 0", "MFT 1 to 0", "MFT 2 to 0"]
    none = "There is no question that all runs of SFT solve and all of MFT fail."
    for shown in (printed, page.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")):
        assert all(text in shown for text in texts)
        assert "Question 1?" not in shown
        assert none in shown
    rows = [line.split() for line in printed.splitlines()[-5:]]
    assert [row[-1] for row in rows] == ["0", "1", "0", "0", "2"]
    html = page.read_text(encoding="utf-8")
    left, right = html.split("<dl>")[1:]
    assert "SFT 1 to 0" in left
    assert "SFT 2 to 0" in left
    assert "MFT" not in left.partition("</dl>")[0]
    assert "MFT 2 to 0" in right
    assert "It is 0.\n#### 0" in html
    assert "Question 0?" not in unanimous(*arguments, "--rows", "0").stdout


def test_texts_cannot_break_page_or_terminal(tmp_path: Path) -> None:
    hostile = "</pre><script>alert(1)</script> ```` \x1b[2J & |"
    paths = [samples(tmp_path / f"{n}.jsonl", [float(n)], hostile) for n in (0, 1)]
    page, markdown = tmp_path / "page.html", tmp_path / "page.md"
    printed = unanimous(f"A={paths[0]}", f"B={paths[1]}", "--page", page).stdout
    unanimous(f"A={paths[0]}", f"B={paths[1]}", "--page", markdown)
    assert "\x1b" not in printed
    assert "<script>" not in page.read_text(encoding="utf-8")
    fences = [line for line in markdown.read_text(encoding="utf-8").splitlines() if line.startswith("````")]
    assert all(fence.startswith("`````") for fence in fences)
    assert len(fences) == 4, "two texts"


def test_halves_of_characters_are_written(tmp_path: Path) -> None:
    paths = [samples(tmp_path / f"{n}.jsonl", [float(n)], "half \ud800 of one") for n in (0, 1)]
    for name in ("page.html", "page.md"):
        result = unanimous(f"A={paths[0]}", f"B={paths[1]}", "--page", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert "half &#55296; of one" in (tmp_path / name).read_text(encoding="utf-8")


def test_results_of_lm_eval_and_files_of_others(tmp_path: Path) -> None:
    sft, mft = (write_results(tmp_path / name, ["1", "2"], right) for name, right in (("a", [0, 0]), ("b", [0, 1])))
    for directory in (sft, mft):
        (file,) = directory.glob("samples_*")
        write_jsonl(file, [json.loads(line) | {"filtered_resps": ["x"]} for line in file.read_text().splitlines()])
    found = json.loads(unanimous(f"SFT={sft}", f"MFT={mft}", "--json").stdout)
    assert [case["question"] for case in found["only_second"]] == ["q1"]
    own = [
        write_jsonl(tmp_path / f"{n}.jsonl", [{"prompt": "p", "ok": ok, "said": {"text": f"t{n}"}}])
        for n, ok in enumerate([False, "invalid", True])
    ]
    options = ["--metric", "ok", "--text-field", "said.text", "--json"]
    (case,) = json.loads(unanimous(f"A={own[0]}", f"A={own[1]}", f"B={own[2]}", *options).stdout)["only_second"]
    assert case == {"question": "p", "reference": "", "first": ["t0", "t1"], "second": ["t2"]}


def test_questions_that_the_metric_leaves_out_are_no_questions(tmp_path: Path) -> None:
    runs = groups(tmp_path, {"SFT": [[0, None]], "MFT": [[1, None]]})
    assert json.loads(unanimous(*runs, "--json").stdout)["questions"] == 1


def test_mistakes_end_in_one_sentence(tmp_path: Path) -> None:
    (a, b), other = groups(tmp_path, {"SFT": [[0.0, 1.0]], "MFT": [[1.0, 1.0]]}), tmp_path / "other.jsonl"
    assert sentence(unanimous(a)).startswith("the runs are those of 1 methods (SFT): give two labels, each as often as")
    assert "3 methods (SFT, MFT, C)" in sentence(unanimous(a, b, f"C={other}"))
    assert sentence(unanimous("SFT", b)).startswith("SFT: no label for the results")
    assert "comes twice, and would count as two runs" in sentence(unanimous(a, a, b))
    assert "comes twice" in sentence(unanimous(a, a.replace("SFT=", "MFT=")))
    samples(other, [1.0])
    assert "this question is not in" in sentence(unanimous(a, f"MFT={other}"))
    write_jsonl(other, [{"doc_id": n, "doc": {"question": "?"}, "exact_match": 1.0} for n in range(2)])
    assert "compare answers to the same questions" in sentence(unanimous(a, f"MFT={other}"))
    assert "name the one with the answer's text by --text-field" in sentence(unanimous(a, b, "--text-field", "none"))
    assert "which is no verdict" in sentence(unanimous(a, b, "--metric", "filtered_resps"))
    samples(other, [None, None])
    nothing = samples(tmp_path / "nothing.jsonl", [None, None])
    assert "the metric is null in every row" in sentence(unanimous(f"SFT={nothing}", f"MFT={other}"))
    assert "ends in .html or .md" in sentence(unanimous(a, b, "--page", "page.pdf"))
    nowhere = tmp_path / "nowhere" / "page.html"
    assert f"there is no directory {nowhere.parent}" in sentence(unanimous(a, b, "--page", nowhere))


def test_of_several_tasks_one_is_named(tmp_path: Path) -> None:
    tasks = ("cotmask_gsm8k", "cotmask_svamp")
    for name, right in (("a", 0.0), ("b", 1.0)):
        (tmp_path / name).mkdir()
        for task in tasks:
            samples(tmp_path / name / f"samples_{task}_2026-01-01T00-00-00.000000.jsonl", [right])
        content = {
            "results": {task: {"exact_match,none": right} for task in tasks},
            "configs": {task: {} for task in tasks}, "config": {"model_args": {}},
        }  # fmt: skip
        (tmp_path / name / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(content))
    arguments = [f"SFT={tmp_path / 'a'}", f"MFT={tmp_path / 'b'}"]
    assert "holds 2 tasks (cotmask_gsm8k, cotmask_svamp): name one with --task" in sentence(unanimous(*arguments))
    found = json.loads(unanimous(*arguments, "--task", "cotmask_svamp", "--json").stdout)
    assert len(found["only_second"]) == 1
