"""The questions that a student gets wrong, and their gold solutions, for a teacher (LLM2LLM, arXiv 2403.15042)."""

from __future__ import annotations

from dataclasses import dataclass

from axolotl_cotmask.augmentation.contamination import KnownQuestions
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.documents import question_text, solution_text
from axolotl_cotmask.evaluation.graded import GradedFile, GradedQuestion, answer_text

_SHOWN = 80  # characters of a question in an error


@dataclass(frozen=True)
class HardExample:
    """A question that the student got wrong, its gold solution, and what the student wrote, where one text tells."""

    question: str
    solution: str
    student_answer: str | None


def hard_examples(graded: GradedFile, tests: KnownQuestions) -> list[HardExample]:
    """Return the questions with a wrong answer, each once, in the order of the data.

    Raises:
        CoTMaskError: a question of a test set is among the questions, or a wrong one has no gold solution, or none is
            wrong.
    """
    for question in graded.questions:
        test = tests.same(question_text(question))
        if test is not None:
            raise CoTMaskError(
                f"{question.place}: the question is one of a test set ({test.place}): {test.question[:_SHOWN]!r}: "
                "evaluate the student on training questions"
            )
    wrong = [question for question in graded.concerned if not question.right]
    if not wrong:
        raise CoTMaskError(
            f"{graded.path}: none of the {len(graded.concerned)} questions was answered wrongly, so there is nothing "
            "to ask a teacher for: take more training questions"
        )
    examples: dict[str, HardExample] = {}
    for question in wrong:
        example = HardExample(question_text(question), solution_text(question), _student_answer(question))
        examples.setdefault(example.question, example)
    return list(examples.values())


def _student_answer(question: GradedQuestion) -> str | None:
    """Return what the student wrote; None where it was asked several times, or the file does not hold it."""
    try:
        return answer_text(question)
    except CoTMaskError:
        return None
