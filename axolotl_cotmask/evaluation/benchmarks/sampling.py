"""Training questions, asked several times each: what the ``cotmask_sample_*`` tasks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import GSM8K_HASH, MATH_BOXED, ROBUST_CHOICE, RULES, Judgement, Rule
from axolotl_cotmask.evaluation.benchmarks import multiple_choice
from axolotl_cotmask.evaluation.tasks import Row

if TYPE_CHECKING:
    from datasets import Dataset

_Kind = tuple[Rule, Callable[[Row], Row], str]


def _choice(source: str) -> _Kind:
    return ROBUST_CHOICE, multiple_choice.document_of(source), multiple_choice.ANSWER_START


#: By data set: the rule that tells a right sample, a row's document, and what an answer without reasoning begins with.
_KINDS: Mapping[str, _Kind] = {
    "gsm8k_train": (GSM8K_HASH, dict, " ####"),
    "math_train": (MATH_BOXED, tasks.math_document("solution"), " $\\boxed{"),
    **{source: _choice(source) for source in ("obqa_train", "csqa_train", "piqa_train", "siqa_train")},
}
#: The data sets of the tasks.
TRAINING_SETS = tuple(_KINDS)


def document_of(source: str) -> Callable[[Row], Row]:
    """Return what makes a document of a row of ``source``: with ``question``, ``answer`` and ``answer_rule``."""
    rule, document, _ = _KINDS[source]
    return lambda row: document(row) | {"answer_rule": rule.name}


def load_documents(source: str, direct: bool = False, **arguments: Any) -> dict[str, Dataset]:
    """Return the training questions of ``source``; ``direct`` asks for the answer without reasoning.

    A document has ``question``, ``answer``, ``answer_rule``, and with ``direct`` the ``answer_start`` that ends the
    prompt; beside its row's fields.

    Raises:
        SystemExit: as for `tasks.load_documents`.
    """
    rule, _, start = _KINDS[source]
    document, begun = document_of(source), {"answer_start": start} if direct else {}
    return tasks.load_documents(source, rule, prepare=lambda row: document(row) | begun, **arguments)


def prompt(doc: Row) -> str:
    """Return the training prompt without the target, and where it is to be a direct answer its beginning."""
    return alpaca_prompt(doc["question"]) + doc.get("answer_start", "")


def process_results(doc: Row, results: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds all its generations in one list."""
    texts = [doc.get("answer_start", "") + text for text in results[0]]
    judgements = [RULES[doc["answer_rule"]].judge(text, doc["answer"]) for text in texts]
    return {
        "exact_match": judgements.count(Judgement.TRUE) / len(judgements),
        "solved": float(Judgement.TRUE in judgements),
        "invalid": judgements.count(Judgement.INVALID) / len(judgements),
    }
