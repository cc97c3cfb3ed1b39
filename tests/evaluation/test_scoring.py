"""Scoring a file of generations, and the command that does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axolotl_cotmask.cli.score import score
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.evaluation.scoring import Score, check_golds, score_file

HASH = RULES["gsm8k_hash"]


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    fields = ["--prediction-field", "output", "--gold-field", "gold"]
    return CliRunner().invoke(score, [*map(str, arguments), *fields])


@pytest.fixture
def generations(tmp_path: Path) -> Path:
    return write(
        tmp_path / "generations.jsonl",
        {"output": "#### 1", "gold": "#### 1"},
        {"output": ["#### 1,200"], "gold": "1200"},
        {"output": "#### 3", "gold": ["#### 4"]},
        {"output": "no idea", "gold": 5},
        {"output": "#### 6.0", "gold": [6]},
    )


def test_counts(generations: Path) -> None:
    result = score_file(generations, HASH, "output", "gold")
    assert result == Score(n=5, correct=3, invalid=1)
    assert result.accuracy == 0.6


def test_blank_lines_do_not_count_but_keep_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text('{"output": "#### 1", "gold": 1}\n\n{"output": null, "gold": 1}\n', encoding="utf-8")
    with pytest.raises(CoTMaskError, match=r"g\.jsonl, line 3: the field 'output' holds null"):
        score_file(path, HASH, "output", "gold")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"output": "#### 1"}, "line 2: the field 'gold' is missing (there are: output)"),
        ({"output": [], "gold": 1}, "line 2: the field 'output' holds a list of 0"),
        ({"output": ["a", "b"], "gold": 1}, "line 2: the field 'output' holds a list of 2"),
        ({"output": [["a"]], "gold": 1}, "line 2: the field 'output' holds [\"a\"]: give a string, or a list of one"),
        ({"output": 1, "gold": 1}, "line 2: the field 'output' holds 1: give a string"),
        ({"output": "a", "gold": True}, "line 2: the field 'gold' holds true: give a string or a number"),
        ({"output": "a", "gold": None}, "line 2: the field 'gold' holds null"),
        ({"output": "a", "gold": "none"}, "line 2: the rule gsm8k_hash reads no answer from the gold 'none'"),
        (["a"], "line 2: holds a list, not a JSON object"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: Any, sentence: str) -> None:
    path = write(tmp_path / "broken.jsonl", {"output": "#### 1", "gold": 1}, row)
    result = run(path, "--rule", "gsm8k_hash")
    assert result.exit_code == 1
    assert f"Error: {path}, {sentence}" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("tail", [b'{"output": "#### 1", "go', b'{"output": "\xff", "gold": 1}'])
def test_a_truncated_or_undecodable_line_is_named(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b'{"output": "#### 1", "gold": 1}\n' + tail)
    result = run(path, "--rule", "gsm8k_hash")
    assert result.exit_code == 1
    assert "cut.jsonl, line 2: not a complete JSON object" in result.stderr


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    result = run(path, "--rule", "gsm8k_hash")
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        f"Error: {path} holds no rows: give a JSON-lines file with one generation per line"
    )


def test_unknown_rule_names_the_rules(generations: Path) -> None:
    result = run(generations, "--rule", "gsm8k")
    assert result.exit_code == 2
    assert "'gsm8k' is not one of 'gsm8k_hash', " in result.stderr


def test_json_output(generations: Path) -> None:
    result = run(generations, "--rule", "gsm8k_hash", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"n": 5, "correct": 3, "invalid": 1, "accuracy": 0.6}


def test_readable_output(generations: Path) -> None:
    result = run(generations, "--rule", "gsm8k_hash")
    assert result.exit_code == 0
    assert result.stdout == ("accuracy 60.00%: 3 of 5 right, 1 without a readable answer (rule gsm8k_hash)\n")


def test_check_golds_names_the_row() -> None:
    check_golds(["#### 1", 2, "3"], HASH, "some_set")
    with pytest.raises(CoTMaskError, match=r"^some_set, row 2: the rule gsm8k_hash reads no answer"):
        check_golds(["1", "x"], HASH, "some_set")


def test_recorded_generations(real_data: Path) -> None:
    path = real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"
    assert score_file(path, HASH, "kd_data", "target") == Score(n=1319, correct=496, invalid=23)
