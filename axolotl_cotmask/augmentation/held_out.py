"""Test questions, so that none of them is trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from axolotl_cotmask.augmentation.pool import Question
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data import sources

#: Where the questions of a test set stand, of those whose base questions are training questions of GSM8K.
_BASES = {"gsm_ic_2step": "original_question", "gsm_ic_mstep": "original_question"}
_WORD = re.compile(r"\w+")


class TestQuestions:
    """The questions of test sets; ``names`` are of `data.sources.SOURCES`.

    Raises:
        CoTMaskError: a test set cannot be had.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, names: Iterable[str]) -> None:
        self._questions: dict[str, str] = {}
        self._bases: set[str] = set()
        for name in names:
            field = _BASES.get(name, "question" if "question" in sources.SOURCES[name].fields else "problem")
            for number, row in enumerate(sources.load(name), start=1):
                if name in _BASES and row[field] is not None:
                    self._bases.add(_normalised(row[field]))
                elif name not in _BASES:
                    self._questions.setdefault(_normalised(row[field]), f"{name}, row {number}")

    def check(self, questions: Iterable[Question]) -> Iterator[Question]:
        """Yield the questions.

        Raises:
            CoTMaskError: one of them is a test question, up to case, signs and spaces.
        """
        for question in questions:
            found = self._questions.get(_normalised(question.asked.question))
            if found is not None:
                raise CoTMaskError(
                    f"{question.place}: the question is a test question ({found}): "
                    f"{question.asked.question[:80]!r}: sample on training questions"
                )
            yield question

    def is_base(self, question: str) -> bool:
        """Tell whether a question is one of those that GSM-IC puts irrelevant sentences into."""
        return _normalised(question) in self._bases


def _normalised(question: str) -> str:
    return " ".join(_WORD.findall(question.casefold()))


def test_sets(names: Sequence[str]) -> list[str]:
    """Return ``names``, or none of them where ``none`` is the only one."""
    return [] if list(names) == ["none"] else list(names)
