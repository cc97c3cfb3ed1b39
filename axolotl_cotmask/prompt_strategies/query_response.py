"""Rows with ``query`` and ``response`` (GSM8K-RFT, MuggleMath) with the paper's prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, MarkedStrategy, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    return Example(alpaca_prompt(row["query"]), SEPARATOR + row["response"])


ROW_FORMAT = RowFormat(required=("query", "response"), to_example=_to_example)


def load(tokenizer: Any, cfg: Any, ds_cfg: Any = None) -> MarkedStrategy:
    """Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.query_response``."""
    return load_strategy(ROW_FORMAT, tokenizer, cfg, ds_cfg)
