"""Reading what lm-eval wrote, from files with its names and fields (`test_evaltasks` makes real ones)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.project import write_jsonl

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.results import find_tasks, logged_samples, read_results, read_samples

OLD, NEW = "2026-01-01T00-00-00.000000", "2026-01-02T00-00-00.000000"


def save(directory: Path, date: str, **metrics: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"results_{date}.json"
    results = {"cotmask_gsm8k": {f"{name},none": value for name, value in metrics.items()} | {"alias": "x"}}
    path.write_text(json.dumps({"results": results, "config": {"model_args": {"pretrained": "outputs/x"}}}))
    return path


def test_metrics_samples_and_model_are_read(tmp_path: Path) -> None:
    save(tmp_path / "a", NEW, exact_match=0.5, exact_match_stderr="N/A", macro=None)
    sample = {"doc_id": 0, "doc": {"answer": "#### 1"}, "exact_match": 1.0}
    (tmp_path / "a" / f"samples_cotmask_gsm8k_{NEW}.jsonl").write_text(json.dumps(sample) + "\n")
    results = read_results(tmp_path, ["cotmask_gsm8k", "cotmask_gsm_ic"])
    assert list(results) == ["cotmask_gsm8k"]
    assert results["cotmask_gsm8k"].metrics == {"exact_match": 0.5}
    assert [row.fields for row in read_samples(results["cotmask_gsm8k"].samples_file())] == [sample]
    assert logged_samples(results["cotmask_gsm8k"]) == [sample]
    assert results["cotmask_gsm8k"].pretrained == "outputs/x"


def test_the_newest_result_of_a_task_counts(tmp_path: Path) -> None:
    # The older file stands in a directory that sorts last.
    save(tmp_path / "z", OLD, exact_match=0.1)
    newest = save(tmp_path / "a", NEW, exact_match=0.9)
    assert read_results(tmp_path, ["cotmask_gsm8k"])["cotmask_gsm8k"].metrics == {"exact_match": 0.9}
    assert read_results(newest, ["cotmask_gsm8k"]) == read_results(tmp_path, ["cotmask_gsm8k"])


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match=r"no results_\*\.json in it: give lm_eval this directory as --output_path"):
        read_results(tmp_path, ["cotmask_gsm8k"])
    path = save(tmp_path, OLD, exact_match=0.1)
    with pytest.raises(CoTMaskError, match="none of the tasks cotmask_gsm_ic was scored there: evaluate one of them"):
        read_results(tmp_path, ["cotmask_gsm_ic"])
    path.write_text(path.read_text()[:20])
    with pytest.raises(CoTMaskError, match="not a complete JSON file: remove it and make it again"):
        read_results(path, ["cotmask_gsm8k"])
    with pytest.raises(CoTMaskError, match=r"absent\.json"):
        read_results(tmp_path / "absent.json", ["cotmask_gsm8k"])


def test_tasks_are_found_with_their_newest_files_and_groups_are_not(tmp_path: Path) -> None:
    old, new = (tmp_path / f"results_{date}.json" for date in (OLD, NEW))
    old.write_text(json.dumps({"results": {"x": {}, "y": {}, "group": {}}, "configs": {"x": {}, "y": {}}}))
    new.write_text(json.dumps({"results": {"y": {}}, "configs": {"y": {}}}))
    assert {task: result.file for task, result in find_tasks(tmp_path).items()} == {"x": old, "y": new}
    assert {task: result.file for task, result in find_tasks(old).items()} == {"x": old, "y": old}
    assert find_tasks(tmp_path)["y"].samples_path == tmp_path / f"samples_y_{NEW}.jsonl"


def test_samples_that_were_not_logged(tmp_path: Path) -> None:
    path = save(tmp_path, NEW, exact_match=0.5)
    [result] = read_results(path, ["cotmask_gsm8k"]).values()
    assert logged_samples(result) == []
    with pytest.raises(CoTMaskError) as refusal:
        result.samples_file()
    assert str(refusal.value) == f"{path}, task cotmask_gsm8k: there are no samples: evaluate again with --log_samples"


def sample(doc_id: Any, filter_name: str = "none") -> dict[str, Any]:
    return {"doc_id": doc_id, "doc": {"question": f"q{doc_id}"}, "filter": filter_name, "exact_match": 1.0}


def test_samples_come_in_the_order_of_the_data_and_without_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(["", json.dumps(sample(10)), "", json.dumps(sample(9)), ""]))
    assert [(row.place, row.document["question"]) for row in read_samples(path)] == [
        (f"{path}, line 4", "q9"),
        (f"{path}, line 2", "q10"),
    ]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], " holds no rows: give a file with one answer per line"),
        ([{"question": "q"}], ", line 1: no sample of lm-eval: give what it wrote with --log_samples"),
        ([sample("one")], ", line 1: no sample of lm-eval: give what it wrote with --log_samples"),
        ([sample(0), {"doc_id": 1}], ", line 2: unlike line 1, it is no sample of lm-eval: mend the file"),
        ([sample(0), sample(1), sample(0)], ": a doc_id comes twice: evaluate again, one file per evaluation"),
        (
            [sample(0, "strict-match"), sample(0, "flexible-extract")],
            ": the filters are flexible-extract, strict-match: keep the samples of one of them in the file",
        ),
    ],
)
def test_samples_that_cannot_be_read_once_each(tmp_path: Path, rows: list[dict[str, Any]], sentence: str) -> None:
    path = write_jsonl(tmp_path / "samples.jsonl", rows)
    with pytest.raises(CoTMaskError) as refusal:
        read_samples(path)
    assert str(refusal.value) == f"{path}{sentence}"
