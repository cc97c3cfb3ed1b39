"""ASDiv (Miao et al. 2020): the questions whose answer is one number, possibly with a unit behind it."""

from __future__ import annotations

import re
from typing import Any

from datasets import Dataset

from axolotl_cotmask.evaluation import tasks

_UNIT = re.compile(r"\s*\([^()]*\)$")
_NUMBER = re.compile(r"-?[\d.,]+(/\d+)?")


def load_documents(**arguments: Any) -> dict[str, Dataset]:
    """Return the questions with one number for an answer: no names, times, ratios or several numbers."""
    return tasks.load_documents("asdiv", *tasks.NUMBER, prepare=_document, **arguments)


def _document(row: dict[str, Any]) -> dict[str, Any] | None:
    answer = _UNIT.sub("", row["answer"].strip())
    if not _NUMBER.fullmatch(answer):
        return None
    return row | {
        "question": f"{row['body'].strip()} {row['question'].strip()}",
        "answer": tasks.number_text(answer),
    }
