"""Scores generations by an answer rule."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl
from axolotl_cotmask.evaluation.answers import Judgement, Rule


@dataclass(frozen=True)
class Score:
    """Counts over the rows of a file. An invalid generation is a wrong one: accuracy is ``correct / n``."""

    n: int
    correct: int
    invalid: int

    @property
    def accuracy(self) -> float:
        """The share of rows that are right, from 0 to 1."""
        return self.correct / self.n


def score_file(path: Path, rule: Rule, prediction_field: str, gold_field: str) -> Score:
    """Score every row of a JSON-lines file of generations.

    A field holds its value or a list of exactly that one value, as lm-eval's ``filtered_resps`` and the authors' output
    files do. A prediction is a string, a gold a string or a number.

    Raises:
        CoTMaskError: the file is empty, a line or a field is missing or broken, or a gold holds no readable answer.
    """
    verdicts: Counter[Judgement] = Counter()
    for number, row in numbered_jsonl(path, (prediction_field, gold_field)):
        try:
            prediction = _one(row[prediction_field], prediction_field, (str,))
            gold = _one(row[gold_field], gold_field, (str, int, float))
            verdicts[rule.judge(prediction, gold)] += 1
        except CoTMaskError as error:
            raise CoTMaskError(f"{path}, line {number}: {error}") from error
    if not verdicts:
        raise CoTMaskError(f"{path} holds no rows: give a JSON-lines file with one generation per line")
    return Score(verdicts.total(), verdicts[Judgement.TRUE], verdicts[Judgement.INVALID])


def check_golds(golds: Iterable[str | float], rule: Rule, place: str) -> None:
    """Check that ``rule`` reads an answer from every gold, so that a broken one shows before hours of generation.

    Raises:
        CoTMaskError: it reads none; the sentence names ``place`` and the row, counted from 1.
    """
    for number, gold in enumerate(golds, start=1):
        try:
            rule.gold_answer(gold)
        except CoTMaskError as error:
            raise CoTMaskError(f"{place}, row {number}: {error}") from error


def _one(value: Any, field: str, types: tuple[type, ...]) -> Any:
    wanted = "a string" if types == (str,) else "a string or a number"
    if isinstance(value, list):
        if len(value) != 1:
            raise CoTMaskError(f"the field '{field}' holds a list of {len(value)}: give {wanted}, or a list of one")
        value = value[0]
    # JSON's true is an int in Python.
    if not isinstance(value, types) or isinstance(value, bool):
        raise CoTMaskError(f"the field '{field}' holds {json.dumps(value)[:60]}: give {wanted}, or a list of one")
    return value
