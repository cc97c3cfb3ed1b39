"""Peak memory of preparing data by the real `axolotl preprocess`: `python bench/preparation_memory.py TYPE ROWS...`.

MetaMath-like rows (bench/preparation.py), Mistral-7B-v0.1's tokenizer, one process that maps. What counts is the memory
that the system cannot take back (Pss_Anon) of the command and all that it starts, looked at five times a second: files
that are mapped, as prepared rows are, are not in it, and what a forked process shares with the other counts once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from preparation import SEQUENCE_LEN, write_rows
from support.small_tokenizers import mistral
from transformers import LlamaConfig

#: Each type, with the place of its file among what `write_rows` returns.
TYPES = {"metamath": ("axolotl_cotmask.prompt_strategies.metamath", 0), "alpaca": ("alpaca", 1)}


def main() -> None:
    """Print a line for each number of rows."""
    name, *numbers = sys.argv[1:]
    kind, place = TYPES[name]
    for rows in map(int, numbers):
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            files = write_rows(directory, rows)
            tokenizer = mistral()
            tokenizer.save_pretrained(directory / "base")
            LlamaConfig(vocab_size=len(tokenizer)).save_pretrained(directory / "base")
            config = config_file(directory, {"path": str(files[place]), "ds_type": "json", "type": kind})
            mebibytes, seconds = peak(config, directory)
            print(f"{rows:9,} rows, {name}: {mebibytes:,.0f} MiB ({seconds:.0f} s)", flush=True)


def config_file(directory: Path, dataset: dict[str, Any]) -> Path:
    """Write a config with the plugin, which masks nothing of Axolotl's own type but marks it."""
    path = directory / "config.yaml"
    config = {
        "base_model": str(directory / "base"), "plugins": ["axolotl_cotmask.CoTMaskPlugin"],
        "cotmask": {"mask_ratio": 0.4, "noise": "random"}, "datasets": [dataset], "dataset_num_proc": 1,
        "special_tokens": {"pad_token": "<unk>"}, "dataset_prepared_path": str(directory / "prepared"),
        "output_dir": str(directory / "out"), "sequence_len": SEQUENCE_LEN, "micro_batch_size": 1, "num_epochs": 1,
        "gradient_accumulation_steps": 1, "learning_rate": 1e-3, "optimizer": "adamw_torch", "lr_scheduler": "cosine",
        "bf16": False, "fp16": False, "tf32": False,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def peak(config: Path, directory: Path) -> tuple[float, float]:
    """Prepare; return MiB and seconds."""
    command = [str(Path(sys.executable).with_name("axolotl")), "preprocess", str(config)]
    started, highest = time.monotonic(), 0
    with (directory / "log").open("w+") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None:
            highest = max(highest, in_use(process.pid))
            time.sleep(0.2)
        log.seek(0)
        assert process.returncode == 0, log.read()[-3000:]
    return highest / 1024, time.monotonic() - started


def in_use(pid: int) -> int:
    """KiB that a process and those below it hold."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            held = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")
            total += sum(int(line.split()[1]) for line in held.splitlines() if line.startswith("Pss_Anon:"))
    # One has ended meanwhile.
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        pass
    return total


if __name__ == "__main__":
    main()
