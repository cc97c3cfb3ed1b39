"""Answers judged per second, exact and robust, on one core: ``python bench/scoring.py DATA_DIR``.

DATA_DIR is what COTMASK_DATA_DIR names for the tests: it holds math500.jsonl and, in generations/,
openai_gsm8k_example_solutions.jsonl. The rules are timed in turn, three times each, and the median counts.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import (
    GSM8K_HASH,
    MAMMOTH_MATH,
    MATH_BOXED,
    METAMATH_MATH,
    OPENAI_GSM8K,
    ROBUST_MATH,
    ROBUST_NUMBER,
    Rule,
)

ROUNDS = 3


def per_second(rule: Rule, pairs: Sequence[tuple[str, str]]) -> float:
    """Return how many of ``pairs`` (generation, gold) the rule judges in a second."""
    started = time.perf_counter()
    for generation, gold in pairs:
        rule.judge(generation, gold)
    return len(pairs) / (time.perf_counter() - started)


def main(data: Path) -> None:
    """Print a table: rule, texts, judged per second."""
    solutions = list(read_jsonl(data / "generations" / "openai_gsm8k_example_solutions.jsonl"))
    gsm8k = [
        (output["solution"], row["ground_truth"])
        for row in solutions
        for output in row.values()
        if isinstance(output, dict)
    ]
    hashes = [(generation.replace("\nA: ", "\n#### "), gold.replace("\nA: ", "\n#### ")) for generation, gold in gsm8k]
    problems = list(read_jsonl(data / "math500.jsonl"))
    # Each problem's solution against its own answer and the next one's: right and wrong ones in equal parts.
    answers = [row["answer"] for row in problems]
    boxed = [
        (row["solution"], gold)
        for row, own, other in zip(problems, answers, answers[1:] + answers[:1], strict=True)
        for gold in (own, other)
    ]
    stated = [(f"{text} The answer is: {answers[i // 2]}", gold) for i, (text, gold) in enumerate(boxed)]
    rules = [
        (GSM8K_HASH, "GSM8K, four models", hashes),
        (OPENAI_GSM8K, "GSM8K, four models", gsm8k),
        (ROBUST_NUMBER, "GSM8K, four models", gsm8k),
        (MATH_BOXED, "MATH-500, solutions", boxed),
        (METAMATH_MATH, "MATH-500, solutions", stated),
        (MAMMOTH_MATH, "MATH-500, solutions", boxed),
        (ROBUST_MATH, "MATH-500, solutions", boxed),
    ]
    # The process of Math-Verify starts with the first answer that needs it.
    ROBUST_MATH.judge("\\boxed{x+1}", "1+x")
    rates: dict[str, list[float]] = {rule.name: [] for rule, _, _ in rules}
    for _ in range(ROUNDS):
        for rule, _, pairs in rules:
            rates[rule.name].append(per_second(rule, pairs))
    print("| rule | texts | judged per second |\n|---|---|---:|")
    for rule, name, pairs in rules:
        print(f"| `{rule.name}` | {name} ({len(pairs):,}) | {statistics.median(rates[rule.name]):,.0f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
