"""Questions that all runs of one method solve and all of another fail (the Masked Thought paper's Tables 12, 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.comparison import find_sides, read_side
from axolotl_cotmask.evaluation.graded import GradedFile, Reading
from axolotl_cotmask.evaluation.same_questions import check_same_questions
from axolotl_cotmask.evaluation.shown import SCORED_TEXT, shown_answer, shown_question, shown_reference


@dataclass(frozen=True)
class Case:
    """A question and its reference, and the texts of both methods' runs, in the order in which these were given."""

    question: str
    reference: str
    first: Sequence[str]
    second: Sequence[str]


@dataclass(frozen=True)
class Unanimous:
    """What the runs of two methods agree on: the first and the second one named.

    ``only_first`` are the questions that all runs of the first solve and all of the second fail, ``only_second`` the
    other way round; ``both`` and ``neither`` count those that all runs of both solve, or fail. On the rest of
    ``questions`` the runs of a method do not agree.
    """

    questions: int
    only_first: Sequence[Case]
    only_second: Sequence[Case]
    both: int
    neither: int

    @property
    def split(self) -> int:
        """How many questions some runs of a method solve and others fail."""
        return self.questions - len(self.only_first) - len(self.only_second) - self.both - self.neither


def find_unanimous(
    first: Sequence[Path], second: Sequence[Path], task: str | None, reading: Reading, text_field: str = SCORED_TEXT
) -> Unanimous:
    """Find the questions on which all runs of a method agree, and the methods do not.

    Args:
        first: the runs of one method: directories or files of lm-eval's results, its samples, or any JSON lines.
        second: those of the other.
        task: the one task to take from results; None where they hold one only.
        reading: how answers are rated.
        text_field: the field with the text of an answer.

    Raises:
        CoTMaskError: a run cannot be read, comes twice, holds several tasks, or is about other questions.
    """
    files = [_read(path, task, reading) for path in (*first, *second)]
    seen: dict[Path, GradedFile] = {}
    for file in files:
        if seen.setdefault(file.path.resolve(), file) is not file:
            raise CoTMaskError(f"{file.path}: comes twice, and would count as two runs: name each run once")
        check_same_questions(files[0], file)
    rows = list(zip(*(file.concerned for file in files), strict=True))
    if not rows:
        raise CoTMaskError(f"{files[0].path}: the metric is null in every row: name another with --metric")
    agreed: dict[tuple[bool, bool], list[Case]] = {(a, b): [] for a in (True, False) for b in (True, False)}
    for row in rows:
        sides = row[: len(first)], row[len(first) :]
        verdicts = tuple({answer.right == 1.0 for answer in side} for side in sides)
        if all(len(of_side) == 1 for of_side in verdicts):
            texts = ([shown_answer(answer, text_field) for answer in side] for side in sides)
            of_first, of_second = (of_side.pop() for of_side in verdicts)
            question = shown_question(row[0], reading.question)
            agreed[of_first, of_second].append(Case(question, shown_reference(row[0]), *texts))
    return Unanimous(
        len(rows), agreed[True, False], agreed[False, True], len(agreed[True, True]), len(agreed[False, False])
    )


def _read(path: Path, task: str | None, reading: Reading) -> GradedFile:
    sides = find_sides(path, task, reading)
    if len(sides) > 1:
        raise CoTMaskError(f"{path} holds {len(sides)} tasks ({', '.join(sides)}): name one with --task")
    (side,) = sides.values()
    return read_side(side)
