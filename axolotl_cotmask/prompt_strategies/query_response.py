"""Rows with ``query`` and ``response`` (GSM8K-RFT, MuggleMath) with the paper's prompt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    return Example(alpaca_prompt(row["query"]), SEPARATOR + row["response"])


ROW_FORMAT = RowFormat(required=("query", "response"), to_example=_to_example)

#: Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.query_response``.
load = partial(load_strategy, ROW_FORMAT)
