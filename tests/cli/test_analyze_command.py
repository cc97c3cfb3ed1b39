"""`axolotl cotmask analyze`: tables, JSON, figures, and mistakes that end in one sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.lm_eval_runs import write_results
from support.project import Rows, write_jsonl

from axolotl_cotmask.cli import cotmask


def analyze(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cotmask, ["analyze", *map(str, arguments)])


def cells(line: str) -> list[str]:
    """The cells of a table's row, as it is printed into a pipe."""
    return re.split("  +", line.strip())


def sentence(result: Result) -> str:
    assert result.exit_code == 1, result.output
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line.removeprefix("Error: ")


@pytest.fixture
def data(gsm8k_rows: Rows, tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "rows.jsonl", gsm8k_rows[:3])


def test_the_group_names_its_commands() -> None:
    output = analyze("--help").output
    assert all(name in output for name in ("dependency", "length", "samples", "corrupted-step"))


@pytest.mark.slow
def test_dependency_for_scripts(tiny_model: Path, data: Path, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    command = [str(Path(sys.executable).with_name("axolotl-cotmask")), "analyze", "dependency", f"A={tiny_model}"]
    options = [f"B={tiny_model}", "--data", str(data), "--rows", "2", "--json", "--plot", str(figure)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, env={**os.environ})
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert list(found) == ["A", "B"]
    assert found["A"] == found["B"]
    assert found["A"]["rows"] == 2
    assert len(found["A"]["cells"]) == 12
    assert (
        found["A"]["totals"][1]["pairs"] == sum(c["pairs"] for c in found["A"]["cells"] if c["source"] == "chain") > 9
    )
    assert "100%" in done.stderr, "progress is shown"
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("math", {"problem": "What is 2 + 3?", "solution": r"2 + 3 = 5, so $\boxed{5}$"}),
        ("metamath", {"query": "What is 2 + 3?\nThink of 7.", "response": "2 + 3 = 5\nThe answer is: 5"}),
        ("mathinstruct", {"instruction": "What is 2 + 3? Let's write a program.", "output": "print(2 + 3)"}),
    ],
)
def test_dependency_takes_the_papers_other_forms(tiny_model: Path, tmp_path: Path, form: str, row: Any) -> None:
    rows = write_jsonl(tmp_path / "rows.jsonl", [row])
    run = analyze("dependency", f"A={tiny_model}", "--data", rows, "--format", form, "--json")
    assert run.exit_code == 0, run.output
    totals = {total["source"]: total["pairs"] for total in json.loads(run.stdout)["A"]["totals"]}
    assert totals["question"] >= 2, "the 2 and the 3, each with a number of the target"


def test_dependency_table(tiny_model: Path, data: Path) -> None:
    output = analyze("dependency", f"SFT={tiny_model}", "--data", data).stdout
    found = json.loads(analyze("dependency", f"SFT={tiny_model}", "--data", data, "--json").stdout)["SFT"]
    for cell in (*found["cells"], *found["totals"]):
        distances = "1+" if cell["high"] is None and cell["low"] == 1 else f"{cell['low']}-{cell['high']}"
        expected = "-" if cell["share"] is None else f"{100 * cell['share']['value']:.1f} ["
        rows = [cells(line) for line in output.splitlines() if line.startswith(f"{cell['source']} ")]
        name = {"1+": "all", "65-None": "65+"}.get(distances, distances)
        [row] = [row for row in rows if row[1] == name]
        assert row[2] == f"{cell['pairs']:,}"
        assert row[3].startswith(expected)
    assert f"SFT: 3 rows, {found['replaced']} numbers replaced" in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["model"], "model: no label for the model: give LABEL=MODEL, e.g. SFT=model"),
        (["A=x", "A=y"], "the label A stands for two of them: give each its own label"),
        (["A=x", "--format", "query_response"], "--format query_response is not the format of GSM8K: name the rows"),
        (["A=x", "--plot", "figure.pdf"], "--plot figure.pdf: the figure is a PNG"),
        (
            ["A=x", "--plot", "nowhere/figure.png"],
            "nowhere/figure.png: there is no directory nowhere: create it, or name another place",
        ),
    ],
)
def test_dependency_mistakes(arguments: list[str], expected: str) -> None:
    assert sentence(analyze("dependency", *arguments)).startswith(expected)


def test_dependency_of_wrong_rows(tiny_model: Path, data: Path, tmp_path: Path) -> None:
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    assert (
        sentence(analyze("dependency", "A=x", "--data", empty))
        == f"{empty} holds no rows: give a file with at least one"
    )
    wrong = analyze("dependency", f"A={tiny_model}", "--data", data, "--format", "query_response")
    assert sentence(wrong).startswith(f"{data}, row 1: the field 'query' is missing")


def test_length_table_json_and_figure(tiny_model: Path, tmp_path: Path) -> None:
    answers = ["1", "12", "123", "1234"]
    first = write_results(tmp_path / "a", answers, [1.0, 0.0, 1.0, 1.0], pretrained=str(tiny_model))
    second = write_results(tmp_path / "b", answers, [0.0, 0.0, 0.0, 1.0])
    figure = tmp_path / "figure.png"
    arguments = ["length", f"SFT={first}", f"MFT={second}", "--buckets", "2"]
    [short, long] = json.loads(analyze(*arguments, "--json", "--plot", figure).stdout)
    # Each digit is a token of the tiny model's tokenizer.
    assert (short["low"], short["high"], long["low"], long["high"]) == (1, 2, 3, 4)
    assert [bucket["accuracy"]["SFT"]["value"] for bucket in (short, long)] == [0.5, 1.0]
    assert [bucket["accuracy"]["MFT"]["value"] for bucket in (short, long)] == [0.0, 0.5]
    assert figure.read_bytes().startswith(b"\x89PNG")
    row = next(cells(line) for line in analyze(*arguments).stdout.splitlines() if "3–4" in line)
    assert [cell.partition(" [")[0] for cell in row] == ["3–4", "2", "100.0", "50.0"]


def test_a_label_may_be_that_of_another_column(tiny_model: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "a", ["1"], [1.0], pretrained=str(tiny_model))
    heading = analyze("length", f"questions={results}").stdout.splitlines()[1]
    assert cells(heading) == ["answer length, tokens", "questions", "questions"]


def test_length_needs_a_tokenizer(tiny_model: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "a", ["1"], [1.0])
    assert sentence(analyze("length", f"A={results}")) == (
        f"{results}: the results do not say which model was scored: name its --tokenizer"
    )
    assert analyze("length", f"A={results}", "--tokenizer", tiny_model).exit_code == 0
    missing = sentence(analyze("length", f"A={results}", "--tokenizer", tmp_path / "nowhere"))
    assert missing.startswith(f"{tmp_path / 'nowhere'}: its tokenizer cannot be loaded (")


def test_samples_of_no_checkpoints(tmp_path: Path) -> None:
    assert "save_strategy: epoch and a save_total_limit" in sentence(analyze("samples", f"A={tmp_path}"))
