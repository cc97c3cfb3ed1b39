"""Corrupted steps (arXiv 2403.02178, Table 4): does a model read an operand in the question, or copy its neighbour?

A document is a case of `axolotl_cotmask.analysis.corrupted_step`, field by field. Every document returns every metric
of its task, with None where the metric does not concern it: lm-eval gathers the ranks of a multi-GPU run metric by
metric, and needs the same ones on each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from datasets import Dataset

from axolotl_cotmask.analysis.corrupted_step import Case, Kind, Outcome, converse, find_cases, janet_cases, read
from axolotl_cotmask.answers import GSM8K_HASH, Verdict
from axolotl_cotmask.data import load
from axolotl_cotmask.errors import one_sentence
from axolotl_cotmask.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.scoring import check_golds

SOURCE = "gsm8k_test"


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def corrupted_steps(**_: Any) -> dict[str, Dataset]:
    """Return the cases of GSM8K's test split: a true question, and a prefix with one number replaced.

    lm-eval passes the task's metadata and the model's arguments, which do not matter here and below.

    Raises:
        SystemExit: the data are missing or broken, or hold no case; its message is the one sentence that says why.
    """
    return _documents(_cases())


@one_sentence
def corrupted_questions(**_: Any) -> dict[str, Dataset]:
    """Return the converse of each case: a true prefix, and a question with one number replaced.

    Raises:
        SystemExit: as for `corrupted_steps`.
    """
    return _documents(converse(case) for case in _cases())


@one_sentence
def janet(**_: Any) -> dict[str, Dataset]:
    """Return the paper's own twenty cases.

    Raises:
        SystemExit: the data are missing or broken, or lack the question about Janet's ducks.
    """
    return _documents(janet_cases(load(SOURCE)))


def prompt(doc: dict[str, Any]) -> str:
    """Return the training prompt and the forced beginning of its target."""
    return alpaca_prompt(doc["question"]) + SEPARATOR + doc["prefix"]


def process_corrupted_step(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document; ``results`` holds its one continuation.

    The final answer is read from the continuation: the rule takes the first ``####``, and the prefix, which ends within
    a step, is not the model's.
    """
    verdict = GSM8K_HASH.judge(results[0], doc["answer"])
    return process_corrupted_question(doc, results) | {"exact_match": float(verdict is Verdict.TRUE)}


def process_corrupted_question(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one document, without the final answer: nobody knows that of a changed question."""
    outcome = read(Case(**doc), results[0])
    follows = float(outcome is Outcome.QUESTION)
    return {
        "follows_question": follows,
        "copies_prefix": float(outcome is Outcome.PREFIX),
        "no_annotation": float(outcome is Outcome.NONE),
        "follows_question_first": follows if doc["kind"] == Kind.FIRST else None,
        "follows_question_later": follows if doc["kind"] == Kind.LATER else None,
    }


def process_janet(doc: dict[str, Any], results: list[str]) -> dict[str, float | None]:
    """Return the metrics of one of the paper's cases: the two directions apart."""
    outcome = read(Case(**doc), results[0])
    follows = float(outcome is Outcome.QUESTION)
    return {
        "follows_question": None if doc["question_changed"] else follows,
        "follows_changed_question": follows if doc["question_changed"] else None,
        "no_annotation": float(outcome is Outcome.NONE),
    }


def mean_of_concerned(items: list[float | None]) -> float | None:
    """Return the mean over the documents that the metric concerns, or None when there are none."""
    concerned = [item for item in items if item is not None]
    return sum(concerned) / len(concerned) if concerned else None


def _cases() -> tuple[Case, ...]:
    rows = load(SOURCE)
    check_golds(rows["answer"], GSM8K_HASH, SOURCE)
    cases = find_cases(rows)
    cases.check(SOURCE)
    return cases.cases


def _documents(cases: Iterable[Case]) -> dict[str, Dataset]:
    return {"test": Dataset.from_list([dataclasses.asdict(case) for case in cases])}
