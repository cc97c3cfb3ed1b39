"""Alpaca rows (``instruction``, ``output``, and ``input`` where there is one) with the paper's prompt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    return Example(alpaca_prompt(row["instruction"], row.get("input") or ""), SEPARATOR + row["output"])


#: Alpaca itself has 28 rows without an output: the end is what is learnt there.
ROW_FORMAT = RowFormat(
    required=("instruction", "output"), optional=("input",), may_be_empty=("output",), to_example=_to_example
)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.instruction_output``.
load = partial(load_strategy, ROW_FORMAT)
