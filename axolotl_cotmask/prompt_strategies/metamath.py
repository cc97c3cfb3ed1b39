"""MetaMathQA rows (``query``, ``response``): the query's first line is the instruction, the rest its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.prompt_strategies.strategy import Example, MarkedStrategy, RowFormat, load_strategy


def _to_example(row: Mapping[str, Any]) -> Example:
    instruction, _, rest = row["query"].partition("\n")
    # No space before the response, as in the authors' MetaMath script.
    return Example(alpaca_prompt(instruction, rest), row["response"])


ROW_FORMAT = RowFormat(required=("query", "response"), to_example=_to_example)


def load(tokenizer: Any, cfg: Any, ds_cfg: Any = None) -> MarkedStrategy:
    """Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.metamath``."""
    return load_strategy(ROW_FORMAT, tokenizer, cfg, ds_cfg)
