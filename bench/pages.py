"""How large the page of `compare --html` is, and how soon it can be used.

``PYTHONPATH=tests python bench/pages.py DATA_DIR``, with what COTMASK_DATA_DIR names for the tests: it holds
gsm_ic_2step_1k.jsonl and gsm_ic_mstep_1k.jsonl, whose 2,000 questions are asked again and again, and, in generations/,
openai_gsm8k_example_solutions.jsonl, the texts that stand for the answers. It needs Chromium.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from click.testing import CliRunner
from support.browser import Browser

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.files import read_jsonl

#: GSM8K's test split, and all of GSM-IC.
SIZES = (1319, 58052)


def write_samples(path: Path, data: Path, size: int, seed: int) -> None:
    """Write lm-eval's samples of a model that is right by chance."""
    luck = random.Random(seed)
    questions = cycle(
        row for name in ("gsm_ic_2step_1k", "gsm_ic_mstep_1k") for row in read_jsonl(data / f"{name}.jsonl")
    )
    solutions = read_jsonl(data / "generations" / "openai_gsm8k_example_solutions.jsonl")
    texts = [answer["solution"] for row in solutions for answer in row.values() if isinstance(answer, dict)]
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(islice(questions, size)):
            right = luck.random() < 0.4
            chain = luck.choice(texts).rpartition("\n")[0]
            answer = f"{chain}\n#### {row['answer'] if right else luck.randrange(10_000, 99_999)}"
            sample = {"doc_id": number, "doc": row, "target": row["answer"], "filter": "none",
                      "filtered_resps": [answer], "exact_match": float(right)}  # fmt: skip
            file.write(json.dumps(sample) + "\n")


def seconds(window: Browser, action: str) -> float:
    """Return how long it takes until the page has drawn what ``action`` does, in seconds."""
    drawn = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
    timed = (
        f"(async () => {{ const begin = performance.now(); {action}; {drawn}; return performance.now() - begin; }})()"
    )
    return window.value(timed) / 1000


def click(selector: str) -> str:
    """Return JavaScript that clicks an element."""
    return f"document.querySelector({json.dumps(selector)}).click()"


def search(words: str) -> str:
    """Return JavaScript that searches for ``words``."""
    return (
        f"const box = document.getElementById('search'); box.value = {json.dumps(words)}; "
        "box.dispatchEvent(new Event('input', {bubbles: true}))"
    )


def main(data: Path) -> None:
    """Print a line for each size."""
    with tempfile.TemporaryDirectory() as name, Browser(Path(name)) as window:
        directory = Path(name)
        for size in SIZES:
            sides = [directory / f"{label}.jsonl" for label in "ab"]
            for seed, path in enumerate(sides):
                write_samples(path, data, size, seed)
            page, took = directory / "page.html", []
            for options in ((), ("--html", str(page))):
                begin = time.perf_counter()
                result = CliRunner().invoke(cotmask, ["compare", *map(str, sides), *options])
                took.append(time.perf_counter() - begin)
                assert result.exit_code == 0, result.output
            window.look()
            opened = []
            for _ in range(3):
                window.open(page)
                opened.append(int(window.value("document.documentElement.dataset.ready")) / 1000)
            acts = {
                "filter": click("[value=b]"),
                "first search": search("cards"),
                "next search": search("cards to"),
                "next sample": "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))",
            }
            times = {words: f"{seconds(window, act):.2f}" for words, act in acts.items()}
            samples = sum(path.stat().st_size for path in sides)
            print(
                f"{size:,} questions, {samples / 1e6:.1f} MB of samples, a page of {page.stat().st_size / 1e6:.1f} MB"
            )
            print(f"  compare takes {took[0]:.1f} s, with --html {took[1]:.1f} s")
            print(f"  the page can be used after {sorted(opened)[1]:.2f} s; then, in seconds: {times}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
