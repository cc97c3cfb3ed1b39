"""What an answer counts for and which questions belong together, the same in every command that reads answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from support.lm_eval_runs import DATE, TASK, write_results
from support.project import write_jsonl

from axolotl_cotmask.analysis.checkpoints import Checkpoint, EvaluationSettings, accuracy_by_samples, results_directory
from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.cli.score import score
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import RULES, Judgement
from axolotl_cotmask.evaluation.graded import Reading, clusters_of, read_graded, read_graded_task
from axolotl_cotmask.evaluation.results import field_value, read_results
from axolotl_cotmask.evaluation.tasks import check_golds

HASH = RULES["gsm8k_hash"]


def run(*arguments: str | Path) -> Result:
    fields = ["--prediction-field", "output", "--gold-field", "gold"]
    return CliRunner().invoke(score, [*map(str, arguments), *fields])


@pytest.fixture
def generations(tmp_path: Path) -> Path:
    rows = [
        {"output": "#### 1", "gold": "#### 1"},
        {"output": ["#### 1,200"], "gold": "1200"},
        {"output": "#### 3", "gold": ["#### 4"]},
        {"output": "no idea", "gold": 5},
        {"output": "#### 6.0", "gold": [6]},
    ]
    return write_jsonl(tmp_path / "generations.jsonl", rows)


def ratings(path: Path, prediction: str = "output", gold: str = "gold") -> list[Judgement | None]:
    graded = read_graded(path, Reading(rule=HASH, prediction=prediction, gold=gold))
    return [question.rating for question in graded.questions]


def test_counts(generations: Path) -> None:
    right, wrong, invalid = Judgement.TRUE, Judgement.FALSE, Judgement.INVALID
    assert ratings(generations) == [right, right, wrong, invalid, right]


def test_blank_lines_do_not_count_but_keep_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text('{"output": "#### 1", "gold": 1}\n\n{"output": null, "gold": 1}\n', encoding="utf-8")
    with pytest.raises(CoTMaskError, match=r"g\.jsonl, line 3: the field 'output' holds null"):
        ratings(path)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"output": "#### 1"}, "line 2: the field 'gold' is missing (there are: output)"),
        ({"output": [], "gold": 1}, "line 2: the field 'output' holds []: give a string, or a list of exactly one"),
        ({"output": ["a", "b"], "gold": 1}, 'line 2: the field \'output\' holds ["a", "b"]: give a string, or a list'),
        ({"output": [["a", "b"]], "gold": 1}, 'line 2: the field \'output\' holds ["a", "b"]: give a string, or a'),
        ({"output": 1, "gold": 1}, "line 2: the field 'output' holds 1: give a string"),
        ({"output": "a", "gold": True}, "line 2: the field 'gold' holds true: give a string or a number"),
        ({"output": "a", "gold": None}, "line 2: the field 'gold' holds null"),
        ({"output": "a", "gold": "none"}, "line 2: the rule gsm8k_hash reads no answer from the gold 'none'"),
        (["a"], "line 2: holds a list, not a JSON object"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: Any, sentence: str) -> None:
    path = write_jsonl(tmp_path / "broken.jsonl", [{"output": "#### 1", "gold": 1}, row])
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
    assert result.stderr.strip() == f"Error: {path} holds no rows: give a file with one answer per line"


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


def test_a_robust_rule_sees_the_question_of_the_row(tmp_path: Path) -> None:
    text, asked = "So Tom has 5 apples left and Ann has 3.", "How many apples does Tom have left?"
    rows = [
        {"output": text, "gold": 5, "question": asked},
        {"output": text, "gold": 3, "problem": [asked]},
        {"output": text, "gold": 5},
        {"output": text, "gold": 5, "question": None},
        {"output": text, "gold": 5, "doc_id": 1, "doc": {"question": asked}},
    ]
    expected = [Judgement.TRUE, Judgement.FALSE, Judgement.INVALID, Judgement.INVALID, Judgement.TRUE]
    for number, (row, rating) in enumerate(zip(rows, expected, strict=True)):
        path = write_jsonl(tmp_path / f"{number}.jsonl", [row])
        graded = read_graded(path, Reading(rule=RULES["robust_number"], prediction="output", gold="gold"))
        assert [question.rating for question in graded.questions] == [rating]


def test_check_golds_names_the_row() -> None:
    check_golds(["#### 1", 2, "3"], HASH, "some_set")
    with pytest.raises(CoTMaskError, match=r"^some_set, row 2: the rule gsm8k_hash reads no answer"):
        check_golds(["1", "x"], HASH, "some_set")


def test_recorded_generations(real_data: Path) -> None:
    path = real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"
    counted = ratings(path, "kd_data", "target")
    assert (len(counted), counted.count(Judgement.TRUE), counted.count(Judgement.INVALID)) == (1319, 496, 23)


def both_commands(file: Path, prediction: str = "output") -> tuple[Result, Result]:
    """What `score` and `compare --rule` make of a file."""
    fields = ["--rule", "gsm8k_hash", "--prediction-field", prediction, "--gold-field", "gold", "--json"]
    scored = CliRunner().invoke(cotmask, ["score", str(file), *fields])
    return scored, CliRunner().invoke(cotmask, ["compare", str(file), str(file), *fields])


@pytest.mark.parametrize("generation", ["#### 0", ["#### 0"], [["#### 0"]], [[["#### 0"]]]])
def test_a_list_of_exactly_one_is_its_element_in_both_commands(tmp_path: Path, generation: Any) -> None:
    rows = [{"question": "q", "output": generation, "gold": gold} for gold in (0, [0], [["#### 0"]], 1)]
    scored, compared = both_commands(write_jsonl(tmp_path / "answers.jsonl", rows))
    assert json.loads(scored.stdout) == {"n": 4, "correct": 3, "invalid": 0, "accuracy": 0.75}
    assert json.loads(compared.stdout)["comparisons"][0]["a"]["value"] == 0.75


@pytest.mark.parametrize("generation", [[], [[]], ["a", "b"], [["a", "b"]], [["a"], ["b"]], None, [None], True, 7, {}])
@pytest.mark.parametrize("field", ["output", "gold"])
def test_any_other_value_is_refused_by_both_commands_in_one_sentence(
    tmp_path: Path, generation: Any, field: str
) -> None:
    if (field, generation) == ("gold", 7):
        generation = [7, 8]
    row = {"question": "q", "output": "#### 1", "gold": 1, field: generation}
    file = write_jsonl(tmp_path / "answers.jsonl", [row])
    scored, compared = both_commands(file)
    assert (scored.exit_code, compared.exit_code) == (1, 1)
    assert scored.stderr == compared.stderr
    assert scored.stderr.startswith(f"Error: {file}, line 1: the field '{field}' holds ")


def test_a_field_may_be_dotted_in_both_commands(tmp_path: Path) -> None:
    rows = [
        {"question": "q", "sft": {"text": ["#### 1"]}, "gold": 1},
        {"question": "r", "sft": [{"text": "#### 1"}], "gold": 2},
    ]
    scored, compared = both_commands(write_jsonl(tmp_path / "answers.jsonl", rows), "sft.text")
    assert json.loads(scored.stdout)["accuracy"] == 0.5
    assert json.loads(compared.stdout)["comparisons"][0]["b"]["value"] == 0.5


def sample(doc_id: int, filter_name: str) -> dict[str, Any]:
    return {"doc_id": doc_id, "doc": {"question": "q"}, "filter": filter_name, "output": ["#### 1"], "gold": 1}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([sample(0, "none"), sample(0, "none")], "a doc_id comes twice: evaluate again, one file per evaluation"),
        (
            [sample(0, "strict-match"), sample(0, "flexible-extract")],
            "the filters are flexible-extract, strict-match: keep the samples of one of them in the file",
        ),
    ],
)
def test_no_question_counts_twice_in_either_command(tmp_path: Path, rows: list[Any], sentence: str) -> None:
    file = write_jsonl(tmp_path / "samples.jsonl", rows)
    scored, compared = both_commands(file)
    assert scored.stderr == compared.stderr == f"Error: {file}: {sentence}\n"


def test_a_field_that_is_named_with_a_dot_comes_before_a_path() -> None:
    assert field_value({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    with pytest.raises(CoTMaskError, match=r"the field 'a\.c' is missing \(there are: a\)"):
        field_value({"a": {"b": 2}}, "a.c")


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=20))
def test_documents_without_a_value_are_clusters_of_their_own(values: list[int | None]) -> None:
    field, clusters = clusters_of([{"seed_question": value} for value in values])
    present = [value for value in values if value is not None]
    assert field == ("seed_question" if present else None)
    assert len(set(clusters)) == len(set(present)) + values.count(None)


@pytest.mark.parametrize("field", ["base_id", "original_question", "seed_question", "row"])
def test_every_command_gives_the_same_interval_of_clusters(tmp_path: Path, tiny_model: Path, field: str) -> None:
    """200 documents in 20 clusters, alike within each: they tell as much as 20 questions."""
    settings = EvaluationSettings(TASK)
    results = results_directory(tmp_path, settings)
    results.parent.mkdir()
    rights = [float(number // 10 % 2) for number in range(200)]
    write_results(results, ["1"] * 200, rights, pretrained=str(tiny_model))
    samples = results / f"samples_{TASK}_{DATE}.jsonl"
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    write_jsonl(samples, [row | {"doc": row["doc"] | {field: row["doc_id"] // 10}} for row in rows])
    answers = samples.rename(tmp_path / "answers.jsonl")
    samples.symlink_to(answers)

    compared = CliRunner().invoke(cotmask, ["compare", str(answers), str(answers), "--json"])
    [comparison] = json.loads(compared.stdout)["comparisons"]
    assert (round(comparison["a"]["low"], 2), round(comparison["a"]["high"], 2)) == (0.30, 0.70)
    assert comparison["a"]["n"] == 20

    by_length = CliRunner().invoke(cotmask, ["analyze", "length", f"A={results}", "--json"])
    [bucket] = json.loads(by_length.stdout)
    assert bucket["accuracy"]["A"] == comparison["a"]
    [point] = accuracy_by_samples({"A": [Checkpoint(tmp_path, 1, 1)]}, settings, print)["A"]
    assert asdict(point.accuracy) == comparison["a"]


def test_the_analyses_refuse_what_would_count_twice(tmp_path: Path) -> None:
    results = write_results(tmp_path / "a", ["1", "2"], [1.0, 0.0])
    samples = results / f"samples_{TASK}_{DATE}.jsonl"
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    [result] = read_results(results, [TASK]).values()
    write_jsonl(samples, [row | {"filter": name} for row in rows for name in ("strict-match", "flexible-extract")])
    with pytest.raises(CoTMaskError, match="the filters are flexible-extract, strict-match: keep the samples of one"):
        read_graded_task(result)
    write_jsonl(samples, rows * 2)
    with pytest.raises(CoTMaskError, match="a doc_id comes twice"):
        read_graded_task(result)

    task = "cotmask_corrupted_step"
    file = write_jsonl(tmp_path / f"samples_{task}_1.jsonl", rows * 2)
    (tmp_path / "results_1.json").write_text(json.dumps({"results": {task: {}}}), encoding="utf-8")
    refusal = CliRunner().invoke(cotmask, ["analyze", "corrupted-step", f"A={tmp_path / 'results_1.json'}"])
    assert refusal.stderr == f"Error: {file}: a doc_id comes twice: evaluate again, one file per evaluation\n"
