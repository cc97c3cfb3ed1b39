"""Preference pairs for DPO out of samples, by three rules; docs/augmentation.md says whose they are.

``cot``: a right answer with reasoning over an answer without (a reading of Self-Refine Instruction-tuning, arXiv
2405.00402).
``answer``: a right final answer over a wrong one. ``wrong``: right over wrong reasoning, the least similar first
(DPO-ST, arXiv 2407.18248).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import product

from axolotl_cotmask.augmentation.pool import Question
from axolotl_cotmask.augmentation.reasoning import has_reasoning, is_answer_alone, without_reasoning
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.evaluation.answers import Judgement

#: Above this similarity a sample is the same as another one (DPO-ST).
SAME = 0.7
#: Pairs of a question (DPO-ST).
MOST_PAIRS = 3

Pair = tuple[str, str]


@dataclass(frozen=True)
class Candidates:
    """The texts of a question by what they are, each once and in order; ``gold`` is the reference solution, if any.

    ``direct`` are the answers without reasoning, right or wrong (`is_answer_alone`).
    """

    gold: str | None
    right: Sequence[str]
    wrong: Sequence[str]
    direct: Sequence[str]
    #: The final answer of each wrong text.
    answers: Mapping[str, str]


@dataclass
class PairsReport:
    """What became of questions and samples.

    ``skipped`` are the questions without a pair by the reason; ``samples`` all texts by what they were.
    ``rejected_right`` are pairs of the rule ``cot`` whose rejected answer is right: it lacks the reasoning only.
    """

    questions: int = 0
    pairs: int = 0
    rejected_right: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)


def preference_rows(
    questions: Iterable[Question],
    rule: str,
    report: PairsReport,
    most: int = MOST_PAIRS,
    cut: bool = False,
    leave_out: Callable[[str], bool] = lambda question: False,
) -> Iterator[dict[str, str]]:
    """Yield ``prompt``, ``chosen`` and ``rejected``.

    The prompt is the text that the model was asked; chosen and rejected begin as the targets of its training do, and
    have no EOS, which the trainer adds. A sample without an answer that can be read is in no pair.

    Args:
        questions: of `pool.Pool.questions`.
        rule: of `RULES`.
        report: is filled meanwhile.
        most: pairs of a question at most.
        cut: answers without reasoning are those of the samples with the reasoning cut off, and not sampled ones.
        leave_out: tells questions that no pair is made of.

    Raises:
        CoTMaskError: a gold cannot be read.
    """
    for question in questions:
        report.questions += 1
        if leave_out(question.asked.question):
            report.skipped["base question of GSM-IC"] += 1
            continue
        candidates = _candidates(question, report, cut)
        pairs = RULES[rule](candidates, most)
        if not pairs:
            report.skipped[_reason(rule, candidates)] += 1
        start = SEPARATOR if question.asked.prompt == alpaca_prompt(question.asked.question) else ""
        for chosen, rejected in pairs:
            report.pairs += 1
            if question.asked.answer_rule.judge(rejected, question.asked.answer) is Judgement.TRUE:
                report.rejected_right += 1
            yield {"prompt": question.asked.prompt, "chosen": start + chosen, "rejected": start + rejected}


def check_any(rows: Iterable[dict[str, str]], report: PairsReport) -> Iterator[dict[str, str]]:
    """Yield the rows of `preference_rows`.

    Raises:
        CoTMaskError: there are none.
    """
    yield from rows
    if not report.pairs:
        reasons = ", ".join(f"{count} with {what}" for what, count in report.skipped.items())
        raise CoTMaskError(
            f"{report.questions} questions give no pair ({reasons}): give more samples, or another --answer-rule"
        )


def _candidates(question: Question, report: PairsReport, cut: bool) -> Candidates:
    asked = question.asked
    by_judgement: dict[Judgement, list[str]] = {judgement: [] for judgement in Judgement}
    answers = {}
    for text in sorted({response.strip() for response in question.responses}):
        judgement = asked.answer_rule.judge(text, asked.answer)
        by_judgement[judgement].append(text)
        answers[text] = asked.answer_rule.extract(text) or ""
    answered = [without_reasoning(text) or "" for text in answers] if cut else question.direct
    direct = []
    for text in sorted({answer.strip() for answer in answered}):
        judgement = asked.answer_rule.judge(text, asked.answer)
        if judgement is not Judgement.INVALID and is_answer_alone(text):
            direct.append(text)
    report.samples.update({str(judgement): len(texts) for judgement, texts in by_judgement.items()})
    report.samples["direct"] += len(direct)
    return Candidates(asked.solution, by_judgement[Judgement.TRUE], by_judgement[Judgement.FALSE], direct, answers)


def _by_cot(candidates: Candidates, most: int) -> list[Pair]:
    """Pair right samples with reasoning and direct answers one by one; the shorter list begins again."""
    return _one_by_one([text for text in candidates.right if has_reasoning(text)], candidates.direct, most)


def _by_answer(candidates: Candidates, most: int) -> list[Pair]:
    """Pair right samples with wrong ones one by one: each wrong final answer once, the most frequent first."""
    wrong = candidates.wrong
    counts = Counter(candidates.answers[text] for text in wrong)
    first = {candidates.answers[text]: text for text in reversed(wrong)}
    answers = sorted(first, key=lambda answer: (-counts[answer], answer))
    return _one_by_one(candidates.right, [first[answer] for answer in answers], min(most, len(answers)))


def _one_by_one(chosen: Sequence[str], rejected: Sequence[str], most: int) -> list[Pair]:
    if not chosen or not rejected:
        return []
    count = min(most, max(len(chosen), len(rejected)))
    return [(chosen[place % len(chosen)], rejected[place % len(rejected)]) for place in range(count)]


def _by_wrong(candidates: Candidates, most: int) -> list[Pair]:
    """Pair right with wrong samples as DPO-ST does, the gold among the right ones: the least similar first."""
    right = without_similar([*([candidates.gold] if candidates.gold is not None else []), *candidates.right])
    wrong = without_similar(candidates.wrong)
    nearness = {
        (chosen, rejected): jaccard(words_chosen, words_rejected)
        for (chosen, words_chosen), (rejected, words_rejected) in product(right.items(), wrong.items())
    }
    return nsmallest(most, nearness, key=nearness.__getitem__)


def without_similar(texts: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the texts, with their words, without those whose similarity to one before them is above `SAME`."""
    kept: dict[str, frozenset[str]] = {}
    for text in texts:
        words = frozenset(text.split())
        if all(jaccard(words, others) <= SAME for others in kept.values()):
            kept[text] = words
    return kept


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share that two sets of words have in common, from 0 to 1; 1 for two empty ones."""
    shared = len(a & b)
    union = len(a) + len(b) - shared
    return shared / union if union else 1.0


def _reason(rule: str, candidates: Candidates) -> str:
    if rule == "wrong":
        return "no wrong answer" if not candidates.wrong else "no right answer"
    if not candidates.right:
        return "no right answer"
    if rule == "answer":
        return "no wrong answer"
    return "no answer without reasoning" if not candidates.direct else "no right answer with reasoning"


#: The rules by name: the pairs of a question's candidates, at most so many.
RULES: Mapping[str, Callable[[Candidates, int], list[Pair]]] = {
    "cot": _by_cot,
    "answer": _by_answer,
    "wrong": _by_wrong,
}
