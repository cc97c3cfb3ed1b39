"""Keeps test questions, and those that test questions were made of, out of what is made of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from axolotl_cotmask.augmentation.contamination import KnownQuestions
from axolotl_cotmask.augmentation.pool import Question
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.sources import load

#: Where GSM-IC has the question that it puts an irrelevant sentence into.
_BASE = "original_question"


def refuse_test_questions(questions: Iterable[Question], tests: KnownQuestions) -> Iterator[Question]:
    """Yield the questions.

    Raises:
        CoTMaskError: as `refuse_test_question`.
    """
    for question in questions:
        refuse_test_question(question.place, question.asked.question, tests)
        yield question


def refuse_test_question(place: str, question: str, tests: KnownQuestions) -> None:
    """Check that a question is none of ``tests``: a test question counts as the same when it has the same words.

    Nearly the same is not refused here, since GSM8K's own training split has a few of these.

    Raises:
        CoTMaskError: it is one.
    """
    found = tests.same(question)
    if found is not None:
        raise CoTMaskError(
            f"{place}: is a test question ({found.place}): {question[:80]!r}: give training questions, or samples of "
            "these"
        )


def load_bases(names: Sequence[str]) -> KnownQuestions:
    """Return the questions that data sets of GSM-IC's form were made of; all of them are training questions of GSM8K.

    Raises:
        CoTMaskError: a data set cannot be had.
    """
    bases = KnownQuestions(1.0)
    for name in names:
        for number, row in enumerate(load(name), start=1):
            if row[_BASE] is not None:
                bases.add(row[_BASE], f"{name}, row {number}")
    return bases
