"""What the dependency analysis looks at: a model with its tokenizer, and rows as token ids."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.analysis.dependency import TokenRow
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.marks import IGNORE_INDEX

if TYPE_CHECKING:
    from axolotl_cotmask.prompt_strategies.strategy import RowFormat


def load_model(name: str) -> tuple[Any, Any]:
    """Return the causal language model ``name`` and its tokenizer, the model in its saved dtype.

    Args:
        name: a directory, with a whole model or a PEFT adapter, or the name of a model on the hub. An adapter's base
            model is the one that its configuration names; tokens that were added for the adapter are added to it.

    Raises:
        CoTMaskError: it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer_name = name
    try:
        if Path(name, "adapter_config.json").is_file():
            from peft import AutoPeftModelForCausalLM

            model = AutoPeftModelForCausalLM.from_pretrained(name, dtype="auto")
            if not Path(name, "tokenizer_config.json").is_file():
                tokenizer_name = model.active_peft_config.base_model_name_or_path
        else:
            model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_name)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CoTMaskError(
            f"{name}: the model cannot be loaded ({reason}): name a directory that save_pretrained wrote, or a model "
            "on the hub"
        ) from error
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())
    return model, tokenizer


def tokenise(
    rows: Iterable[Mapping[str, Any]], row_format: RowFormat, model: Any, tokenizer: Any, place: str
) -> list[TokenRow]:
    """Return ``rows`` as the prompt strategy of ``row_format`` gives them to training, EOS included.

    Args:
        rows: with the fields of ``row_format``.
        row_format: of a module of `axolotl_cotmask.prompt_strategies`.
        model: from `load_model`; its context is the limit of a row's length.
        tokenizer: from `load_model`.
        place: names the data in errors.

    Raises:
        CoTMaskError: a field is missing or wrong, or the row has more tokens than the model's context; the sentence
            names the row, counted from 1.
    """
    from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy

    strategy = MarkedStrategy(
        row_format=row_format,
        tokenizer=tokenizer,
        dataset_path=place,
        protect=frozenset(),
        sequence_len=sys.maxsize,
        excess_length_strategy=None,
    )
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    tokenised = []
    for index, row in enumerate(rows):
        example = strategy.tokenize_rows({name: [value] for name, value in row.items()}, [index])
        [ids], [labels] = example["input_ids"], example["labels"]
        if context is not None and len(ids) > context:
            raise CoTMaskError(
                f"{place}, row {index + 1}: the row has {len(ids)} tokens, and the model's context is {context}: "
                "remove the row"
            )
        tokenised.append(TokenRow(tuple(ids), next(i for i, label in enumerate(labels) if label != IGNORE_INDEX)))
    return tokenised
