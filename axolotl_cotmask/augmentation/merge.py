"""From a teacher's replies to training rows: read, compared with what is known, checked, and each loss counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from axolotl_cotmask.augmentation.contamination import KnownQuestions, Near, words
from axolotl_cotmask.augmentation.teacher import has_steps, program_in_reply, read_problem, solution_in
from axolotl_cotmask.common.chat_answers import was_cut
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import is_writable, numbered_jsonl
from axolotl_cotmask.evaluation.answers import Rule
from axolotl_cotmask.evaluation.answers.cuts import after_the_thinking

#: Runs programs, and returns what each printed; None for one that did not end well.
RunPrograms = Callable[[Sequence[str]], list[str | None]]


class Dropped(StrEnum):
    """Why a reply, or a question with all its replies, makes no row."""

    UNREADABLE = "reply that is not one question and one answer"
    CUT = "reply that was cut off"
    TEST = "question near one of a test set"
    SEED = "question near a seed"
    NO_ANSWER = "question without an answer that the rule reads"
    UNCHECKED = "question with too few answers to check"
    DISAGREEING = "question without a majority for a written answer"
    REPEATED = "question near another new one"


@dataclass(frozen=True, order=True)
class TeacherReply:
    """What a teacher wrote: about ``question`` where there is one, and a new question with its answer otherwise.

    ``key`` tells replies of the same text apart; ``cut`` is whether it was cut off; ``seed`` is the question that it
    was shown, if any.
    """

    question: str
    text: str
    key: str
    cut: bool
    seed: str


@dataclass(frozen=True, order=True)
class Vote:
    """An answer to a new question; without ``answer`` it has none. ``solution`` is empty where it is a program.

    Ordered by what is taken first of those that agree: what was written with the question.
    """

    apart: bool
    solution: str
    answer: str | None = field(compare=False)


@dataclass(frozen=True)
class Refused:
    """A new question, and the known one that it is near to."""

    question: str
    near: Near


@dataclass(frozen=True)
class Merged:
    """Training rows of ``query`` and ``response`` by their question, and what was dropped and why."""

    replies: int
    questions: int
    rows: list[dict[str, str]]
    dropped: dict[Dropped, int]
    contaminated: list[Refused]


def read_replies(path: Path) -> list[TeacherReply]:
    """Return the replies in a file of answers: what ``augment ask`` wrote, or any rows with an ``answer``.

    Raises:
        CoTMaskError: there are none, or a field is no text.
    """
    replies = []
    for number, row in numbered_jsonl(path, ("answer",)):
        texts = {}
        for name in ("question", "answer", "key", "seed_question"):
            value = row.get(name)
            if value is not None and not isinstance(value, str):
                raise CoTMaskError(f"{path}, line {number}: the field '{name}' is no text: give one, or null")
            texts[name] = (value or "").strip()
        # A teacher that thinks aloud drafts questions and answers there.
        text = after_the_thinking(texts["answer"]).strip()
        cut = was_cut(row)
        replies.append(TeacherReply(texts["question"], text, texts["key"], cut, texts["seed_question"]))
    if not replies:
        raise CoTMaskError(f"{path} holds no rows: give a file with an answer per line")
    return replies


def new_questions(replies: Iterable[TeacherReply]) -> list[str]:
    """Return the different questions in replies that hold one with its answer, sorted.

    Raises:
        CoTMaskError: there is none.
    """
    problems = (read_problem(reply.text) for reply in replies if not reply.question and not reply.cut)
    questions = sorted(filter(is_writable, {problem.question for problem in problems if problem is not None}))
    if not questions:
        raise CoTMaskError(
            "no reply holds one question and its answer, in lines that begin with 'Question:' and 'Answer:': give the "
            "teacher's replies to the rows of `augment hard`"
        )
    return questions


def merge(
    replies: Iterable[TeacherReply],
    *,
    rule: Rule,
    votes: int,
    seeds: KnownQuestions,
    tests: KnownQuestions,
    run_programs: RunPrograms,
) -> Merged:
    """Return the rows that a teacher's replies make; the order of the replies does not matter.

    A question is kept when more than half of all answers to it agree under ``rule``, and there are ``votes`` of them,
    or a written one agrees with a program's output.

    Args:
        replies: those that are the same in all are one.
        rule: reads and compares the answers.
        votes: how many answers a question needs; 1 takes the teacher's word.
        seeds: questions that new ones must not repeat; those that the replies name are added, and kept ones.
        tests: questions that new ones must not be near to.
        run_programs: is given the programs among the replies.

    Raises:
        CoTMaskError: what ``run_programs`` raises.
    """
    different = sorted(set(replies))
    dropped: Counter[Dropped] = Counter()
    for reply in different:
        if reply.seed:
            seeds.add(reply.seed, "a seed")
    by_question = _votes(different, rule, run_programs, dropped)
    rows: list[dict[str, str]] = []
    contaminated: list[Refused] = []
    made = KnownQuestions(seeds.threshold)
    for question, of_question in sorted(by_question.items()):
        if (near := tests.nearest(question)) is not None:
            contaminated.append(Refused(question, near))
            dropped[Dropped.TEST] += 1
        elif seeds.nearest(question) is not None:
            dropped[Dropped.SEED] += 1
        else:
            outcome = _checked(of_question, rule, votes)
            if not isinstance(outcome, Dropped) and made.nearest(question) is not None:
                outcome = Dropped.REPEATED
            if isinstance(outcome, Dropped):
                dropped[outcome] += 1
            else:
                made.add(question, "a new question")
                rows.append({"query": question, "response": outcome})
    return Merged(len(different), len(by_question), rows, {reason: dropped[reason] for reason in Dropped}, contaminated)


def _votes(
    replies: Sequence[TeacherReply], rule: Rule, run_programs: RunPrograms, dropped: Counter[Dropped]
) -> dict[str, list[Vote]]:
    """Return the answers to each new question."""
    by_question: dict[str, list[Vote]] = {}
    programs: list[tuple[str, str]] = []
    for reply in replies:
        question, solution = reply.question, solution_in(reply.text)
        if not question and not reply.cut and (problem := read_problem(reply.text)) is not None:
            question, solution = problem.question, problem.solution
        if not words(question) or not is_writable(question):
            dropped[Dropped.CUT if reply.cut else Dropped.UNREADABLE] += 1
            continue
        if reply.question and (program := program_in_reply(reply.text)) is not None:
            programs.append((question, program))
            continue
        answer = None if reply.cut or not is_writable(solution) else rule.extract(solution)
        by_question.setdefault(question, []).append(Vote(bool(reply.question), solution, answer))
    outputs = run_programs([program for _, program in programs])
    for (question, _), output in zip(programs, outputs, strict=True):
        answer = None if output is None else rule.extract_gold(output.strip())
        by_question.setdefault(question, []).append(Vote(True, "", answer))
    return by_question


def _checked(votes: Sequence[Vote], rule: Rule, needed: int) -> str | Dropped:
    """Return the solution that most answers agree with, or why there is none."""
    agreeing: list[list[Vote]] = []
    for vote in sorted(votes):
        if vote.answer is not None:
            group = next((group for group in agreeing if rule.equivalent(vote.answer, str(group[0].answer))), None)
            if group is None:
                agreeing.append([vote])
            else:
                group.append(vote)
    if not agreeing:
        return Dropped.NO_ANSWER
    most = max(agreeing, key=len)
    written = sorted(vote for vote in most if has_steps(vote.solution))
    by_program = any(not vote.solution for vote in most)
    if len(votes) < needed and not (by_program and written):
        return Dropped.UNCHECKED
    if 2 * len(most) <= len(votes) or not written:
        return Dropped.DISAGREEING
    return written[0].solution
