"""The harness's directory with something in the way or broken in it: told before any work, left out, or made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.integrity import check_tree, read_record, remove_damaged, write_manifest
from axolotl_cotmask.reproduction.plan import Setup
from axolotl_cotmask.reproduction.progress import WorkflowProgress
from axolotl_cotmask.reproduction.recipes import parse_yaml
from axolotl_cotmask.reproduction.stage_program import begin, run_program

RUN = "row/seed-1"
BROKEN = (b"", b"\xff\xfe", b"null", b"[]", b"{", b"5", b'{"attempts": 5}', b'{"attempts": [5]}', b'{"attempts": [{}]}', b'{"step": "x"}')  # fmt: skip


@pytest.mark.parametrize(
    "place",
    ["runs", "logs", "work", ".snakemake", "bases", "dependency", "runs/row", f"runs/{RUN}", f"work/{RUN}", f"logs/{RUN}",
     f"runs/{RUN}/evaluate", f"runs/{RUN}/scores", f"runs/{RUN}/samples"],
)  # fmt: skip
def test_a_file_where_a_directory_is_to_be(tmp_path: Path, place: str) -> None:
    check_tree(tmp_path, [RUN], ["bases/one"])
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to("nowhere")
    for _ in range(2):
        with pytest.raises(CoTMaskError, match=rf"{place} is no directory, where one is to be: move it away"):
            check_tree(tmp_path, [RUN], ["bases/one"])
        (tmp_path / place).unlink()
        (tmp_path / place).write_text("{}")


@pytest.mark.parametrize("place", ["plan.json", ".lock", ".alive", "report.html", "report.md", f"logs/{RUN}/train.log"])
def test_a_directory_where_a_file_is_to_be(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    with pytest.raises(CoTMaskError, match=rf"{place} is a directory, where a file is to be: move it away"):
        check_tree(tmp_path, [RUN], [])


@pytest.mark.parametrize("content", BROKEN)
def test_small_files_that_cost_no_run(tmp_path: Path, content: bytes) -> None:
    work = tmp_path / "work" / RUN
    work.mkdir(parents=True)
    (work / "cell.json").write_bytes(content)
    begin(work, {"seed": 1})
    assert [path.name for path in work.iterdir()] == ["cell.json"]
    begin(work, {"seed": 1})
    (work / "attempts.json").write_bytes(content)
    (work / "progress.json").write_bytes(content)
    record = run_program(Setup(device="cpu"), "", work, ["true"], {})
    assert len(record["attempts"]) == 1
    display = WorkflowProgress(tmp_path, print, {})
    display.events.take(
        json.dumps({"event": "job_info", "jobid": 1, "rule_name": "train", "log": [f"logs/{RUN}/train.log"]})
    )
    assert display.seconds_left() is None


def test_a_record_that_was_edited_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").write_text('{"seconds": 5}')
    assert read_record(tmp_path) is None
    write_manifest(tmp_path)
    assert read_record(tmp_path) == {"seconds": 5}
    (tmp_path / "provenance.json").write_text('{"seconds": 6}')
    assert read_record(tmp_path) is None


def test_of_a_link_the_link_is_removed(tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    (out / "runs" / RUN).mkdir(parents=True)
    kept.mkdir()
    (kept / "file").touch()
    (out / "runs" / RUN / "train").symlink_to(kept)
    assert len(remove_damaged(out)) == 1
    assert not (out / "runs" / RUN / "train").is_symlink()
    assert (kept / "file").is_file()


@pytest.mark.parametrize("text", ["2026-13-45", "a: " + "9" * 5000])
def test_what_has_the_form_of_a_date_or_a_number_and_is_none(text: str) -> None:
    with pytest.raises(CoTMaskError, match=r"^place: this is no YAML"):
        parse_yaml(text, "place")
