"""GSM8K with the prompt and the answer rule of arXiv 2403.02178 (evaluation scripts)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from axolotl_cotmask.answers import GSM8K_HASH, Verdict
from axolotl_cotmask.data import load
from axolotl_cotmask.errors import one_sentence
from axolotl_cotmask.prompts import alpaca_prompt
from axolotl_cotmask.scoring import check_golds


# lm-eval has no error of its own for data that the user can mend: it would show a traceback of its frames.
@one_sentence
def load_documents(**_: Any) -> dict[str, Dataset]:
    """Return GSM8K's test split.

    lm-eval passes the task's metadata and the model's arguments, which do not matter here.

    Raises:
        SystemExit: the data are missing or broken; its message is the one sentence that says what to mend.
    """
    documents = load("gsm8k_test")
    check_golds(documents["answer"], GSM8K_HASH, "gsm8k_test")
    return {"test": documents}


def prompt(doc: dict[str, Any]) -> str:
    """Return the evaluation prompt: the training prompt without the target."""
    return alpaca_prompt(doc["question"])


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    verdict = GSM8K_HASH.judge(results[0], doc["answer"])
    return {"exact_match": float(verdict is Verdict.TRUE), "invalid": float(verdict is Verdict.INVALID)}
