"""The demonstration's report, from small files as lm-eval and the trainer write them."""

from __future__ import annotations

import io
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from axolotl_cotmask.demo.report import (
    CAVEAT,
    clustered_stderr,
    console_table,
    markdown_table,
    read_log,
    read_scores,
    write_report,
)
from axolotl_cotmask.errors import CoTMaskError

DATE = "2026-01-02T03-04-05.000006"


def metrics(**values: Any) -> dict[str, Any]:
    return {f"{name},none": value for name, value in values.items()}


def gsm8k(accuracy: float) -> dict[str, Any]:
    return metrics(exact_match=accuracy, exact_match_stderr=0.035, invalid=0.01, invalid_stderr=0.007)


def gsm_ic(accuracy: float, normalised: float | None, macro: float) -> dict[str, Any]:
    """GSM-IC's metrics: lm-eval knows no standard error for its own aggregations."""
    return metrics(
        exact_match=accuracy,
        exact_match_stderr="N/A",
        invalid=0.0,
        macro_accuracy=macro,
        normalised_accuracy=normalised,
        exact_match_overlapped=accuracy,
    )


def save(
    directory: Path, results: dict[str, Any], samples: dict[str, list[Any]] | None = None, date: str = DATE
) -> Path:
    """Write a results file and the samples beside it, under lm-eval's names."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"results_{date}.json"
    path.write_text(json.dumps({"results": results, "n-samples": {}}))
    for task, rows in (samples or {}).items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (directory / f"samples_{task}_{date}.jsonl").write_text(lines)
    return path


def sample(base_id: int | None, right: float | None) -> dict[str, Any]:
    return {"doc_id": 0, "doc": {"base_id": base_id, "is_base": right is None}, "exact_match": right}


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    for method, clean, twin in (("sft", 0.61, 0.5), ("mft", 0.58, 0.75)):
        rows = [sample(0, None), sample(0, 1.0), sample(1, None), sample(1, 0.0)]
        results = {
            "cotmask_gsm8k": gsm8k(clean),
            "cotmask_gsm_ic_2step": gsm_ic(twin, 0.82, twin),
            "cotmask_gsm_ic_mstep": gsm_ic(0.25, None, 0.125),
            "cotmask_gsm_ic": gsm_ic(0.4, 0.7, 0.3),
        }
        save(tmp_path / method / "__models__x", results, {"cotmask_gsm_ic_2step": rows})
    return {"SFT": tmp_path / "sft", "MFT": tmp_path / "mft"}


@pytest.fixture
def trainer_state(tmp_path: Path) -> Path:
    path = tmp_path / "trainer_state.json"
    log = [
        {
            "step": step,
            "loss": 2 / step,
            "cotmask/scheduled_ratio": min(0.2, step / 100),
            "cotmask/realised_ratio": min(0.2, step / 100) + 0.001,
            "cotmask/loss_clean": 1.8 / step,
            # At the first steps nothing is masked, and there is no loss at masked tokens.
            **({"cotmask/loss_noised": 2.4 / step} if step > 1 else {}),
        }
        for step in range(1, 30)
    ]
    path.write_text(json.dumps({"global_step": 29, "log_history": [*log, {"step": 29, "train_runtime": 1.0}]}))
    return path


def test_scores_are_read_with_what_each_task_says(runs: dict[str, Path]) -> None:
    scores = read_scores(runs["SFT"])
    assert list(scores) == ["cotmask_gsm8k", "cotmask_gsm_ic_2step", "cotmask_gsm_ic_mstep"]
    clean = scores["cotmask_gsm8k"]
    assert (clean.accuracy, clean.stderr, clean.invalid, clean.normalised) == (0.61, 0.035, 0.01, None)
    two = scores["cotmask_gsm_ic_2step"]
    assert two.rows == 2, "base problems are no variants"
    assert two.stderr == pytest.approx(math.sqrt(0.25 / 2))
    assert scores["cotmask_gsm_ic_mstep"].stderr is None, "no samples, no error bar"


def test_the_markdown_table_shows_methods_side_by_side(runs: dict[str, Path]) -> None:
    table = markdown_table({method: read_scores(path) for method, path in runs.items()})
    assert table.splitlines() == [
        "| test set |  | SFT | MFT |",
        "| --- | --- | ---: | ---: |",
        "| clean | accuracy, % | 61.0 ± 3.5 | 58.0 ± 3.5 |",
        "|  | no answer, % | 1.0 | 1.0 |",
        "| irrelevant sentence, 2 steps (2 questions) | accuracy, % | 50.0 ± 35.4 | 75.0 ± 35.4 |",
        "|  | no answer, % | 0.0 | 0.0 |",
        "|  | relative to clean, % | 82.0 | 82.0 |",
        "| irrelevant sentence, more steps | accuracy, % | 25.0 | 25.0 |",
        "|  | no answer, % | 0.0 | 0.0 |",
        "|  | all variants right, % | 12.5 | 12.5 |",
    ]


def test_a_task_that_one_method_lacks_leaves_its_cell_empty(tmp_path: Path) -> None:
    save(tmp_path / "a", {"cotmask_gsm8k": gsm8k(0.5)})
    save(tmp_path / "b", {"cotmask_gsm_ic_2step": gsm_ic(0.25, None, 0.25)})
    table = markdown_table({"SFT": read_scores(tmp_path / "a"), "MFT": read_scores(tmp_path / "b")})
    assert "| clean | accuracy, % | 50.0 ± 3.5 |  |" in table
    assert "| irrelevant sentence, 2 steps | accuracy, % |  | 25.0 |" in table


def test_the_newest_result_of_a_task_counts(tmp_path: Path) -> None:
    # The older file stands in a directory that sorts last.
    save(tmp_path / "z", {"cotmask_gsm8k": gsm8k(0.1)}, date="2026-01-01T00-00-00.000000")
    newest = save(tmp_path / "a", {"cotmask_gsm8k": gsm8k(0.9)}, date="2026-01-02T00-00-00.000000")
    assert read_scores(tmp_path)["cotmask_gsm8k"].accuracy == 0.9
    assert read_scores(newest) == read_scores(tmp_path)


def test_the_report_is_a_table_a_sentence_and_a_figure(
    tmp_path: Path, runs: dict[str, Path], trainer_state: Path
) -> None:
    scores = write_report(tmp_path / "report", runs, trainer_state)
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["report.md", "report.png"]
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert markdown_table(scores) in text
    assert CAVEAT in text
    png = (tmp_path / "report" / "report.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) >= 1800, "three panels side by side"


def test_the_figure_does_without_a_log(tmp_path: Path, runs: dict[str, Path]) -> None:
    write_report(tmp_path / "report", runs)
    assert (tmp_path / "report" / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_console_table_says_what_it_is_worth(runs: dict[str, Path]) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(console_table({method: read_scores(path) for method, path in runs.items()}))
    text = console.export_text()
    assert "61.0 ± 3.5" in text
    assert "no evidence for or against the paper's accuracy claim" in " ".join(text.split())


def test_a_failing_figure_leaves_the_old_report(
    tmp_path: Path, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tmp_path / "report", runs)
    before = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}

    def no_space(self: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path / "report", runs)
    assert {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()} == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"no results_\*\.json in it: give lm_eval this directory as --output_path"),
        ("{", "not a complete JSON file: remove it and make it again"),
        ("[]", "holds a list, not a JSON object"),
        ('{"results": {"hellaswag": {"acc,none": 1}}}', "none of the tasks cotmask_gsm8k, .* was scored there"),
    ],
)
def test_missing_and_broken_results_are_named(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "results_x.json").write_text(content)
    with pytest.raises(CoTMaskError, match=sentence):
        read_scores(tmp_path)


def test_a_file_that_is_no_trainer_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match=r"absent\.json: cannot be read \(No such file or directory\)"):
        read_log(tmp_path / "absent.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CoTMaskError, match=r"other\.json: has no log_history"):
        read_log(tmp_path / "other.json")


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=50))
def test_without_clusters_the_standard_error_is_the_usual_one(values: list[float]) -> None:
    usual = math.sqrt(statistics.pvariance(values) / len(values))
    assert clustered_stderr(enumerate(values)) == pytest.approx(usual, abs=1e-12)


def test_variants_that_always_agree_count_as_one(tmp_path: Path) -> None:
    bases = [1.0, 0.0, 0.0, 1.0, 1.0]
    tenfold = [(base, value) for base, value in enumerate(bases) for _ in range(10)]
    assert clustered_stderr(tenfold) == pytest.approx(clustered_stderr(enumerate(bases)))
