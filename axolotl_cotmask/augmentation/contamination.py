"""Whether a question is nearly one that is known: of a test set, of the seeds, or one just made."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.files import numbered_jsonl
from axolotl_cotmask.data.sources import SOURCES, load
from axolotl_cotmask.evaluation.benchmarks.multiple_choice import as_asked
from axolotl_cotmask.evaluation.documents import question_text
from axolotl_cotmask.evaluation.results import AnswerRow

#: Above this a question counts as one of a test set. Of GSM8K's 7,473 training questions 3 are so near to one of its
#: test split: the same text with other numbers and names.
TEST_SIMILARITY = 0.8
#: Above this a question counts as a seed, or one that is there already (LLM2LLM's released code).
SEED_SIMILARITY = 0.95

# Scripts without spaces between words count by the character.
_NO_SPACES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W_{_NO_SPACES}]+")
#: They are not seen, and would cut words.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def words(text: str) -> list[str]:
    """Return what a text is compared by: its words and numbers, whatever their case and the signs between them."""
    return _WORD.findall(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold())


@dataclass(frozen=True)
class Near:
    """A known question that another one is near to, where it stands, and how near: 1 is the same."""

    similarity: float
    question: str
    place: str


class KnownQuestions:
    """Questions that a new one must not be near to.

    Similarity is ROUGE-L's F-measure on `words`. With ``contained`` it is at least the share of the known question that
    the new one has in its order, so that a known one with more text around it is found.
    """

    def __init__(self, threshold: float, contained: bool = False) -> None:
        """Begin without questions; those above ``threshold`` (0 to 1) are near."""
        self.threshold = threshold
        self.contained = contained
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}

    def __len__(self) -> int:
        """Return how many different questions are known."""
        return len(self._known)

    def add(self, question: str, place: str) -> None:
        """Add a question that stands at ``place``; one without words is near to none."""
        found = words(question)
        if found:
            self._known.setdefault(tuple(found), (question, place))

    def same(self, question: str) -> Near | None:
        """Return the known question with the same words, or None."""
        known = self._known.get(tuple(words(question)))
        return None if known is None else Near(1.0, *known)

    def nearest(self, question: str) -> Near | None:
        """Return the nearest known question if it is near, the first by its words of equally near ones; else None."""
        if (same := self.same(question)) is not None or not self._known:
            return same
        found, others = words(question), list(self._known)
        lengths = np.array([len(known) for known in others])
        (common,) = process.cdist([found], others, scorer=LCSseq.similarity, dtype=np.int32)
        similarities = 2 * common / (len(found) + lengths)
        if self.contained:
            similarities = np.maximum(similarities, common / lengths)
        highest = similarities.max()
        if highest <= self.threshold:
            return None
        nearest = min(others[number] for number in np.flatnonzero(similarities == highest))
        return Near(float(highest), *self._known[nearest])


def load_test_questions(tests: Sequence[str], threshold: float = TEST_SIMILARITY) -> KnownQuestions:
    """Return the questions of test sets; each is a name of `data.sources.SOURCES`, or a file of JSON lines.

    Raises:
        CoTMaskError: there is no such set, or it cannot be read, or a row holds no question.
    """
    known = KnownQuestions(threshold, contained=True)
    add_questions(known, tests)
    return known


def add_questions(known: KnownQuestions, sources: Sequence[str]) -> None:
    """Add the questions of data sets, each as in `load_test_questions`.

    Raises:
        CoTMaskError: there is no such set, or it cannot be read, or a row holds no question.
    """
    for source in sources:
        row = None
        for row in _rows(source):
            known.add(question_text(row), row.place)
        if row is None:
            raise CoTMaskError(f"{source} holds no rows: name a file with questions")


def _rows(source: str) -> Iterator[AnswerRow]:
    if source in SOURCES:
        for number, row in enumerate(load(source), start=1):
            yield AnswerRow(f"{source}, row {number}", as_asked(source, row))
    elif Path(source).exists():
        for number, row in numbered_jsonl(Path(source)):
            yield AnswerRow(f"{source}, line {number}", row)
    else:
        raise CoTMaskError(f"{source}: is no file, and no data set that is known{closest(source, SOURCES)}")
