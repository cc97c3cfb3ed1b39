"""What the lm-eval tasks share: checked documents, an exact and a robust rating, aggregations over parts.

lm-eval finds a task's functions only in files beside its YAML, so `evaltasks` has thin ones that call these. A document
has ``question`` and ``answer``, the gold, besides the fields of its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.data.sources import load
from axolotl_cotmask.evaluation import signature as signatures
from axolotl_cotmask.evaluation.answers import GSM8K_HASH, MATH_BOXED, ROBUST_NUMBER, Judgement, Rule
from axolotl_cotmask.evaluation.answers.cuts import after_the_thinking

if TYPE_CHECKING:
    from datasets import Dataset

Row = dict[str, Any]

#: The exact and the robust rule of the tasks for models that were trained on GSM8K's solutions.
NUMBER = (GSM8K_HASH, ROBUST_NUMBER)

_MATH_LEVELS = ("level_1", "level_2", "level_3", "level_4", "level_5")


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def load_documents(
    source: str,
    *rules: Rule,
    prepare: Callable[[Row], Row | None] = dict,
    signature: dict[str, Any] | None = None,
    **_: Any,
) -> dict[str, Dataset]:
    """Return the documents of the data set ``source``, after checking that every rule can read every gold.

    ``prepare`` makes a document of a row, or None of a row that is no question of the task; ``signature``, in the
    task's metadata, is filled. lm-eval also passes the rest of the metadata and the model's arguments, which do not
    matter here.

    Raises:
        SystemExit: the data are missing or broken; its message is the one sentence that says what to mend.
    """
    from datasets import Dataset

    documents = []
    for number, row in enumerate(load(source), start=1):
        try:
            document = prepare(row)
            if document is not None:
                for rule in rules:
                    rule.gold_answer(document["answer"])
                documents.append(document)
        except CoTMaskError as error:
            raise CoTMaskError(f"{source}, row {number}: {error}") from error
    if not documents:
        raise CoTMaskError(f"{source} holds no question that the task can score: check the file")
    signatures.record(signature, source=source, rows=documents)
    return {"test": Dataset.from_list(documents)}


def check_golds(golds: Iterable[str | float], rule: Rule, place: str) -> None:
    """Check that ``rule`` reads an answer from every gold, so that a broken one shows before hours of generation.

    Raises:
        CoTMaskError: it reads none; the sentence names ``place`` and the row, counted from 1.
    """
    for number, gold in enumerate(golds, start=1):
        try:
            rule.gold_answer(gold)
        except CoTMaskError as error:
            raise CoTMaskError(f"{place}, row {number}: {error}") from error


def load_math_documents(source: str, gold: str, *rules: Rule, **arguments: Any) -> dict[str, Dataset]:
    """Return the problems of a copy of MATH, whose field ``gold`` holds a reference solution or the answer alone.

    Raises:
        SystemExit: as for `load_documents`.
    """
    return load_documents(source, *rules, prepare=math_document(gold), **arguments)


def math_document(gold: str) -> Callable[[Row], Row]:
    """Return what makes a document of a problem of MATH, whose field ``gold`` is as in `load_math_documents`."""
    return lambda row: row | {"question": row["problem"], "answer": _math_gold(str(row[gold]))}


def _math_gold(solution: str) -> str:
    r"""Return the answer of a reference solution, or of the answer alone; some write ``\boxed 5``.

    Raises:
        CoTMaskError: there is none, or its box is empty or not closed, so that any answer would be a guess.
    """
    boxed = "\\boxed" in solution or "\\fbox" in solution
    if boxed and not MATH_BOXED.extract(solution) and "\\boxed " not in solution:
        raise CoTMaskError(f"the box of the gold {solution[-60:]!r} is empty or not closed: mend the solution")
    return MATH_BOXED.gold_answer(solution)


def by_level(doc: Row, metrics: dict[str, float]) -> dict[str, float | None]:
    """Return the ``metrics`` of a document of `load_math_documents`, by its level too."""
    level = str(doc["level"]).removeprefix("Level ")
    return by_part(metrics, f"level_{level}", _MATH_LEVELS)


def scores(
    prediction: str, gold: str | float, exact: Rule, robust: Rule, question: str | None = None
) -> dict[str, float]:
    """Return the metrics of one answer to ``question``; ``invalid`` is 1 where the exact rule finds none in it."""
    rating = exact.judge(prediction, gold)
    return {
        "exact_match": float(rating is Judgement.TRUE),
        "robust_match": float(robust.about(question).judge(prediction, gold) is Judgement.TRUE),
        "invalid": float(rating is Judgement.INVALID),
    }


def scores_after_thinking(
    prediction: str, gold: str | float, exact: Rule, robust: Rule, question: str | None = None
) -> dict[str, float]:
    """Return the metrics of what follows a model's thinking; thinking that does not end has no answer after it."""
    return scores(after_the_thinking(prediction), gold, exact, robust, question)


def by_part(metrics: dict[str, float], part: str, parts: Iterable[str]) -> dict[str, float | None]:
    """Return ``metrics`` and an ``exact_match_<part>`` for each of ``parts``: None but for the document's own ``part``.

    Every document returns every metric: lm-eval gathers the ranks of a multi-GPU run metric by metric, and needs the
    same ones on each.
    """
    return metrics | {f"exact_match_{name}": metrics["exact_match"] if name == part else None for name in parts}


def mean_of_concerned(items: Sequence[float | None]) -> float | None:
    """Return the mean over the documents that the metric concerns, or None when there are none."""
    concerned = [item for item in items if item is not None]
    return sum(concerned) / len(concerned) if concerned else None


def number_text(answer: str | float) -> str:
    """Return a number as a decimal text: 39.0 is ``39``, "1,000" is ``1000``, "1/2" is ``0.5``; other texts stay."""
    try:
        value = Fraction(str(answer).replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return str(answer)
    return str(value.numerator) if value.denominator == 1 else str(float(value))


def with_choices(question: str, options: Sequence[str]) -> str:
    """Return a multiple-choice question as MAmmoTH's scripts write it; an option is such as ``A)12``.

    They put spaces around every bracket, those inside an option too.

    Raises:
        CoTMaskError: the options are no list of texts.
    """
    if isinstance(options, str) or not options or not all(isinstance(option, str) for option in options):
        raise CoTMaskError(f"options is {options!r:.60}, not a list of texts: give one such as ['A)12', 'B)15']")
    choices = "(" + "(".join(options)
    return f"{question.strip()}\nAnswer Choices:{choices.replace('(', ' (').replace(')', ') ')}"
