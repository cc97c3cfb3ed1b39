"""Reading what lm-eval wrote, from files with its names and fields (`test_evaltasks` makes real ones)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.results import find_tasks, read_results, samples_file

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
    found = read_results(tmp_path, ["cotmask_gsm8k", "cotmask_gsm_ic"])
    assert list(found) == ["cotmask_gsm8k"]
    assert found["cotmask_gsm8k"].metrics == {"exact_match": 0.5}
    assert found["cotmask_gsm8k"].samples == [sample]
    assert found["cotmask_gsm8k"].pretrained == "outputs/x"


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
    assert find_tasks(tmp_path) == {"x": old, "y": new}
    assert find_tasks(old) == {"x": old, "y": old}
    assert samples_file(new, "y") == tmp_path / f"samples_y_{NEW}.jsonl"
