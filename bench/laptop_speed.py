"""Steps per second and core of a laptop recipe, now and in another checkout: `python bench/laptop_speed.py DIRECTORY`.

DIRECTORY holds the code to compare with, such as a worktree of 89dedd2 (`git worktree add ../before 89dedd2`). Both
train the same rows from the same base, in turn, each on one thread, through `axolotl train`. The other one trains as
its recipes did: the same settings, a checkpoint in every epoch, whole batches.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import yaml

ROOT = Path(__file__).parents[1]
LAPTOP = [sys.executable, "-m", "axolotl_cotmask.reproduction.laptop"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, metavar="DIRECTORY", help="the checkout to compare with")
    parser.add_argument("--recipes", nargs="+", default=["sft", "mft-mask-0.4"], help="of recipes/laptop")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        subprocess.run([*LAPTOP, "write-base", "copying-1", work / "base"], check=True)
        data = ["--seed", "1", "--train-rows", str(options.rows), "--test-rows", "1"]
        subprocess.run([*LAPTOP, "write-data", work / "data", *data], check=True)
        print("| recipe | steps/s before | steps/s now | ratio | largest difference of a logged loss |")
        print("|---|---:|---:|---:|---:|")
        for recipe in options.recipes:
            runs: dict[str, list[tuple[float, list[float]]]] = {"before": [], "now": []}
            for _ in range(options.repeats):
                for name, code in (("before", options.other.resolve()), ("now", ROOT)):
                    runs[name].append(train(work, recipe, options.steps, code, before=name == "before"))
            speed = {name: median(speed for speed, _ in of) for name, of in runs.items()}
            losses = [of[0][1] for of in runs.values()]
            apart = max(abs(a - b) for a, b in zip(*losses, strict=True))
            before, now = speed["before"], speed["now"]
            print(f"| {recipe} | {before:.2f} | {now:.2f} | {now / before:.2f} | {apart:.4f} |", flush=True)


def train(work: Path, recipe: str, steps: int, code: Path, before: bool) -> tuple[float, list[float]]:
    """Train some steps with the code in a directory; return steps per second, checkpoints included, and the losses."""
    config = yaml.safe_load((ROOT / "recipes" / "laptop" / f"{recipe}.yaml").read_text(encoding="utf-8"))
    config |= {"base_model": str(work / "base"), "max_steps": steps, "output_dir": str(work / "out")}
    config["datasets"][0]["path"] = str(work / "data" / "gsm8k_train.jsonl")
    config["dataset_prepared_path"] = str(work / f"prepared-{'before' if before else 'now'}")
    if before:
        del config["cotmask"]["parts_by_length"], config["save_steps"]
        config |= {"save_strategy": "epoch", "num_epochs": steps}
    path = work / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    variables = os.environ | {
        "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "AXOLOTL_DO_NOT_TRACK": "1"
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("axolotl")), "train", str(path), "--launcher", "python"]
    done = subprocess.run(command, env=variables, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[-3000:])
    losses = [float(loss) for loss in re.findall(r"\{'loss': '?([\d.]+)", done.stdout)]
    (seconds,) = re.findall(r"'train_runtime': '?([\d.]+)", done.stdout)
    return steps / float(seconds), losses


if __name__ == "__main__":
    main()
