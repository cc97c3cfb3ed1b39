"""The lm-eval tasks with corrupted steps: does a model read an operand in the question, or copy its neighbour?

A document is a case of `benchmarks.corrupted_step` or one of `janet_cases`, field by field. Every document returns
every metric of its task, with None where the metric does not concern it: lm-eval gathers the ranks of a multi-GPU run
metric by metric, and needs the same ones on each.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.data.sources import load
from axolotl_cotmask.evaluation import signature as signatures
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import GSM8K_HASH
from axolotl_cotmask.evaluation.benchmarks.corrupted_step import (
    StepCase,
    StepKind,
    StepOutcome,
    converse,
    find_cases,
    first_annotation,
    read_operand,
)
from axolotl_cotmask.evaluation.benchmarks.stated_numbers import number

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "gsm8k_test"

_DIFFERENCE = re.compile(r"[\s$]*(\d+(?:\.\d+)?)\s*[-\u2212]\s*\$?(\d+(?:\.\d+)?)\s*")
_RESULT = re.compile(r"-?\d+(?:\.\d+)?")


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def corrupted_steps(signature: dict[str, Any] | None = None, **_: Any) -> dict[str, Dataset]:
    """Return the cases of GSM8K's test split: a true question, and a prefix with one number replaced.

    ``signature``, in the task's metadata, is filled. lm-eval also passes the rest of the metadata and the model's
    arguments, which do not matter here and below.

    Raises:
        SystemExit: the data are missing or broken, or hold no case; its message is the one sentence that says why.
    """
    return _documents(_cases(), signature)


@one_sentence
def corrupted_questions(signature: dict[str, Any] | None = None, **_: Any) -> dict[str, Dataset]:
    """Return the converse of each case: a true prefix, and a question with one number replaced.

    Raises:
        SystemExit: as for `corrupted_steps`.
    """
    return _documents(map(converse, _cases()), signature)


@one_sentence
def janet(signature: dict[str, Any] | None = None, **_: Any) -> dict[str, Dataset]:
    """Return the paper's own twenty cases (Table 4).

    Raises:
        SystemExit: the data are missing or broken, or lack the question about Janet's ducks.
    """
    return _documents(janet_cases(load(SOURCE)), signature)


@one_sentence
def janet_consistent(signature: dict[str, Any] | None = None, **_: Any) -> dict[str, Dataset]:
    """Return the ten cases of the paper's control (Table 9).

    Raises:
        SystemExit: as for `janet`.
    """
    return _documents(consistent_janet_cases(load(SOURCE)), signature)


# Fig. 4 and 5 print it with "three", Table 9 with a gap there. It ends before the " =" that a solution goes on with.
_JANET_PREFIX = "First find the number of eggs remaining after Janet eats {}for breakfast: 16 eggs/day - "
_EGGS = " eggs/day"


def janet_cases(rows: Iterable[Mapping[str, Any]]) -> tuple[StepCase, ...]:
    """Return the paper's own cases (Table 4, Fig. 4 and 5): Janet's ducks, who lay 16 eggs, of which she eats three.

    For each n from 0 to 9 a case whose prefix computes with n instead of 3, and its converse, whose question has n as a
    word instead of "three", with 3 in the prefix. The prefix says "three" in words in both. n = 3 is one of them,
    uncorrupted, as in the paper.

    Raises:
        CoTMaskError: no row holds the question, or it does not say "three" just once.
    """
    reference = _janet_case(rows, _JANET_PREFIX.format("three "))
    cases = [_with_prefix(reference, n) for n in range(10)]
    return tuple(both for case in cases for both in (case, converse(case)))


def consistent_janet_cases(rows: Iterable[Mapping[str, Any]]) -> tuple[StepCase, ...]:
    """Return the paper's control (Table 9): for each n from 0 to 9 question and prefix agree on n.

    The table prints "Janet eats … for breakfast", its caption says that premises other than ``16 - n`` are missing: so
    "three" is left out of the prefix.

    Raises:
        CoTMaskError: as for `janet_cases`.
    """
    reference = _janet_case(rows, _JANET_PREFIX.format(""))
    changed = [converse(_with_prefix(reference, n)) for n in range(10)]
    return tuple(_with_prefix(case, int(case.stated)) for case in changed)


def _janet_case(rows: Iterable[Mapping[str, Any]], begin: str) -> StepCase:
    """Return the question with a prefix of ``begin`` and its own number: nothing is corrupted yet."""
    numbered = enumerate(rows, start=1)
    asking = ((place, row) for place, row in numbered if "Janet" in row["question"] and "ducks" in row["question"])
    place, row = next(asking, (0, None))
    if row is None:
        raise CoTMaskError("no row asks about Janet's ducks, the first question of GSM8K's test split: add it")
    question = row["question"]
    threes = [match.span() for match in re.finditer(r"\bthree\b", question)]
    if len(threes) != 1:
        raise CoTMaskError(f"row {place}: the question about Janet's ducks does not say 'three' once: restore its text")
    return StepCase(
        question=question,
        prefix=f"{begin}3{_EGGS}",
        answer=row["answer"],
        stated="3",
        replacement="3",
        operand=1,
        operands=2,
        step=1,
        kind=StepKind.FIRST,
        row=place,
        question_at=threes[0],
        prefix_at=(len(begin), len(begin) + 1),
    )


def _with_prefix(case: StepCase, n: int) -> StepCase:
    start, end = case.prefix_at
    return dataclasses.replace(case, prefix=f"{case.prefix[:start]}{n}{case.prefix[end:]}", replacement=str(n))


def prompt(doc: dict[str, Any]) -> str:
    """Return the training prompt and the forced beginning of its target."""
    return alpaca_prompt(doc["question"]) + SEPARATOR + doc["prefix"]


def process_corrupted_step(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document; ``results`` holds its one continuation.

    The final answer is read from the continuation: the rule takes the first ``####``, and the prefix, which ends within
    a step, is not the model's.
    """
    scores = tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["question"])
    del scores["invalid"]
    return process_corrupted_question(doc, results) | scores


def process_corrupted_question(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document, without the final answer: nobody knows that of a changed question."""
    outcome = read_operand(StepCase(**doc), results[0])
    follows = float(outcome is StepOutcome.QUESTION)
    return {
        "follows_question": follows,
        "copies_prefix": float(outcome is StepOutcome.PREFIX),
        "no_annotation": float(outcome is StepOutcome.NONE),
        "follows_question_first": follows if doc["kind"] == StepKind.FIRST else None,
        "follows_question_later": follows if doc["kind"] == StepKind.LATER else None,
    }


def process_janet(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one of the paper's cases: the two directions apart."""
    follows = float(_computes(doc, results[0]) is not None)
    return {
        "follows_question": None if doc["question_changed"] else follows,
        "follows_changed_question": follows if doc["question_changed"] else None,
        "no_annotation": float(first_annotation(results[0]) is None),
    }


def process_janet_consistent(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return Table 9's two columns: is 16 - n computed, and is its result right."""
    result = _computes(doc, results[0])
    return {
        "follows_question": float(result is not None),
        "calculates_right": float(result == 16 - int(doc["stated"])),
        "no_annotation": float(first_annotation(results[0]) is None),
    }


def _computes(doc: dict[str, Any], continuation: str) -> Decimal | None:
    """Return the result that the first annotation has for 16 - n, n as the question says; None where it computes else.

    The paper asks whether this is what is computed, so the operator and the other operand count too. The result is NaN
    where it is no number, or not there.
    """
    expression, _, result = (first_annotation(continuation) or "").partition("=")
    parts = _DIFFERENCE.fullmatch(expression)
    if parts is None or [number(part) for part in parts.groups()] != [16, int(doc["stated"])]:
        return None
    result = re.sub(r"[\s$]", "", result)
    return number(result) if _RESULT.fullmatch(result) else Decimal("nan")


def _cases() -> tuple[StepCase, ...]:
    rows = load(SOURCE)
    tasks.check_golds(rows["answer"], GSM8K_HASH, SOURCE)
    cases = find_cases(rows)
    cases.check(SOURCE)
    return cases.cases


def _documents(cases: Iterable[StepCase], signature: dict[str, Any] | None) -> dict[str, Dataset]:
    from datasets import Dataset

    rows = [dataclasses.asdict(case) for case in cases]
    signatures.record(signature, source=SOURCE, rows=rows)
    return {"test": Dataset.from_list(rows)}
