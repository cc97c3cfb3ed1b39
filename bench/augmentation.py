"""Rejection sampling and pairs: what is kept of real generations, or speed and memory with a million samples.

``python bench/augmentation.py kept DATA_DIR [--show N]``: DATA_DIR is what COTMASK_DATA_DIR names for the tests, with
generations/llama2_7b_gsm8k_hash_rule.jsonl and generations/openai_gsm8k_example_solutions.jsonl in it. These are greedy
answers to *test* questions, so that nothing may be trained on what comes out. ``--show`` prints N of each kind.

``python bench/augmentation.py speed SAMPLES``: so many samples, 100 a question, of made-up solutions of two steps.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from axolotl_cotmask.augmentation.pairs import PairsReport, preference_rows
from axolotl_cotmask.augmentation.paths import find_fault
from axolotl_cotmask.augmentation.pool import Pool
from axolotl_cotmask.augmentation.rft import RftReport, rft_rows
from axolotl_cotmask.augmentation.samples import read_sampled
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import GSM8K_HASH

PER_QUESTION = 100


def real_rows(data: Path) -> Iterator[tuple[str, dict]]:
    """Yield model and row (question, answer, one response), each in GSM8K's form."""
    for row in read_jsonl(data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"):
        yield "llama-2-7b", _row(row["source"][0], row["target"][0], row["kd_data"][0])
    for row in read_jsonl(data / "generations" / "openai_gsm8k_example_solutions.jsonl"):
        for model, output in row.items():
            if isinstance(output, dict):
                yield model, _row(row["question"], row["ground_truth"], output["solution"])


def _row(question: str, answer: str, response: str) -> dict:
    texts = [text.replace("\nA: ", "\n#### ") for text in (answer, response)]
    return {"question": question, "answer": texts[0], "responses": [texts[1]]}


def kept(data: Path, show: int) -> None:
    """Print how many samples of each model, and of all together, are kept, and why the others are not."""
    files: dict[str, list[dict]] = defaultdict(list)
    shown: dict[str, list[str]] = defaultdict(list)
    for model, row in real_rows(data):
        files[model].append(row)
        fault = find_fault(row["responses"][0], row["answer"], GSM8K_HASH)
        shown[fault.value if fault else "kept"].append(f"[{model}] gold {row['answer'][-12:]!r}\n{row['responses'][0]}")
    print(
        "| model | samples | kept | same equations | no answer | wrong answer | unreadable equation | wrong equation |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        paths = {model: Path(scratch, f"{model}.jsonl") for model in files}
        for model, path in paths.items():
            path.write_text("".join(json.dumps(row) + "\n" for row in files[model]), encoding="utf-8")
        for name, chosen in (*((model, [path]) for model, path in paths.items()), ("all five", list(paths.values()))):
            with Pool() as pool:
                for path in chosen:
                    pool.add(read_sampled(path))
                report, pairs = RftReport(), PairsReport()
                list(rft_rows(pool.questions(), report))
                list(preference_rows(pool.questions(), "wrong", pairs))
            counts = [report.samples, report.kept, report.same_equations, *report.dropped.values()]
            print(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |")
        print(f"\nall five: {report.distinct}; pairs by `wrong`: {pairs}")
    chance = random.Random(0)
    for kind, texts in shown.items():
        for text in chance.sample(texts, min(show, len(texts))):
            print(f"\n=== {kind}\n{text}")


def speed(samples: int) -> None:
    """Print the seconds of reading, of rows and of pairs, and the most memory that was used."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "samples.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for number in range(samples // PER_QUESTION):
                responses = [_solution(chance) for _ in range(PER_QUESTION)]
                row = {"question": f"question {number} {'of some words ' * 15}", "answer": _solution(chance, 10)}
                file.write(json.dumps(row | {"responses": responses}) + "\n")
        print(f"{samples:,} samples, {path.stat().st_size / 1e6:.0f} MB; {_memory():.0f} MiB before")
        with Pool() as pool:
            started = time.perf_counter()
            pool.add(read_sampled(path))
            _tell("read", samples, started)
            for name, rows in (
                ("rft", rft_rows(pool.questions(), report := RftReport())),
                ("pairs, wrong", preference_rows(pool.questions(), "wrong", PairsReport())),
            ):
                started = time.perf_counter()
                count = sum(1 for _ in rows)
                _tell(f"{name} ({count:,} rows)", samples, started)
        print(report)


def _solution(chance: random.Random, answer: int | None = None) -> str:
    a, b, c = (chance.randint(1, 5) for _ in range(3))
    answer = chance.choice([10, 10, 10, 11, 12]) if answer is None else answer
    words = " ".join(chance.choices(["so", "she", "has", "that", "many", "apples", "left", "and", "buys"], k=20))
    total = a + b
    return f" {words} <<{a}+{b}={total}>>{total} and <<{total}*{c}={total * c}>>{total * c} in all.\n#### {answer}"


def _tell(what: str, samples: int, started: float) -> None:
    seconds = time.perf_counter() - started
    print(f"{what}: {seconds:.1f} s, {samples / seconds:,.0f} samples a second; at most {_memory():.0f} MiB")


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1] == "kept":
        kept(Path(sys.argv[2]), int(sys.argv[4]) if sys.argv[3:4] == ["--show"] else 0)
    else:
        speed(int(sys.argv[2]))
