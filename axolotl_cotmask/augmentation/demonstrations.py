"""A teacher's answers to training questions as demonstrations, the first stage of Self-Refine (arXiv 2405.00402).

Kept are the answers that the ground truths reward, in the form in which the training data state an answer. The paper's
prompts and filters are not known: docs/augmentation.md says what is ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from axolotl_cotmask.augmentation.forms import FORMS, AnswerForm
from axolotl_cotmask.augmentation.reasoning import is_answer_alone, is_reasoning, states_answer
from axolotl_cotmask.augmentation.samples import Asked, read_asked
from axolotl_cotmask.augmentation.training_questions import each_once
from axolotl_cotmask.common.chat_answers import was_cut
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import is_writable, numbered_jsonl
from axolotl_cotmask.evaluation.answers import Judgement
from axolotl_cotmask.evaluation.answers.cuts import about_the_question, after_the_thinking
from axolotl_cotmask.evaluation.results import AnswerRow

# What leads to an answer on a line of its own: a heading, the opening of a formula or a block.
_LEADS_TO_ANSWER = re.compile(r"\W*(?:(?:so|thus|hence|therefore|the|final|correct|answer|is)\b\W*)*", re.IGNORECASE)


class Dropped(StrEnum):
    """Why a teacher's answer is no demonstration."""

    CUT = "cut off"
    NO_ANSWER = "no answer can be read"
    WRONG = "wrong answer"
    NO_REASONING = "right, without reasoning before the answer"
    FORM = "right, but in the form of the data it would be read otherwise"
    MORE = "right, but others of its question are kept"


@dataclass(frozen=True)
class TeacherAnswer:
    """What a teacher wrote about a training question; ``cut`` is whether it was cut off."""

    place: str
    asked: Asked
    text: str
    cut: bool


@dataclass(frozen=True)
class Demonstrations:
    """Rows of ``query`` and ``response`` in the order of their texts, and what became of the different answers.

    ``solved`` are the questions with a row.
    """

    questions: int
    solved: int
    answers: int
    rows: list[dict[str, str]]
    dropped: dict[Dropped, int]


def read_teacher_answers(path: Path) -> list[TeacherAnswer]:
    """Return the answers in a file of ``augment ask``, or of any rows with ``question``, ``gold`` and ``answer``.

    ``answer_rule`` is `GSM8K_HASH` where a row names none.

    Raises:
        CoTMaskError: there are none, or a row has no question or gold, or its answer is no text.
    """
    answers = []
    for number, row in numbered_jsonl(path, ("question", "gold", "answer")):
        place = f"{path}, line {number}"
        text = "" if row["answer"] is None else row["answer"]
        if not isinstance(text, str):
            raise CoTMaskError(f"{place}: the field 'answer' is no text: give one, or null")
        # Whatever else came along with the question is not lm-eval's.
        fields = {name: row.get(name) for name in ("question", "gold", "answer_rule")}
        asked = read_asked(AnswerRow(place, fields), gold="gold")
        answers.append(TeacherAnswer(place, asked, text, was_cut(row)))
    if not answers:
        raise CoTMaskError(f"{path} holds no rows: give a file with an answer per line")
    return answers


def demonstrations(answers: Sequence[TeacherAnswer], most: int) -> Demonstrations:
    """Return the demonstrations in ``answers``, whose order does not matter; the same text twice is one answer.

    Args:
        answers: to any questions.
        most: of one question; the shortest are kept, since a row that is longer than ``sequence_len`` is lost.

    Raises:
        CoTMaskError: as `training_questions.each_once`.
    """
    questions = each_once((answer.place, answer.asked) for answer in answers)
    different = sorted({(answer.asked.question, answer.text, answer.cut) for answer in answers})
    responses: dict[str, set[str]] = {question: set() for question in questions}
    dropped: Counter[Dropped] = Counter()
    for question, text, cut in different:
        outcome = Dropped.CUT if cut else demonstration(text, questions[question][1])
        if isinstance(outcome, Dropped):
            dropped[outcome] += 1
        elif outcome in responses[question]:
            dropped[Dropped.MORE] += 1
        else:
            responses[question].add(outcome)
    rows = []
    for question, found in sorted(responses.items()):
        kept = sorted(found, key=lambda response: (len(response), response))[:most]
        dropped[Dropped.MORE] += len(found) - len(kept)
        rows += [{"query": question, "response": response} for response in kept]
    return Demonstrations(
        len(questions),
        len({row["query"] for row in rows}),
        len(different),
        rows,
        {reason: dropped[reason] for reason in Dropped},
    )


def demonstration(text: str, asked: Asked) -> str | Dropped:
    """Return a teacher's ``text`` with its answer as the training data state it, or why it is dropped.

    The line that states the answer, with what follows it, is replaced; without such a line one is added. All rules that
    score the trained model must read the right answer from the result.
    """
    form = FORMS[asked.rule]
    text = after_the_thinking(text).strip()
    reads = form.reads.about(asked.question)
    judgement = reads.judge(text, asked.answer) if is_writable(text) else Judgement.INVALID
    if judgement is not Judgement.TRUE:
        return Dropped.NO_ANSWER if judgement is Judgement.INVALID else Dropped.WRONG
    reasoning, stated = _before_the_answer(text, asked, form), form.stated(asked.answer)
    if not is_reasoning(reasoning):
        return Dropped.NO_REASONING
    whole = f"{reasoning}\n{stated}"
    # Where another question follows the solution, what is about this one ends before the last line.
    ends_there = about_the_question(whole).endswith(about_the_question(stated))
    right = all(rule.judge(whole, asked.answer) is Judgement.TRUE for rule in form.scores)
    return whole if ends_there and right else Dropped.FORM


def _before_the_answer(text: str, asked: Asked, form: AnswerForm) -> str:
    """Return what stands before the last line that does nothing but state the right answer; else all of ``text``."""
    lines = text.splitlines()
    for place in reversed(range(len(lines))):
        line = lines[place]
        stated = is_answer_alone(line) and (states_answer(line) or place == len(lines) - 1)
        if stated and form.reads.judge(line, asked.answer) is Judgement.TRUE:
            while place and _LEADS_TO_ANSWER.fullmatch(lines[place - 1]):
                place -= 1
            return "\n".join(lines[:place]).rstrip()
    return text
