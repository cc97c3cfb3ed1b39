"""The case study of the Masked Thought paper (arXiv 2403.02178, Table 4) itself: Janet's ducks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.benchmarks.corrupted_step import StepCase, StepKind, converse


def janet_cases(rows: Iterable[Mapping[str, Any]]) -> tuple[StepCase, ...]:
    """Return the paper's own cases (Table 4): Janet's ducks, who lay 16 eggs, of which she eats three.

    For each n from 0 to 9 a case whose prefix has n instead of 3, and its converse, whose question has n as a word
    instead of "three". n = 3 is one of them, uncorrupted, as in the paper. Of the prefix the paper gives
    ``16 eggs/day - n eggs/day``; the words before it are ours.

    Raises:
        CoTMaskError: no row holds the question, or it does not say "three" just once.
    """
    numbered = enumerate(rows, start=1)
    asking = ((place, row) for place, row in numbered if "Janet" in row["question"] and "ducks" in row["question"])
    place, row = next(asking, (0, None))
    if row is None:
        raise CoTMaskError("no row asks about Janet's ducks, the first question of GSM8K's test split: add it")
    question = row["question"]
    threes = [match.span() for match in re.finditer(r"\bthree\b", question)]
    if len(threes) != 1:
        raise CoTMaskError(f"row {place}: the question about Janet's ducks does not say 'three' once: restore its text")
    begin = "Janet has 16 eggs/day - "
    cases = []
    for n in range(10):
        case = StepCase(
            question=question,
            prefix=f"{begin}{n} eggs/day =",
            answer=row["answer"],
            stated="3",
            replacement=str(n),
            operand=1,
            operands=2,
            step=1,
            kind=StepKind.FIRST,
            row=place,
            question_at=threes[0],
            prefix_at=(len(begin), len(begin) + 1),
        )
        cases += [case, converse(case)]
    return tuple(cases)
