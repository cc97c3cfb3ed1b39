"""MetaMathQA rows (``query``, ``response``): the query's first line is the instruction, the rest its input."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    instruction, _, rest = row["query"].partition("\n")
    # No space before the response, as in the authors' MetaMath script.
    return Example(alpaca_prompt(instruction, rest), row["response"])


ROW_FORMAT = RowFormat(required=("query", "response"), to_example=_to_example)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.metamath``.
load = partial(load_strategy, ROW_FORMAT)
