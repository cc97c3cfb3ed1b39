"""How lm-eval is called: the one place that composes its command line, and runs it for an analysis."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.common.guarded import guarded
from axolotl_cotmask.common.resources import directory

_MAX_LORA_RANK = 64


def model_args(model: str | Path, backend: str = "hf", **settings: Any) -> dict[str, Any]:
    """Return lm-eval's arguments for a whole model, or for an adapter with its base model.

    Args:
        model: a directory, or the name of a model on the hub.
        backend: ``hf`` or ``vllm``, which have different names for an adapter.
        settings: further arguments of the backend, such as ``dtype``.
    """
    adapter = Path(model, "adapter_config.json")
    if not adapter.is_file():
        return {"pretrained": str(model), **settings}
    # The adapter may have brought tokens that the base model's tokenizer does not have.
    base, tokenizer = {"pretrained": read_json(adapter)["base_model_name_or_path"]}, {"tokenizer": str(model)}
    if backend == "vllm":
        return base | tokenizer | settings | {"lora_local_path": str(model), "max_lora_rank": _MAX_LORA_RANK}
    return base | {"peft": str(model)} | tokenizer | settings


def run_command(command: Sequence[str], **options: Any) -> int:
    """Run ``command`` to its end, and return its status; it ends with this process, however that ends.

    Args:
        command: from `evaluation_command`.
        options: of `subprocess.Popen`.
    """
    # To an interruption it would answer by a traceback.
    with guarded(command, ends_by=signal.SIGTERM, **options) as process:
        pass
    return process.returncode


def evaluation_command(
    arguments: Mapping[str, Any],
    task: str,
    output: Path,
    *,
    batch_size: int | str,
    program: str | None = None,
    backend: str = "hf",
    processes: int = 1,
    device: str | None = None,
    generation: str | None = None,
    limit: int | None = None,
    seed: int | None = None,
    chat_template: bool = False,
    confirm_run_unsafe_code: bool = False,
) -> list[str]:
    """Return the command that scores a model on a task of ours, and writes results and samples.

    Args:
        arguments: from `model_args`.
        task: the task, or several with commas between them.
        output: the directory for the results.
        batch_size: a number or ``auto``.
        program: the executable of lm-eval; None for the one beside this interpreter.
        backend: ``hf`` or ``vllm``.
        processes: copies of the model, one per GPU; with ``hf`` `accelerate` starts them instead of ``program``. vLLM
            starts its own.
        device: of the model; None leaves the choice to lm-eval.
        generation: what takes the place of the task's generation arguments, such as ``max_gen_toks=256``.
        limit: how many questions at most; None for all.
        seed: of all random draws; None for lm-eval's own. vLLM takes its own from ``arguments``.
        chat_template: ask with the model's chat template.
        confirm_run_unsafe_code: programs that the model wrote may run.
    """
    start = [program or str(Path(sys.executable).with_name("lm_eval"))]
    if backend == "hf" and processes > 1:
        # Port 0: others may evaluate on the same machine.
        start = ["accelerate", "launch", "--main_process_port", "0", "--num_processes", str(processes), "-m", "lm_eval"]
    return [
        *(*start, "--model", backend, "--model_args", json.dumps(arguments), "--tasks", task),
        *("--include_path", str(directory("evaltasks").resolve()), "--log_samples"),
        *("--batch_size", str(batch_size), "--output_path", str(output.resolve())),
        *(("--device", device) if device else ()),
        *(("--gen_kwargs", generation) if generation else ()),
        *(("--limit", str(limit)) if limit is not None else ()),
        *(("--seed", str(seed)) if seed is not None else ()),
        *(("--apply_chat_template",) if chat_template else ()),
        *(("--confirm_run_unsafe_code",) if confirm_run_unsafe_code else ()),
    ]
