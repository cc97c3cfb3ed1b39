"""MATH rows (``problem``, ``solution``) with the paper's prompt; a long problem is cut from the left."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy

#: The authors' ``tgt_max_length``: of their 800 tokens, prompt and BOS may fill 288.
TARGET_TOKENS = 512


def _to_example(row: Mapping[str, Any]) -> Example:
    return Example(alpaca_prompt(row["problem"]), SEPARATOR + row["solution"])


ROW_FORMAT = RowFormat(required=("problem", "solution"), to_example=_to_example, target_tokens=TARGET_TOKENS)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.math``.
load = partial(load_strategy, ROW_FORMAT)
