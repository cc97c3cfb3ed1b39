"""Rows of rejection-sampling fine-tuning out of samples, and the counts of the paper's Table 2 (arXiv 2308.01825)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import comb

from axolotl_cotmask.augmentation.paths import Fault, equation_list, farthest_paths, find_fault
from axolotl_cotmask.augmentation.pool import Question
from axolotl_cotmask.common.errors import CoTMaskError

#: Samples per question in Table 2.
SAMPLE_COUNTS = (1, 3, 6, 12, 25, 50, 100)


@dataclass(frozen=True)
class DistinctPaths:
    """Of ``samples`` drawn per question: distinct right paths, mean over questions.

    ``with_gold`` counts the gold solution's equations among them, as the numbers of the paper's Table 2 seem to;
    ``sampled`` are the rows that the samples add.
    """

    samples: int
    with_gold: float
    sampled: float


@dataclass
class RftReport:
    """What became of the samples.

    ``solved`` are the questions with a path that was kept; ``same_equations`` the paths of which another one with the
    same equations was kept; ``dropped`` the others by the reason. ``samples`` is the sum of all these paths.
    """

    questions: int = 0
    solved: int = 0
    samples: int = 0
    gold: int = 0
    kept: int = 0
    same_equations: int = 0
    dropped: Counter[str] = field(default_factory=lambda: Counter({fault.value: 0 for fault in Fault}))
    distinct: list[DistinctPaths] = field(default_factory=list)


def rft_rows(questions: Iterable[Question], report: RftReport) -> Iterator[dict[str, str]]:
    """Yield ``query`` and ``response``: for each question the gold solution first, then the paths that are kept.

    The gold's equations do not count for the others: a path may have the same ones. A gold without reasoning, such as a
    letter, is no row.

    Args:
        questions: of `pool.Pool.questions`.
        report: is filled meanwhile, and complete at the end.
    """
    curve = _Curve()
    for question in questions:
        asked = question.asked
        right = []
        for response in question.responses:
            fault = find_fault(response, asked.answer, asked.answer_rule)
            if fault is None:
                right.append(response.strip())
            else:
                report.dropped[fault.value] += 1
        kept = farthest_paths(right)
        gold = asked.solution
        curve.add(len(question.responses), Counter(map(equation_list, right)), gold)
        report.questions += 1
        report.solved += bool(kept)
        report.samples += len(question.responses)
        report.gold += gold is not None
        report.kept += len(kept)
        report.same_equations += len(right) - len(kept)
        for response in [*([gold] if gold is not None else []), *kept]:
            yield {"query": asked.question, "response": response}
    report.distinct = curve.means()


def check_kept(rows: Iterable[dict[str, str]], report: RftReport) -> Iterator[dict[str, str]]:
    """Yield the rows of `rft_rows`.

    Raises:
        CoTMaskError: no sample was kept.
    """
    yield from rows
    if not report.kept:
        reasons = ", ".join(f"{count} {what}" for what, count in report.dropped.items() if count)
        raise CoTMaskError(
            f"no sample of {report.questions} questions can be kept ({reasons}): sample a model that solves some, or "
            "name the rule of its answers with --answer-rule"
        )


class _Curve:
    """Adds up distinct paths over questions, for each of `SAMPLE_COUNTS` that there are samples for, and for all."""

    def __init__(self) -> None:
        # By the number of samples of a question: how many lists of equations were found so often; and how many
        # questions, and golds whose equations were not found.
        self._found: Counter[tuple[int, int]] = Counter()
        self._found_gold: Counter[tuple[int, int]] = Counter()
        self._questions: Counter[int] = Counter()
        self._golds = 0

    def add(self, samples: int, lists: Counter[str], gold: str | None) -> None:
        self._questions[samples] += 1
        self._found.update((samples, times) for times in lists.values())
        if gold is not None:
            self._golds += 1
            self._found_gold[samples, lists[equation_list(gold)]] += 1

    def means(self) -> list[DistinctPaths]:
        questions, most = self._questions.total(), max(self._questions, default=0)
        counts = sorted({*(count for count in SAMPLE_COUNTS if count < most), most} - {0})
        means = []
        for count in counts:
            sampled = _expected(self._found, count)
            others = sampled - _expected(self._found_gold, count)
            means.append(DistinctPaths(count, (others + self._golds) / questions, sampled / questions))
        return means


def _expected(found: Counter[tuple[int, int]], count: int) -> float:
    """Return how many lists are among ``count`` samples that are drawn of all of a question's, on average."""
    return sum(lists * drawn_at_least_once(samples, times, count) for (samples, times), lists in found.items())


def drawn_at_least_once(samples: int, times: int, count: int) -> float:
    """Return the probability that ``count`` of ``samples`` hold one of the ``times`` that are alike."""
    count = min(count, samples)
    return 1 - comb(samples - times, count) / comb(samples, count)


def proportions(report: RftReport) -> Sequence[tuple[str, int]]:
    """Return the samples of a report by what became of them, in words."""
    return [
        ("kept", report.kept),
        ("same equations as one that is kept", report.same_equations),
        *report.dropped.items(),
    ]
