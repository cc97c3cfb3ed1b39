"""A user's mistake ends in one line on standard error, with nothing of a library above it and nothing on standard output.

In new processes: what libraries say as they are imported is said once. Those of `FORKED` begin after the imports, which
another case of the same command has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.programs import Programs
from support.project import Rows, write_jsonl

OURS = "axolotl_cotmask.prompt_strategies.gsm8k"


@pytest.fixture(scope="module")
def place(tiny_model: Path, gsm8k_rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the cases name."""
    directory = tmp_path_factory.mktemp("mistakes")
    write_jsonl(directory / "rows.jsonl", gsm8k_rows[:3])
    write_jsonl(directory / "other.jsonl", [{"question": "a"}])
    (directory / "empty").mkdir()
    (directory / "empty.yaml").touch()
    (directory / "no.yaml").write_text("a: [", encoding="utf-8")
    config = {
        "base_model": str(tiny_model), "plugins": ["axolotl_cotmask.CoTMaskPlugin"],
        "cotmask": {"mask_ratio": 0.4, "noise": "random"}, "datasets": [{"path": "./rows.jsonl", "type": OURS}],
        "sequence_len": 256, "micro_batch_size": 1, "gradient_accumulation_steps": 1, "num_epochs": 1,
        "learning_rate": 1e-3, "dataset_num_proc": 1, "bf16": False,
    }  # fmt: skip
    changes = {
        "model": {"base_model": "somebody/nowhere"},
        "row": {"datasets": [{"path": "./other.jsonl", "type": OURS}]},
    }  # fmt: skip
    for name, change in changes.items():
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(config | change), encoding="utf-8")
    return directory


CASES = [
    ("empty.yaml: holds no keys with values", "preview empty.yaml"),
    ("no.yaml: this is no YAML", "preview no.yaml"),
    ("base_model somebody/nowhere cannot be loaded (", "preview model.yaml"),
    ("no.yaml, line 1: this is no YAML", "check no.yaml"),
    ("./other.jsonl: the field 'answer' is missing", "preview row.yaml --json"),
    ("nowhere: the model cannot be loaded", "analyze dependency A=nowhere --data rows.jsonl"),
    ("empty: no results_*.json in it", "analyze length A=empty"),
    ("empty: there are no checkpoints", "analyze samples A=empty"),
    ("empty: no results_*.json in it", "analyze calculator A=empty"),
    ("the runs are those of 1 methods", "analyze unanimous A=empty"),
    ("other.jsonl, line 1: the field 'answer' is missing", "analyze corrupted-step --data other.jsonl"),
    ("COTMASK_DATA_DIR is ", "tiny-model new"),
    ("empty exists already", "base-model smollm2 empty"),
    ("this runs programs that a model wrote", "execute rows.jsonl out.jsonl --rule mammoth_number"),
    ("rows.jsonl, line 1: the field 'resps' is missing", "execute rows.jsonl out.jsonl --rule mammoth_number --confirm_run_unsafe_code"),
    ("empty: no results_*.json in it", "analyze judge A=empty --endpoint http://localhost:1/v1 --model x -o out.jsonl"),
    ("nothing samples no training questions", "augment sample empty --task nothing -o new"),
    ("empty: no samples_*.jsonl in it", "augment rft empty -o out.jsonl"),
    ("empty: no samples_*.jsonl in it", "augment pairs empty --rule cot -o out.jsonl"),
    ("rows.jsonl, line 1: the field 'exact_match' is missing", "augment hard rows.jsonl -o out.jsonl"),
    ("rows.jsonl, line 1: the field 'answer' is one of the answers", "augment ask rows.jsonl --endpoint http://localhost:1/v1 --model x -o out.jsonl"),
    ("no reply holds one question and its answer", "augment solve rows.jsonl -o out.jsonl"),
    ("COTMASK_DATA_DIR is ", "augment merge rows.jsonl -o out.jsonl"),
    ("COTMASK_DATA_DIR is ", "augment prompts gsm8k_train -o out.jsonl"),
    ("COTMASK_DATA_DIR is ", "augment demonstrations rows.jsonl -o out.jsonl"),
    ("there is nothing called nonsense to reproduce", "repro nonsense"),
    ("rows.jsonl, line 1: the field 'a' is missing", "score rows.jsonl --rule robust_math --prediction-field a --gold-field b"),
    ("nowhere: there is no such file", "compare nowhere empty"),
    ("empty: no results_*.json in it", "signature empty"),
    ("empty exists already", "fetch recipes empty"),
]  # fmt: skip
#: They import Axolotl or transformers.
SLOW = ("preview m", "check", "analyze dependency")
#: In a fork of what has imported them.
FORKED = ("preview row.yaml --json",)


@pytest.mark.parametrize(
    ("beginning", "command"),
    [
        pytest.param(*case, id=case[1], marks=[pytest.mark.slow] if case[1].startswith(SLOW) else [])
        for case in CASES
    ],
)  # fmt: skip
def test_one_line(beginning: str, command: str, place: Path, programs: Programs) -> None:
    environment = {**os.environ, "COTMASK_DATA_DIR": "empty"}
    program = [programs.cotmask] if command in FORKED else [sys.executable, "-m", "axolotl_cotmask"]
    words = [*program, *command.split()]
    run = subprocess.run(
        words, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1, run.stderr
    assert run.stdout == ""
    (line,) = [line for line in run.stderr.splitlines() if line]
    assert line.removeprefix("Error: ").removeprefix("axolotl-cotmask: ").startswith(beginning)
    assert not (place / "out.jsonl").exists()
    assert not (place / "new").exists()


def test_the_cases_name_every_command() -> None:
    from axolotl_cotmask.cli import COMMANDS
    from axolotl_cotmask.cli.analyze import analyze
    from axolotl_cotmask.cli.augment import augment

    groups = {"analyze": analyze, "augment": augment}
    named = {" ".join(case[1].split()[: 2 if case[1].split()[0] in groups else 1]) for case in CASES}
    of_groups = {f"{group} {name}" for group, commands in groups.items() for name in commands.commands}
    there = {command.name for command in COMMANDS} | of_groups
    # `tasks-path` takes nothing, and `fetch-data` reads a variable only (tests/data).
    assert named == there - {*groups, "tasks-path", "fetch-data"}, json.dumps(sorted(map(str, there)))
