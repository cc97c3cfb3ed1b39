"""Rows per second of data preparation, ours and Axolotl's, in one run: `python bench/preparation.py [rows [rounds]]`.

Our `metamath` format, marks included, and Axolotl's `alpaca` type prepare the same synthetic texts in turn, each in
one process on one thread, with Mistral-7B-v0.1's tokenizer. The texts have the lengths of six real MetaMathQA rows
(those of `metamathqa_sample.jsonl`, quoted in public files), which have 199 to 422 tokens with the prompt, 266 on
average; their words and numbers are drawn, always the same. Nothing is read from a cache: every round prepares anew.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

# One thread for both: ours hands over a thousand rows at once, which the tokenizer would spread over all cores.
os.environ.update(
    TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", AXOLOTL_DO_NOT_TRACK="1", ACCELERATE_USE_CPU="true"
)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import datasets
from axolotl.datasets import TokenizedPromptDataset
from axolotl.prompt_tokenizers import AlpacaPromptTokenizingStrategy
from axolotl.prompters import AlpacaPrompter
from datasets import Dataset, load_dataset
from support.small_tokenizers import mistral

from axolotl_cotmask.masking.datasets import PREPARED_AS
from axolotl_cotmask.masking.marks import Marking
from axolotl_cotmask.prompt_strategies import metamath
from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy
from axolotl_cotmask.training.preparation import mark_dataset

SEQUENCE_LEN = 1024
#: Rows and rounds.
DEFAULTS = (100_000, 3)
#: Characters of the query's first line, of its second line and of the response in the six real rows.
LENGTHS = [(153, 0, 418), (206, 0, 294), (183, 0, 353), (213, 0, 308), (265, 93, 725), (112, 91, 429)]
_WORDS = (
    "the of a each is cost total many how number are there what if apples books dollars hours x miles per week more "
    "than she he bought sold equation points distance answer therefore multiply divide altogether remaining"
)
_SIGNS = [" = ", " + ", " * ", ". ", ", ", " $", ".\n"]


def text(draw: random.Random, length: int) -> str:
    """Return words, numbers and signs of about ``length`` characters."""
    drawn = ""
    while len(drawn) < length:
        words = " ".join(draw.choices(_WORDS.split(), k=4))
        drawn += f"{words} {draw.randint(1, 2000)}{draw.choice(_SIGNS)}"
    return drawn[:length].strip()


def write_rows(directory: Path, rows: int) -> tuple[Path, Path]:
    """Write the rows as MetaMathQA has them and, with the same texts, as Alpaca has them."""
    draw = random.Random(0)
    ours, theirs = directory / "metamath.jsonl", directory / "alpaca.jsonl"
    with ours.open("w", encoding="utf-8") as first, theirs.open("w", encoding="utf-8") as second:
        for _ in range(rows):
            instruction, rest, response = (text(draw, length) if length else "" for length in draw.choice(LENGTHS))
            instruction, rest = instruction.replace("\n", " "), rest.replace("\n", " ")
            query = f"{instruction}\n{rest}" if rest else instruction
            first.write(json.dumps({"query": query, "response": response}) + "\n")
            second.write(json.dumps({"instruction": instruction, "input": rest, "output": response}) + "\n")
    return ours, theirs


def main() -> None:
    """Time the two in turn, round by round, and print the rates and their ratio."""
    rows, rounds = (int(given) for given in [*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :]])
    datasets.disable_caching()
    datasets.disable_progress_bars()
    tokenizer = mistral()
    strategy = MarkedStrategy(
        row_format=metamath.ROW_FORMAT,
        tokenizer=tokenizer,
        dataset_path="metamath.jsonl",
        protect=frozenset(),
        sequence_len=SEQUENCE_LEN,
        excess_length_strategy=None,
    )
    alpaca = AlpacaPromptTokenizingStrategy(AlpacaPrompter(), tokenizer, False, SEQUENCE_LEN)

    def ours(dataset: Dataset, weight: float = 1.0) -> Dataset:
        marking = Marking(weight=weight, sha256=None, scope="target", select=None, group=None)
        entry: dict[str, Any] = {"path": "metamath.jsonl", PREPARED_AS: asdict(marking)}
        return mark_dataset(strategy.wrap_dataset(dataset, process_count=1), entry, tokenizer, 1)

    with tempfile.TemporaryDirectory() as directory:
        marked, plain = (
            load_dataset("json", data_files=str(path), cache_dir=directory, split="train")
            for path in write_rows(Path(directory), rows)
        )
        parts: dict[str, Callable[[], Any]] = {
            "Axolotl's alpaca": lambda: TokenizedPromptDataset(alpaca, plain, process_count=1),
            "ours": lambda: ours(marked),
            "ours, with a mask_ratio of its own": lambda: ours(marked, 0.5),
        }
        rates: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(rounds):
            for name, part in parts.items():
                started = time.perf_counter()
                prepared = part()
                rates[name].append(rows / (time.perf_counter() - started))
            shown = [f"{name} {last[-1]:.0f} rows/s" for name, last in rates.items()]
            ratio = rates["ours"][-1] / rates["Axolotl's alpaca"][-1]
            print(f"{', '.join(shown)}; ours / Axolotl's {ratio:.2f}", flush=True)
    first = prepared[:1000]["input_ids"]
    print(f"{sum(map(len, first)) / len(first):.0f} tokens a row")
    base = statistics.median(rates["Axolotl's alpaca"])
    print(f"{rows} rows, one process, one thread, median of {rounds}")
    for name, values in rates.items():
        print(
            f"{name:36s}{statistics.median(values):8.0f} rows/s   {statistics.median(values) / base:6.2f} of Axolotl's"
        )


if __name__ == "__main__":
    main()
