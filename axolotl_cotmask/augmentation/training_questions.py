"""Training questions with their golds: of a data set that the ``cotmask_sample_*`` tasks know, or of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from axolotl_cotmask.augmentation.forms import FORMS
from axolotl_cotmask.augmentation.samples import Asked, read_asked
from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.files import numbered_jsonl
from axolotl_cotmask.data.sources import SOURCES, load
from axolotl_cotmask.evaluation.benchmarks.sampling import TRAINING_SETS, document_of
from axolotl_cotmask.evaluation.results import AnswerRow

_SHOWN = 60  # characters of a gold in an error

#: A question with its gold, and where it stands.
Placed = tuple[str, Asked]


def training_questions(source: str) -> Iterator[Placed]:
    """Yield the questions of a training set, or of a file of JSON lines as `samples.read_asked` reads them.

    Raises:
        CoTMaskError: there is no such set or file, or it is no training set, or a row is broken.
    """
    row = None
    for row in _rows(source):
        yield row.place, read_asked(row)
    if row is None:
        raise CoTMaskError(f"{source} holds no rows: give a file with a question and its answer per line")


def _rows(source: str) -> Iterator[AnswerRow]:
    if source in TRAINING_SETS:
        document = document_of(source)
        for number, row in enumerate(load(source), start=1):
            place = f"{source}, row {number}"
            try:
                yield AnswerRow(place, document(row))
            except CoTMaskError as error:
                raise CoTMaskError(f"{place}: {error}") from error
    elif source in SOURCES:
        raise CoTMaskError(f"{source} is no training set: name one of {', '.join(TRAINING_SETS)}, or a file")
    elif Path(source).exists():
        for number, row in numbered_jsonl(Path(source)):
            yield AnswerRow(f"{source}, line {number}", row)
    else:
        raise CoTMaskError(f"{source}: is no file, and no training set that is known{closest(source, TRAINING_SETS)}")


def each_once(questions: Iterable[Placed]) -> dict[str, Placed]:
    """Return the questions by their text, in their order, each once.

    Raises:
        CoTMaskError: one has two golds or answer rules, or one whose answers no training data state (`forms.FORMS`).
    """
    found: dict[str, Placed] = {}
    for place, asked in questions:
        if asked.rule not in FORMS:
            raise CoTMaskError(
                f"{place}: demonstrations cannot be written for the answer rule {asked.rule}: give one of "
                f"{', '.join(FORMS)} as its answer_rule"
            )
        first_place, first = found.setdefault(asked.question, (place, asked))
        if (first.answer, first.rule) != (asked.answer, asked.rule):
            both = " and ".join(f"{each.answer[-_SHOWN:]!r} by {each.rule}" for each in (asked, first))
            raise CoTMaskError(f"{place}, and {first_place}: the gold of one question is {both}: mend one of the rows")
    return found
