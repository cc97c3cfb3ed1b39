"""Tables as a terminal and a pipe show them: every word is there and whole, at any width."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.lm_eval_runs import write_results

TABLE = """
from axolotl_cotmask.cli.common import print_table
rows = [["llama2-7b/gsm8k-rft-u33-mft [a]", "cotmask_gsm8k, cotmask_gsm_ic", "1.0", ""], ["\u5e7f\u5dde " * 12, "", "12.5", "x" * 50]]
print_table("a title of some length, % [95 % interval]", ("row", "tasks", "training, GPU hours", "last"), rows)
print_table("pairs", (), [("questions", "1,319"), ("p, sign flips of clusters", "0.5")])
"""


def on_a_terminal(words: list[str], columns: int, where: Path) -> str:
    """What a program writes to a terminal of so many columns."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(words, cwd=where, env=environment, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        # Nobody has it open any more: an error on Linux.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 1 << 16):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    return re.sub("\x1b\\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def in_a_pipe(words: list[str], columns: int, where: Path, **variables: str) -> str:
    environment = {**os.environ, "COLUMNS": str(columns), **variables}
    return subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tables")
    write_results(directory / "a", ["1", "2"], [0, 1])
    write_results(directory / "b", ["1", "2"], [1, 1])
    return directory


COMMANDS = [
    [sys.executable, "-c", TABLE],
    [sys.executable, "-m", "axolotl_cotmask", "repro", "--plan", "methods"],
    [sys.executable, "-m", "axolotl_cotmask", "compare", "a", "b"],
    [sys.executable, "-m", "axolotl_cotmask", "fetch-data"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=["any", "repro", "compare", "fetch-data"])
def test_every_word_is_whole_at_every_width(words: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTMASK_DATA_DIR", str(place))
    piped = in_a_pipe(words, 200, place)
    assert in_a_pipe(words, 40, place, FORCE_COLOR="1") == piped, "a pipe has no width and no colours"
    for columns in (40, 80):
        shown = on_a_terminal(words, columns, place)
        # Headings come once a row.
        assert {word.rstrip(":,") for word in piped.split()} <= {word.rstrip(":,") for word in shown.split()}
        if words[3:4] in (["repro"], []):
            too_long = [line for line in shown.splitlines() if cell_len(line) > columns]
            assert all(len(line.split()) == 1 for line in too_long), "a line ends between words"
    assert "┃" not in piped
    wide = on_a_terminal(words, 250, place)
    assert "│" in wide
    assert {word.strip("[]") for word in piped.split()} <= {word.strip("[]") for word in wide.split()}
