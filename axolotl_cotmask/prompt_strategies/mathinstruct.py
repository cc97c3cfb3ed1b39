"""MathInstruct rows (``instruction``, ``output``, maybe ``input``): chains and programs of thought (MAmmoTH)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    # No space before the response, as in the authors' MAmmoTH script. Rows of programs ask for them themselves.
    return Example(alpaca_prompt(row["instruction"], row.get("input") or ""), row["output"])


ROW_FORMAT = RowFormat(required=("instruction", "output"), optional=("input",), to_example=_to_example)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.mathinstruct``.
load = partial(load_strategy, ROW_FORMAT)
