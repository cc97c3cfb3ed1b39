"""GSM8K's rows as tokens, and batches of them: the same as through the prompt strategy and Axolotl, without Axolotl."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt
from axolotl_cotmask.masking.marks import IGNORE_INDEX, MASK_WEIGHT, weights_from_labels
from axolotl_cotmask.prompt_strategies.tokenized import TokenizedText

#: Axolotl pads a batch to a multiple of it.
_MULTIPLE = 64

Row = dict[str, Any]


def tokenized(tokenizer: Any, examples: Iterable[Row], sequence_len: int) -> list[Row]:
    """Return rows with ``input_ids``, ``labels`` and ``mask_weight``, as `prompt_strategies.gsm8k` makes them.

    A row that is too long is cut, as by ``excess_length_strategy: truncate``; one whose prompt alone is, left out.

    Args:
        tokenizer: one that puts no EOS behind a text.
        examples: ``question`` and ``answer``.
        sequence_len: tokens of a row, at most.
    """
    prompts, answers = zip(*((alpaca_prompt(row["question"]), row["answer"]) for row in examples), strict=True)
    texts = [prompt + SEPARATOR + answer for prompt, answer in zip(prompts, answers, strict=True)]

    def encode(parts: list[str]) -> Any:
        return tokenizer(parts, split_special_tokens=True, return_attention_mask=False)

    encoded = encode(texts)
    rows = []
    for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        ids = list(encoded["input_ids"][place])
        found = TokenizedText(text, ids, encoded, place, lambda part: encode([part])["input_ids"][0])
        target = found.first_after(len(prompt))
        ids.append(tokenizer.eos_token_id)
        if target < sequence_len:
            rows.append(marked(ids[:sequence_len], target))
    return rows


def marked(ids: Sequence[int], target: int) -> Row:
    """Return a row whose labels begin at ``target``, each maskable at the scheduled ratio."""
    labels = [IGNORE_INDEX] * target + list(ids[target:])
    return {"input_ids": list(ids), "labels": labels, MASK_WEIGHT: weights_from_labels(labels)}


def padded(rows: Sequence[Row], pad_token_id: int) -> dict[str, Tensor]:
    """Return rows as a batch that is padded on the right, ``[rows, a multiple of 64]``."""
    lengths = [len(row["input_ids"]) for row in rows]
    shape = (len(rows), -(-max(lengths) // _MULTIPLE) * _MULTIPLE)
    batch = {
        "input_ids": torch.full(shape, pad_token_id),
        "labels": torch.full(shape, IGNORE_INDEX),
        "attention_mask": torch.zeros(shape, dtype=torch.int64),
    }
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        batch["input_ids"][place, :length] = torch.tensor(row["input_ids"])
        batch["labels"][place, :length] = torch.tensor(row["labels"])
        batch["attention_mask"][place, :length] = 1
    return batch


def packed(rows: Sequence[Sequence[Row]], pad_token_id: int, sequence_len: int) -> dict[str, Tensor]:
    """Return lists of rows as a batch, each list one row whose position ids begin anew with each of its own.

    There is no attention mask, as in Axolotl's packed batches.
    """
    batch = {
        "input_ids": torch.full((len(rows), sequence_len), pad_token_id),
        "labels": torch.full((len(rows), sequence_len), IGNORE_INDEX),
        "position_ids": torch.arange(sequence_len).repeat(len(rows), 1),
    }
    for place, together in enumerate(rows):
        start = 0
        for row in together:
            end = start + len(row["input_ids"])
            batch["input_ids"][place, start:end] = torch.tensor(row["input_ids"])
            batch["labels"][place, start:end] = torch.tensor(row["labels"])
            batch["position_ids"][place, start:end] = torch.arange(end - start)
            start = end
        batch["position_ids"][place, start:] = torch.arange(sequence_len - start)
    return batch


def shuffled(rows: int, batch: int, epochs: int, seed: int) -> list[list[list[int]]]:
    """Return for each epoch its batches of row numbers; the last batch holds what is left."""
    orders = [np.random.default_rng((seed, epoch)).permutation(rows).tolist() for epoch in range(epochs)]
    return [[order[start : start + batch] for start in range(0, rows, batch)] for order in orders]
