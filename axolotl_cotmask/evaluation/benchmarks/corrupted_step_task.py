"""The lm-eval tasks with corrupted steps: does a model read an operand in the question, or copy its neighbour?

A document is a case of `benchmarks.corrupted_step` or one of `janet_cases`, field by field. Every document returns
every metric of its task, with None where the metric does not concern it: lm-eval gathers the ranks of a multi-GPU run
metric by metric, and needs the same ones on each.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from datasets import Dataset

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
    read_operand,
)

SOURCE = "gsm8k_test"


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def corrupted_steps(signature: dict[str, Any], **_: Any) -> dict[str, Dataset]:
    """Return the cases of GSM8K's test split: a true question, and a prefix with one number replaced.

    ``signature``, in the task's metadata, is filled. lm-eval also passes the rest of the metadata and the model's
    arguments, which do not matter here and below.

    Raises:
        SystemExit: the data are missing or broken, or hold no case; its message is the one sentence that says why.
    """
    return _documents(_cases(), signature)


@one_sentence
def corrupted_questions(signature: dict[str, Any], **_: Any) -> dict[str, Dataset]:
    """Return the converse of each case: a true prefix, and a question with one number replaced.

    Raises:
        SystemExit: as for `corrupted_steps`.
    """
    return _documents(map(converse, _cases()), signature)


@one_sentence
def janet(signature: dict[str, Any], **_: Any) -> dict[str, Dataset]:
    """Return the paper's own twenty cases.

    Raises:
        SystemExit: the data are missing or broken, or lack the question about Janet's ducks.
    """
    return _documents(janet_cases(load(SOURCE)), signature)


def janet_cases(rows: Iterable[Mapping[str, Any]]) -> tuple[StepCase, ...]:
    """Return the paper's own cases (Table 4): Janet's ducks, who lay 16 eggs, of which she eats three.

    For each n from 0 to 9 a case whose prefix has n instead of 3, and its converse, whose question has n as a word
    instead of "three". n = 3 is one of them, uncorrupted, as in the paper. Of the prefix the paper gives
    ``16 eggs/day - n eggs/day``; the words before it are ours.

    Raises:
        CoTMaskError: no row holds the question, or it does not say "three" just once.
    """
    numbered = enumerate(rows, start=1)
    asking = ((place, row) for place, row in numbered if "Janet" in row["question"] and "ducks" in row["question"])
    place, row = next(asking, (0, None))
    if row is None:
        raise CoTMaskError("no row asks about Janet's ducks, the first question of GSM8K's test split: add it")
    question = row["question"]
    threes = [match.span() for match in re.finditer(r"\bthree\b", question)]
    if len(threes) != 1:
        raise CoTMaskError(f"row {place}: the question about Janet's ducks does not say 'three' once: restore its text")
    begin = "Janet has 16 eggs/day - "
    cases = []
    for n in range(10):
        case = StepCase(
            question=question,
            prefix=f"{begin}{n} eggs/day =",
            answer=row["answer"],
            stated="3",
            replacement=str(n),
            operand=1,
            operands=2,
            step=1,
            kind=StepKind.FIRST,
            row=place,
            question_at=threes[0],
            prefix_at=(len(begin), len(begin) + 1),
        )
        cases += [case, converse(case)]
    return tuple(cases)


def prompt(doc: dict[str, Any]) -> str:
    """Return the training prompt and the forced beginning of its target."""
    return alpaca_prompt(doc["question"]) + SEPARATOR + doc["prefix"]


def process_corrupted_step(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document; ``results`` holds its one continuation.

    The final answer is read from the continuation: the rule takes the first ``####``, and the prefix, which ends within
    a step, is not the model's.
    """
    scores = tasks.scores(results[0], doc["answer"], *tasks.NUMBER)
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
    outcome = read_operand(StepCase(**doc), results[0])
    follows = float(outcome is StepOutcome.QUESTION)
    return {
        "follows_question": None if doc["question_changed"] else follows,
        "follows_changed_question": follows if doc["question_changed"] else None,
        "no_annotation": float(outcome is StepOutcome.NONE),
    }


def _cases() -> tuple[StepCase, ...]:
    rows = load(SOURCE)
    tasks.check_golds(rows["answer"], GSM8K_HASH, SOURCE)
    cases = find_cases(rows)
    cases.check(SOURCE)
    return cases.cases


def _documents(cases: Iterable[StepCase], signature: dict[str, Any]) -> dict[str, Dataset]:
    rows = [dataclasses.asdict(case) for case in cases]
    signatures.record(signature, source=SOURCE, rows=rows)
    return {"test": Dataset.from_list(rows)}
