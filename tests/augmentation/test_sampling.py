"""Sampling a tiny model through the real lm_eval: seeds, rounds, and what happens after SIGKILL."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from support.lm_eval_runs import EVALTASKS
from support.programs import Programs
from support.project import Rows, write_jsonl

from axolotl_cotmask.augmentation.samples import find_samples
from axolotl_cotmask.augmentation.sampling import PER_ROUND, Machine, Sampling, sample
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl

ON_CPU = Machine(batch_size="8", device="cpu", processes=1, program=None)


def asked(model: Path, samples: int = PER_ROUND, **changes: object) -> Sampling:
    settings = {"seed": 0, "generation": "max_gen_toks=6,temperature=1.0", "backend": "hf", "settings": {}, "limit": 3}
    return Sampling(str(model), "cotmask_sample_gsm8k", samples, **{**settings, "chat_template": False, **changes})


def texts(files: list[Path]) -> list[list[list[str]]]:
    return [[row["resps"][0] for row in read_jsonl(file)] for file in files]


@pytest.fixture
def questions(tmp_path: Path, gsm8k_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "gsm8k_train.jsonl", gsm8k_rows)
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))


@pytest.mark.slow
def test_killed_in_a_round_and_gone_on_with(
    questions: None, tiny_model: Path, programs: Programs, tmp_path: Path
) -> None:
    told: list[str] = []
    machine = dataclasses.replace(ON_CPU, program=str(programs.lm_eval))
    whole = texts(sample(asked(tiny_model, 2 * PER_ROUND), machine, tmp_path / "whole", told.append))
    assert told == [f"round {n} of 2: {5 * n - 5} of 10 samples a question are there" for n in (1, 2)]
    assert [[len(set(row)) > 1 for row in round_] for round_ in whole] == [[True] * 3] * 2, "repeats differ"
    assert whole[0] != whole[1], "each round has a seed of its own"

    # Killed in the second round: the first is the other run's.
    directory = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", directory, ignore=shutil.ignore_patterns("round-002"))
    command = [
        sys.executable, "-m", "axolotl_cotmask", "augment", "sample", str(tiny_model), "-o", str(directory),
        "--task", "cotmask_sample_gsm8k", "--samples", "10", "--limit", "3", "--device", "cpu", "--batch-size", "8",
        "--gen-kwargs", "max_gen_toks=6,temperature=1.0",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not list(directory.glob(".round-002.*")):
            assert process.poll() is None
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    first = find_samples([directory / "round-001"])
    before = [file.stat().st_mtime_ns for file in first]
    again = sample(asked(tiny_model, 2 * PER_ROUND), ON_CPU, directory, told.append)
    assert texts(again) == whole
    assert [file.stat().st_mtime_ns for file in first] == before, "what is there is not drawn again"
    assert texts(find_samples([directory])) == whole

    with pytest.raises(CoTMaskError, match=r"killed: holds samples with seed 0, not 7: name another directory"):
        sample(asked(tiny_model, seed=7), ON_CPU, directory, told.append)
    [model_file] = tiny_model.glob("*.safetensors")
    before_it = model_file.stat()
    os.utime(model_file, (0, 0))
    with pytest.raises(
        CoTMaskError, match=r"holds samples of .*tiny before it was written anew: name another directory"
    ):
        sample(asked(tiny_model), ON_CPU, directory, told.append)
    os.utime(model_file, ns=(before_it.st_atime_ns, before_it.st_mtime_ns))
    other = asked(tiny_model, generation=None)
    with pytest.raises(CoTMaskError, match=r"holds samples with generation 'max_gen_toks=6,temperature=1.0', not None"):
        sample(other, ON_CPU, directory, told.append)


def test_what_is_refused(tmp_path: Path, questions: None) -> None:
    said: list[str] = []
    with pytest.raises(CoTMaskError, match=r"samples is 7: give a multiple of 5"):
        sample(asked(tmp_path, 7), ON_CPU, tmp_path / "new", said.append)
    with pytest.raises(CoTMaskError, match=r"is not empty, and holds no sampling\.json: name another directory"):
        sample(asked(tmp_path), ON_CPU, tmp_path, said.append)
    directory = tmp_path / "new"
    with pytest.raises(CoTMaskError, match=r"round-001: lm_eval ended with status 1"):
        sample(asked(tmp_path), Machine("8", "cpu", 1, "false"), directory, said.append)
    assert {path.name for path in directory.iterdir()} <= {"sampling.json", ".lock"}, "nothing is half-written"
    with (
        FileLock(directory / ".lock"),
        pytest.raises(CoTMaskError, match=r"another command samples into it: wait for it, or name another"),
    ):
        sample(asked(tmp_path), ON_CPU, directory, said.append)


def test_a_round_is_what_the_tasks_repeat() -> None:
    config = yaml.load((EVALTASKS / "cotmask_sample" / "_sample_yaml").read_text(encoding="utf-8"), _Functions)
    assert config["repeats"] == PER_ROUND
    assert config["filter_list"][0]["filter"] == [{"function": "take_first_k", "k": PER_ROUND}]
    json.dumps(config)


class _Functions(yaml.SafeLoader):
    """Reads lm-eval's `!function` as its name."""


_Functions.add_constructor("!function", lambda loader, node: str(node.value))
