"""Prints the cases of golden_prompts.json for a new format: ``python tests/support/pin_prompt.py NAME '{"q": ...}'``.

Read the printed tokens before you keep them: they are what will be held from then on.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy
from support.small_tokenizers import byte_level, sentencepiece_like

TOKENIZERS = {"sentencepiece-like": sentencepiece_like, "byte-level": byte_level}


def case(tokenizer_name: str, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return the case of one tokenizer."""
    tokenizer = TOKENIZERS[tokenizer_name]()
    row_format = import_module(f"axolotl_cotmask.prompt_strategies.{name}").ROW_FORMAT
    strategy = MarkedStrategy(row_format, tokenizer, "row", frozenset(), 4096, None)
    tokenised = strategy.tokenize_rows({field: [value] for field, value in row.items()}, [0])
    [ids], [labels], [weights] = tokenised["input_ids"], tokenised["labels"], tokenised["mask_weight"]
    boundary = labels.count(-100)
    return {
        "tokenizer": tokenizer_name,
        "what": name,
        "type": name,
        "row": row,
        "prompt_tokens": " ".join(tokenizer.convert_ids_to_tokens(ids[:boundary])),
        "prompt": ids[:boundary],
        "boundary": boundary,
        "target_tokens": " ".join(tokenizer.convert_ids_to_tokens(ids[boundary:])),
        "target": ids[boundary:],
        "mask_weight": [int(weight) for weight in weights],
    }


if __name__ == "__main__":
    for tokenizer_name in TOKENIZERS:
        print(json.dumps(case(tokenizer_name, sys.argv[1], json.loads(sys.argv[2])), ensure_ascii=False), end=",\n")
