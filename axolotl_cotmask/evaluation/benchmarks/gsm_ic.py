"""GSM-IC (Shi et al. 2023, arXiv 2302.00093) with the prompt and the answer rule of arXiv 2403.02178.

A document is a variant (a base problem with an irrelevant sentence) or, flagged ``is_base``, a base problem itself: the
same model must answer both for the normalised accuracy. ``base_id`` numbers the base problems, and is null for a
variant whose base problem is not known.

Every document returns every metric, with None where the metric does not concern it: lm-eval gathers the ranks of a
multi-GPU run metric by metric, and needs the same ones on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.data.sources import load
from axolotl_cotmask.evaluation import signature as signatures
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import GSM8K_HASH

if TYPE_CHECKING:
    from datasets import Dataset

LABELS = {
    "role_label": ("overlapped", "nonoverlapped"),
    "number_label": ("in_range", "out_range"),
    "sentence_label": ("in_topic", "out_topic"),
}


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def load_documents(source: str, signature: dict[str, Any] | None = None, **_: Any) -> dict[str, Dataset]:
    """Return the variants of ``source``, each base problem standing before the first of its variants.

    ``signature``, in the task's metadata, is filled. lm-eval also passes the rest of the metadata and the model's
    arguments, which do not matter here.

    Raises:
        SystemExit: the data are missing or broken; its message is the one sentence that says what to mend.
    """
    from datasets import Dataset

    variants = load(source)
    tasks.check_golds(variants["answer"], GSM8K_HASH, source)
    signatures.record(signature, source=source, rows=variants)
    return {"test": Dataset.from_list(with_base_problems(list(variants), source))}


def with_base_problems(variants: Sequence[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    """Return the documents: ``variants`` with ``is_base`` and ``base_id``, and one document for each base problem.

    Raises:
        CoTMaskError: two variants of one base problem have different answers.
    """
    documents: list[dict[str, Any]] = []
    bases: dict[str, dict[str, Any]] = {}
    for number, variant in enumerate(variants, start=1):
        question, answer = variant["original_question"], variant["answer"]
        if question is None:
            documents.append({**variant, "is_base": False, "base_id": None})
            continue
        if question not in bases:
            bases[question] = {
                **dict.fromkeys(variant),
                "original_question": question,
                "new_question": question,
                "answer": answer,
                "n_steps": variant["n_steps"],
                "is_base": True,
                "base_id": len(bases),
            }
            documents.append(bases[question])
        base = bases[question]
        if not GSM8K_HASH.equivalent(GSM8K_HASH.gold_answer(answer), GSM8K_HASH.gold_answer(base["answer"])):
            raise CoTMaskError(
                f"{source}, row {number}: the answer is {answer}, and {base['answer']} in an earlier row with the same "
                f"original_question: give both the same answer"
            )
        documents.append({**variant, "is_base": False, "base_id": base["base_id"]})
    return documents


def prompt(doc: dict[str, Any]) -> str:
    """Return the evaluation prompt: the training prompt without the target."""
    return alpaca_prompt(doc["new_question"])


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    scores = tasks.scores(results[0], doc["answer"], *tasks.NUMBER, doc["new_question"])
    right = scores["exact_match"]
    is_base, base_id = doc["is_base"], doc["base_id"]
    metrics: dict[str, Any] = {
        **{name: None if is_base else score for name, score in scores.items()},
        "macro_accuracy": None if is_base or base_id is None else (base_id, right),
        "base_accuracy": right if is_base else None,
        "normalised_accuracy": None if base_id is None else (is_base, right),
    }
    for label, values in LABELS.items():
        if label in doc:
            metrics |= {f"exact_match_{value}": right if doc[label] == value else None for value in values}
    return metrics


class Counted(float):
    """A metric's value with the counts behind it, so that a group can pool documents instead of averaging tasks.

    ``counts`` is (right, all), or (right, all, right base problems, all base problems) for a normalised accuracy.
    """

    counts: tuple[float, ...]


def accuracy(items: list[float | None]) -> Counted | None:
    """Return the mean of the documents that the metric concerns, or None when there are none."""
    concerned = [right for right in items if right is not None]
    return _value((sum(concerned), len(concerned)))


def macro_accuracy(items: list[tuple[int, float] | None]) -> Counted | None:
    """Return the share of base problems whose variants are all right (Shi et al.); an item is (base_id, right)."""
    all_right: dict[int, float] = {}
    for base_id, right in filter(None, items):
        all_right[base_id] = min(right, all_right.get(base_id, 1.0))
    return _value((sum(all_right.values()), len(all_right)))


def normalised_accuracy(items: list[tuple[bool, float] | None]) -> Counted | None:
    """Return the accuracy on the variants divided by that on the base problems; an item is (is_base, right).

    None when no base problem is right: the quotient is not defined then.
    """
    rights: dict[bool, list[float]] = {False: [], True: []}
    for is_base, right in filter(None, items):
        rights[is_base].append(right)
    return _value((sum(rights[False]), len(rights[False]), sum(rights[True]), len(rights[True])))


def pool(values: list[Counted | None], sizes: list[int], weight_by_size: bool) -> Counted | None:
    """Return a group's value over the documents of all its tasks, or None when one task's value is not defined.

    lm-eval passes ``sizes`` (documents per task, base problems included) and ``weight_by_size``: the counts are exact.
    """
    counts = [value.counts for value in values if value is not None]
    if len(counts) < len(values):
        return None
    return _value(tuple(sum(column) for column in zip(*counts, strict=True)))


def _value(counts: tuple[float, ...]) -> Counted | None:
    right, n, base_right, base_n = counts if len(counts) == 4 else (*counts, 1, 1)
    if n == 0 or base_right == 0:
        return None
    value = Counted(right * base_n / (n * base_right))
    value.counts = counts
    return value
