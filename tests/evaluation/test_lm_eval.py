"""The command line of lm-eval that we compose: word by word, as it stands in a run's provenance."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.lm_eval_runs import EVALTASKS

from axolotl_cotmask.evaluation.lm_eval import evaluation_command, model_args


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "base"}')
    return tmp_path


def test_a_whole_model_on_this_machine(tmp_path: Path) -> None:
    command = evaluation_command(model_args(tmp_path), "cotmask_gsm8k", tmp_path / "out", batch_size=16, limit=2)
    assert command == [
        *(str(Path(sys.executable).with_name("lm_eval")), "--model", "hf"),
        *("--model_args", f'{{"pretrained": "{tmp_path}"}}', "--tasks", "cotmask_gsm8k"),
        *("--include_path", str(EVALTASKS.resolve()), "--log_samples"),
        *("--batch_size", "16", "--output_path", str(tmp_path / "out"), "--limit", "2"),
    ]


def test_what_a_stage_of_a_run_asks_for(tmp_path: Path) -> None:
    command = evaluation_command(
        model_args("org/model", dtype="bfloat16"),
        "a,b",
        tmp_path,
        batch_size="auto",
        program="/env/lm_eval",
        device="cpu",
        generation="max_gen_toks=8",
        seed=3,
        chat_template=True,
        confirm_run_unsafe_code=True,
    )
    assert command == [
        *("/env/lm_eval", "--model", "hf"),
        *("--model_args", '{"pretrained": "org/model", "dtype": "bfloat16"}', "--tasks", "a,b"),
        *("--include_path", str(EVALTASKS.resolve()), "--log_samples"),
        *("--batch_size", "auto", "--output_path", str(tmp_path), "--device", "cpu", "--gen_kwargs", "max_gen_toks=8"),
        *("--seed", "3", "--apply_chat_template", "--confirm_run_unsafe_code"),
    ]


@pytest.mark.parametrize(
    ("backend", "processes", "start"),
    [
        ("hf", 1, ["lm_eval"]),
        ("hf", 4, ["accelerate", "launch", "--main_process_port", "0", "--num_processes", "4", "-m", "lm_eval"]),
        ("vllm", 4, ["lm_eval"]),
    ],
)
def test_only_accelerate_starts_several_processes(
    tmp_path: Path, backend: str, processes: int, start: list[str]
) -> None:
    command = evaluation_command(
        {}, "a", tmp_path, batch_size=1, program="lm_eval", backend=backend, processes=processes
    )
    assert command[: len(start) + 2] == [*start, "--model", backend]


def test_each_backend_has_its_own_names_for_an_adapter(adapter: Path) -> None:
    path = str(adapter)
    assert json.dumps(model_args(adapter, dtype="float32")) == json.dumps(
        {"pretrained": "base", "peft": path, "tokenizer": path, "dtype": "float32"}
    )
    assert json.dumps(model_args(adapter, "vllm", dtype="bfloat16", data_parallel_size=2)) == json.dumps(
        {
            "pretrained": "base",
            "tokenizer": path,
            "dtype": "bfloat16",
            "data_parallel_size": 2,
            "lora_local_path": path,
            "max_lora_rank": 64,
        }
    )
