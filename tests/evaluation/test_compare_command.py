"""`axolotl cotmask compare`: what is paired, counted, refused and said, on real generations and lm-eval's files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scipy.stats import binomtest
from support.project import write_jsonl

from axolotl_cotmask.cli.compare import compare

DATE = "2026-01-01T00-00-00.000000"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(compare, [str(argument) for argument in arguments])


def compared(*arguments: str | Path) -> list[dict[str, Any]]:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["comparisons"]


def refused(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    return result.stderr


def sample(doc_id: int, right: float | None, doc: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    doc = doc or {"question": f"What is {doc_id}?", "answer": f"#### {doc_id}"}
    return {"doc_id": doc_id, "doc": doc, "filter": "none", "exact_match": right, **fields}


def samples(rights: Sequence[float]) -> list[dict[str, Any]]:
    return [sample(doc_id, right) for doc_id, right in enumerate(rights)]


def save(directory: Path, dtype: str = "float32", **tasks: list[dict[str, Any]]) -> Path:
    """Write what lm-eval does, with its names and the fields that count."""
    directory.mkdir()
    for task, rows in tasks.items():
        write_jsonl(directory / f"samples_{task}_{DATE}.jsonl", rows)
    content = {
        "results": {task: {f"{name},none": 0 for name in rows[0]} for task, rows in tasks.items()},
        "configs": {task: {"generation_kwargs": {"until": []}, "metadata": {"version": 1.0}} for task in tasks},
        "config": {"model": "hf", "model_args": {"pretrained": directory.name, "dtype": dtype}},
    }
    (directory / f"results_{DATE}.json").write_text(json.dumps(content, indent=2))
    return directory


def test_real_generations_get_scipys_p(real_data: Path) -> None:
    file = real_data / "generations" / "openai_gsm8k_example_solutions.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    for a, b in combinations(models, 2):
        (found,) = compared(file, file, "--metric", f"{a}.is_correct", "--metric", f"{b}.is_correct")
        only_a = sum(row[a]["is_correct"] and not row[b]["is_correct"] for row in rows)
        only_b = sum(row[b]["is_correct"] and not row[a]["is_correct"] for row in rows)
        assert (found["n"], found["only_a"], found["only_b"]) == (1319, only_a, only_b)
        assert found["p"] == pytest.approx(binomtest(only_a, only_a + only_b, 0.5).pvalue, rel=1e-9)
        assert found["a"]["value"] == sum(row[a]["is_correct"] for row in rows) / 1319
        assert found["difference"]["value"] == pytest.approx(found["b"]["value"] - found["a"]["value"])
        assert found["difference"]["low"] < found["difference"]["value"] < found["difference"]["high"]


def test_real_generations_of_two_sources_meet_by_their_questions(real_data: Path) -> None:
    llama = real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"
    openai = real_data / "generations" / "openai_gsm8k_example_solutions.jsonl"
    (found,) = compared(llama, openai, "--metric", "judge", "--metric", "175b_finetuning.is_correct")
    assert (found["n"], found["only_a"], found["only_b"]) == (1319, 200, 162)
    assert found["p"] == pytest.approx(binomtest(162, 362, 0.5).pvalue, rel=1e-9)


def test_the_rule_makes_the_verdicts_that_the_authors_made(real_data: Path) -> None:
    file = real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"
    (read,) = compared(file, file, "--metric", "judge")
    (made,) = compared(file, file, "--rule", "gsm8k_hash", "--prediction-field", "kd_data", "--gold-field", "target")
    assert made == read
    assert (made["only_a"], made["only_b"], made["p"]) == (0, 0, 1.0)


def test_two_generations_of_a_row_are_scored_by_a_rule(tmp_path: Path) -> None:
    rows = [
        {"question": "q1", "gold": 1, "sft": {"text": "#### 1"}, "mft": {"text": [["#### 1"]]}},
        {"question": "q2", "gold": 2, "sft": {"text": "#### 1"}, "mft": {"text": ["#### 2"]}},
        {"question": "q3", "gold": 3, "sft": {"text": "three"}, "mft": {"text": ["#### 4"]}},
    ]
    # JSON lines under the name of a JSON file.
    file = write_jsonl(tmp_path / "generations.json", rows)
    fields = ["--prediction-field", "sft.text", "--prediction-field", "mft.text", "--gold-field", "gold"]
    (found,) = compared(file, file, "--rule", "gsm8k_hash", *fields)
    assert (found["n"], found["only_a"], found["only_b"], found["cluster_field"]) == (3, 0, 1, None)


def test_samples_meet_by_doc_id_whatever_their_order(tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", samples([1.0, 0.0, 1.0, 1.0]))
    b = write_jsonl(tmp_path / "b.jsonl", samples([0.0, 1.0, 1.0, 1.0])[::-1])
    (found,) = compared(a, b)
    assert (found["n"], found["only_a"], found["only_b"], found["p"]) == (4, 1, 1, 1.0)


def test_documents_that_the_metric_leaves_out_and_clusters(tmp_path: Path) -> None:
    def gsm_ic(rights: Sequence[float]) -> list[dict[str, Any]]:
        bases = [None, 0, 0, 0, 1, 1, 1, 2, 2, 2, None]
        documents = [{"new_question": f"q{i}", "base_id": base} for i, base in enumerate(bases)]
        variants = [sample(i, right, doc) for i, (right, doc) in enumerate(zip(rights, documents, strict=True))]
        base_problems = [
            sample(11 + base, None, {"new_question": f"base {base}", "base_id": base}) for base in range(3)
        ]
        return variants + base_problems

    a = write_jsonl(tmp_path / "a.jsonl", gsm_ic([0.0] * 11))
    b = write_jsonl(tmp_path / "b.jsonl", gsm_ic([1.0] * 7 + [0.0] * 4))
    (found,) = compared(a, b)
    assert (found["n"], found["clusters"], found["cluster_field"]) == (11, 5, "base_id")
    assert found["mcnemar_p"] == pytest.approx(2 / 2**7)
    assert found["p"] == pytest.approx(2 / 2**3), "three clusters changed, however many questions are in them"
    output = invoke(a, b).stdout
    assert "clusters, by base_id" in output
    assert "The p that counts is that of the sign flips" in output


def test_the_first_question_that_differs_is_named(tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", samples([1.0, 1.0, 1.0]))
    other = samples([1.0, 1.0, 1.0])
    other[1]["doc"] = {"question": "What is 1?", "answer": "#### 11"}
    other[2]["doc"] = {}
    b = write_jsonl(tmp_path / "b.jsonl", other)
    assert (
        f"{a}, line 2, and {b}, line 2: the field 'answer' of the document is '#### 1' and '#### 11': compare answers "
        "to the same questions"
    ) in refused(a, b)
    longer = write_jsonl(tmp_path / "longer.jsonl", samples([1.0] * 5))
    assert f"{longer}, line 4: this question is not in {a}, which has 3 of 5 questions" in refused(a, longer)
    assert f"{longer}, line 4: this question is not in {a}" in refused(longer, a)


def test_a_difference_late_in_a_long_question_is_shown(tmp_path: Path) -> None:
    def row(number: str) -> dict[str, Any]:
        return {"question": "x" * 500 + f"Ben has {number} apples", "ok": True}

    a, b = (write_jsonl(tmp_path / f"{number}.jsonl", [row(number)]) for number in ("3", "4"))
    sentence = refused(a, b, "--metric", "ok")
    assert "Ben has 3 apples' and '…" in sentence
    assert "Ben has 4 apples'" in sentence


def test_a_question_field_can_be_named(tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", [{"ask": "Why?", "ok": "true"}])
    b = write_jsonl(tmp_path / "b.jsonl", [{"input": {"text": "Why? "}, "ok": "invalid"}])
    assert "no field holds the question (there are: ask, ok): name one with --question-field" in refused(
        a, b, "--metric", "ok"
    )
    fields = ["--question-field", "ask", "--question-field", "input.text"]
    (found,) = compared(a, b, "--metric", "ok", *fields)
    assert (found["n"], found["only_a"], found["difference"]["low"], found["difference"]["high"]) == (1, 1, -1, 1)
    assert "One independent question says nothing about others." in invoke(a, b, "--metric", "ok", *fields).stdout


def test_a_filter_is_named_where_there_are_several(tmp_path: Path) -> None:
    strict, flexible = samples([0.0, 0.0]), samples([1.0, 0.0])
    rows = [{**row, "filter": name} for name, part in (("strict", strict), ("flexible", flexible)) for row in part]
    a = write_jsonl(tmp_path / "a.jsonl", rows)
    sentence = "the filters are flexible, strict: give --metric exact_match,flexible or exact_match,strict"
    assert sentence in refused(a, a)
    rule = ["--rule", "gsm8k_hash", "--prediction-field", "filtered_resps", "--gold-field", "target"]
    assert "the filters are flexible, strict: keep the samples of one of them" in refused(a, a, *rule)
    (found,) = compared(a, a, "--metric", "exact_match,strict", "--metric", "exact_match,flexible")
    assert (found["n"], found["only_b"]) == (2, 1)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "holds no rows: give a file with one answer per line"),
        ([{"question": "q"}], "line 1: the field 'exact_match' is missing (there are: question)"),
        ([{"question": "q", "exact_match": 0.5}], "line 1: the field 'exact_match' holds 0.5, which is no verdict"),
        ([{"question": "q", "exact_match": None}], "line 1: the field 'exact_match' is null: give true or false"),
        ([sample(0, None)], "the metric is null in every row: name another with --metric"),
        ([sample(0, 1.0), sample(0, 1.0)], "a doc_id comes twice"),
        ([sample(0, 1.0), {"question": "q"}], "line 2: unlike line 1, it is no sample of lm-eval: mend the file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, rows: list[dict[str, Any]], sentence: str) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    refusal = refused(file, file)
    assert str(file) in refusal
    assert sentence in refusal


def test_a_metric_that_is_null_on_one_side_only(tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", samples([1.0]))
    b = write_jsonl(tmp_path / "b.jsonl", [sample(0, None)])
    assert f"{a}, line 1, and {b}, line 1: the metric is null in one of them" in refused(a, b)


def test_results_are_compared_in_the_tasks_that_they_share(tmp_path: Path) -> None:
    no_metric = [{"doc_id": 0, "doc": {"question": "q"}, "filter": "none", "follows_question": 1.0}]
    a = save(tmp_path / "a", x=samples([1.0, 0.0]), y=samples([0.0]), only_a=samples([1.0]), other=no_metric)
    b = save(tmp_path / "b", x=samples([1.0, 1.0]), y=samples([0.0]), other=no_metric)
    assert [(found["task"], found["n"], found["only_b"]) for found in compared(a, b)] == [("x", 2, 1), ("y", 1, 0)]
    assert invoke(a, b).stderr == "not compared, for want of a partner or the metric: only_a, other\n"
    assert [found["task"] for found in compared(a, b / f"results_{DATE}.json", "--task", "y")] == ["y"]
    assert [found["task"] for found in compared(a, b / f"samples_x_{DATE}.jsonl")] == ["x"]
    (found,) = compared(a, b, "--task", "other", "--metric", "follows_question")
    assert (found["n"], found["a"]["value"]) == (1, 1.0)


def test_tasks_that_are_not_there(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a", x=samples([1.0]), y=samples([1.0])), save(tmp_path / "b", z=samples([1.0]))
    assert f"{b}: the task x was not scored there (there are: z)" in refused(a, b, "--task", "x")
    assert f"{a} (x, y) and {b} (z) have no task with the metric in common" in refused(a, b)
    (b / f"samples_z_{DATE}.jsonl").unlink()
    assert "task z: there are no samples: evaluate again with --log_samples" in refused(b, b)
    file = write_jsonl(tmp_path / "a.jsonl", samples([1.0]))
    assert "--task x chooses from results" in refused(file, file, "--task", "x")
    (tmp_path / "empty").mkdir()
    assert "no results_*.json in it" in refused(a, tmp_path / "empty")


def test_signatures_are_printed_and_their_differences_warn(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a", x=samples([1.0, 1.0])), save(tmp_path / "b", x=samples([1.0, 1.0]))
    half = save(tmp_path / "half", dtype="bfloat16", x=samples([1.0, 0.0]))
    same = invoke(a, b)
    assert same.stdout.count("ignature of") == 1
    assert "Signature of A and B: task:x|v:1.0|" in same.stdout
    assert "No question flipped, so the interval has no width: other questions may still flip." in same.stdout
    assert same.stderr == ""
    different = invoke(a, half)
    assert "Signature of A: task:x|" in different.stdout
    assert "Signature of B: task:x|" in different.stdout
    assert different.stderr == "warning: x: the evaluations differ in the dtype: float32 in A, bfloat16 in B\n"
    copied = write_jsonl(tmp_path / "copied.jsonl", samples([1.0, 1.0]))
    assert invoke(a, copied).stderr == "warning: x: the settings of B are not known: it has no results\n"
    (found,) = compared(a, half)
    assert found["a_signature"].endswith("|dtype:float32")
    assert found["signature_differences"] == ["the dtype: float32 in A, bfloat16 in B"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--metric", "a", "--metric", "b", "--metric", "c"], "--metric comes 3 times"),
        (["--rule", "gsm8k_hash", "--gold-field", "g"], "--rule and --prediction-field go together"),
        (["--gold-field", "g"], "--rule and --gold-field go together"),
        (
            ["--rule", "gsm8k_hash", "--gold-field", "g", "--prediction-field", "p", "--metric", "m"],
            "--metric reads verdicts, --rule makes them",
        ),
    ],
)
def test_options_that_do_not_fit_together(tmp_path: Path, options: list[str], sentence: str) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", samples([1.0]))
    result = invoke(file, file, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
