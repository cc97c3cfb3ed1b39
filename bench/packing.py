"""Samples a second of packed and padded MFT on GSM8K by the real `axolotl train`: `python bench/packing.py [ROUNDS]`.

96 rows of GSM8K, from COTMASK_DATA_DIR, through the model that `axolotl cotmask tiny-model`
makes of them; eight rows a step as they come, padded to the longest of them, against bins of as many tokens. Seconds
are those of the processor for the training alone, so that other work on the machine does not count.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

PROGRAM = Path(__file__).resolve()
ROWS, TOKENS_A_ROW, ROWS_A_STEP = 96, 225, 8
FORMS: dict[str, dict[str, Any]] = {
    "padded": {"micro_batch_size": ROWS_A_STEP, "sequence_len": 1024},
    "packed": {"micro_batch_size": 1, "sequence_len": ROWS_A_STEP * TOKENS_A_ROW, "sample_packing": True},
}


def main() -> None:
    """Print the rate of each run, and of the two forms their ratio."""
    if sys.argv[1:2] == ["train"]:
        return train_timed()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    source = Path(os.environ["COTMASK_DATA_DIR"], "gsm8k_train.jsonl")
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        Path("rows.jsonl").write_text("".join(source.open(encoding="utf-8").readlines()[:ROWS]), encoding="utf-8")
        subprocess.run([programs / "axolotl-cotmask", "tiny-model", "base"], check=True)
        for number in range(rounds):
            rates = {form: rate(f"{form}-{number}", changes) for form, changes in FORMS.items()}
            shown = ", ".join(f"{form} {value:.2f} samples/s" for form, value in rates.items())
            print(f"{shown}, packed / padded {rates['packed'] / rates['padded']:.2f}", flush=True)


def rate(name: str, changes: dict[str, Any]) -> float:
    """Train once, and return samples per second of the training alone."""
    config = {
        "base_model": "base", "plugins": ["axolotl_cotmask.CoTMaskPlugin"],
        "cotmask": {"mask_ratio": 0.4, "noise": "random"},
        "datasets": [{"path": "rows.jsonl", "ds_type": "json", "type": "axolotl_cotmask.prompt_strategies.gsm8k"}],
        "dataset_prepared_path": f"{name}-prepared", "output_dir": name, "dataset_num_proc": 1, "num_epochs": 1,
        "gradient_accumulation_steps": 1, "learning_rate": 1e-3, "optimizer": "adamw_torch", "lr_scheduler": "cosine",
        "logging_steps": 10, "save_strategy": "no", "attn_implementation": "sdpa", "bf16": False,
        "fp16": False, "tf32": False, "seed": 7, **changes,
    }  # fmt: skip
    Path(f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, PROGRAM, "train", f"{name}.yaml", "--launcher", "python"]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"^trained for ([0-9.]+) s$", said.stdout, re.MULTILINE)
    assert found, said.stdout[-2000:]
    return ROWS / float(found[1])


def train_timed() -> None:
    """Be `axolotl`, and say how long the processor trained."""
    from axolotl.cli.main import main as axolotl
    from transformers import Trainer

    train = Trainer.train

    def timed(self: Trainer, *args: Any, **kwargs: Any) -> Any:
        started = time.process_time()
        result = train(self, *args, **kwargs)
        print(f"\ntrained for {time.process_time() - started:.2f} s", flush=True)
        return result

    Trainer.train = timed  # type: ignore[method-assign]
    axolotl()


if __name__ == "__main__":
    main()
