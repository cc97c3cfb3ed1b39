"""GSM8K rows (``question``, ``answer``) with the paper's prompt; calculator annotations and ``#### 72`` stay."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy


def check_answer(answer: str) -> None:
    """Raise CoTMaskError when ``answer`` has no final answer in GSM8K's format."""
    if RULES["gsm8k_hash"].extract(answer) is None:
        raise CoTMaskError("the field 'answer' has no final answer `#### number`: mend or remove the row")


def _to_example(row: Mapping[str, Any]) -> Example:
    check_answer(row["answer"])
    return Example(alpaca_prompt(row["question"]), SEPARATOR + row["answer"])


ROW_FORMAT = RowFormat(required=("question", "answer"), to_example=_to_example)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.gsm8k``.
load = partial(load_strategy, ROW_FORMAT)
