"""Reads the verdicts on answers from JSON lines: those that lm-eval or others stored, or made by an answer rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.answers import Judgement, Rule

NumberedRows = Sequence[tuple[int, dict[str, Any]]]

#: Where a row holds its question, tried in this order, when no field is named.
QUESTION_FIELDS = ("question", "new_question", "problem", "query", "instruction", "source", "prompt")

_SHOWN = 60  # characters of a value in an error


@dataclass(frozen=True)
class Reading:
    """How the verdicts of one side are read: from the field ``metric``, or with a ``rule`` from prediction and gold.

    A field may be dotted, to reach into an object. A ``metric`` of lm-eval may name the filter, as in
    ``exact_match,strict-match``. ``question`` names the field with the question: None stands for lm-eval's whole
    document, otherwise for the first of `QUESTION_FIELDS`.
    """

    metric: str = "exact_match"
    rule: Rule | None = None
    prediction: str = ""
    gold: str = ""
    question: str | None = None


@dataclass(frozen=True)
class Item:
    """One question: where it stands, its document, and 1.0 (right), 0.0 (wrong) or None (the metric leaves it out)."""

    place: str
    document: dict[str, Any]
    right: float | None


def is_sample(row: dict[str, Any]) -> bool:
    """Tell whether a row is one of lm-eval's samples."""
    return "doc_id" in row and isinstance(row.get("doc"), dict)


def read_items(path: Path, rows: NumberedRows, reading: Reading) -> tuple[Item, ...]:
    """Return the questions with their verdicts: of lm-eval's samples by their ``doc_id``, of other rows as they stand.

    Args:
        path: the file, for errors.
        rows: its line numbers and rows, in order.
        reading: how to read the verdicts.

    Raises:
        CoTMaskError: there are no rows, or a field is missing or holds no verdict, or it is not clear which filter of
            lm-eval is meant.
    """
    if not rows:
        raise CoTMaskError(f"{path} holds no rows: give a file with one answer per line")
    first, samples = rows[0][0], is_sample(rows[0][1])
    for number, row in rows:
        if is_sample(row) != samples:
            found = "no" if samples else "a"
            raise CoTMaskError(
                f"{path}, line {number}: unlike line {first}, it is {found} sample of lm-eval: mend the file"
            )
    return tuple(_samples(path, rows, reading) if samples else _rows(path, rows, reading))


def question(item: Item, field: str | None) -> str:
    """Return the text of the question in ``field``, or where that is None in the first of `QUESTION_FIELDS`.

    Raises:
        CoTMaskError: there is no such field.
    """
    fields = [field] if field else [name for name in QUESTION_FIELDS if name in item.document]
    if not fields:
        raise CoTMaskError(
            f"{item.place}: no field holds the question (there are: {', '.join(sorted(item.document))}): name one with "
            "--question-field"
        )
    try:
        return str(_field(item.document, fields[0])).strip()
    except CoTMaskError as error:
        raise CoTMaskError(f"{item.place}: {error}") from error


def _rows(path: Path, rows: NumberedRows, reading: Reading) -> list[Item]:
    items = []
    for number, row in rows:
        item = _item(path, number, row, row, reading)
        if item.right is None:
            raise CoTMaskError(f"{item.place}: the field '{reading.metric}' is null: give true or false")
        items.append(item)
    return items


def _samples(path: Path, rows: NumberedRows, reading: Reading) -> list[Item]:
    """Return the samples of one filter, in the order of the data."""
    metric, _, wanted = reading.metric.partition(",")
    filters = sorted({str(row.get("filter")) for _, row in rows})
    if wanted not in filters and (wanted or len(filters) > 1):
        choices = " or ".join(f"{metric},{name}" for name in filters)
        mend = f"give --metric {choices}" if reading.rule is None else "keep the samples of one of them in the file"
        raise CoTMaskError(f"{path}: the filters are {', '.join(filters)}: {mend}")
    chosen = [(number, row) for number, row in rows if not wanted or row.get("filter") == wanted]
    chosen.sort(key=lambda numbered: numbered[1]["doc_id"])
    ids = [row["doc_id"] for _, row in chosen]
    if len(set(ids)) < len(ids):
        raise CoTMaskError(f"{path}: a doc_id comes twice: evaluate again, one file per evaluation")
    own = Reading(metric, reading.rule, reading.prediction, reading.gold)
    return [_item(path, number, row, row["doc"], own) for number, row in chosen]


def _item(path: Path, number: int, row: dict[str, Any], document: dict[str, Any], reading: Reading) -> Item:
    place = f"{path}, line {number}"
    try:
        return Item(place, document, _right(row, reading))
    except CoTMaskError as error:
        raise CoTMaskError(f"{place}: {error}") from error


def _right(row: dict[str, Any], reading: Reading) -> float | None:
    if reading.rule is None:
        value = _field(row, reading.metric)
        if value is None:
            return None
        if value in (Judgement.TRUE, 1):
            return 1.0
        if value in (Judgement.FALSE, Judgement.INVALID, 0):
            return 0.0
        raise CoTMaskError(
            f"the field '{reading.metric}' holds {_shown(value)}, which is no verdict: name one that holds true, "
            "false or invalid, or 1 or 0, with --metric"
        )
    prediction, gold = _field(row, reading.prediction), _field(row, reading.gold)
    if not isinstance(prediction, str):
        raise CoTMaskError(f"the field '{reading.prediction}' holds {_shown(prediction)}: give a string")
    if not isinstance(gold, (str, int, float)) or isinstance(gold, bool):
        raise CoTMaskError(f"the field '{reading.gold}' holds {_shown(gold)}: give a string or a number")
    return float(reading.rule.judge(prediction, gold) is Judgement.TRUE)


def _field(row: dict[str, Any], name: str) -> Any:
    """Return a field, which may be dotted; of a list of one, as of ``[["text"]]``, its element."""
    value: Any = row
    for part in [name] if name in row else name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise CoTMaskError(f"the field '{name}' is missing (there are: {', '.join(sorted(row))})")
        value = value[part]
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _shown(value: Any) -> str:
    return json.dumps(value)[:_SHOWN]
