"""Which sample of a batch a token is of, in the batches that Axolotl makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.utils.collators import DataCollatorForSeq2Seq, V2BatchSamplerDataCollatorForSeq2Seq
from transformers import (
    AutoTokenizer,
)

from axolotl_cotmask.masking.sample_ids import sample_lengths, sample_numbers


@pytest.fixture(params=["right", "left"])
def tokenizer(request: pytest.FixtureRequest, tiny_model: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.padding_side = request.param
    return tokenizer


def rows(parts: list[list[int]], with_mask: bool = True) -> list[list[dict[str, Any]]]:
    """Samples of the given lengths; the ids say which sample a token is of."""
    number = iter(range(100, 200))
    return [
        [
            {"input_ids": [next(number)] * length, "labels": [1] * length, "position_ids": list(range(length))}
            | ({"attention_mask": [1] * length} if with_mask else {})
            for length in part
        ]
        for part in parts
    ]


def check_numbers(inputs: Any, *, padding_known: bool = True) -> None:
    ids, numbers = inputs["input_ids"], sample_numbers(inputs)
    lengths = sample_lengths(numbers)
    assert numbers.shape == lengths.shape == ids.shape
    assert numbers.dtype == lengths.dtype == torch.int64
    real = ids >= 100
    if padding_known:
        assert (numbers[~real] == -1).all()
        assert (lengths[~real] == 0).all()
    pairs = set(zip(ids[real].tolist(), numbers[real].tolist(), strict=True))
    assert len(pairs) == len({i for i, _ in pairs}) == len({n for _, n in pairs}), "one number per sample"
    assert not {n for _, n in pairs} & set(numbers[~real].tolist())
    assert [(ids == i).sum() for i in ids[real].tolist()] == lengths[real].tolist()


@pytest.mark.parametrize("with_mask", [True, False])
def test_numbers_of_packed_samples(tokenizer: Any, with_mask: bool) -> None:
    collate = V2BatchSamplerDataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=16)
    packed = collate(rows([[5, 1, 1, 7], [3], [16]], with_mask))
    assert ("attention_mask" in packed) == with_mask
    check_numbers(packed, padding_known=with_mask)


def test_numbers_of_packed_samples_whose_positions_go_on(tokenizer: Any) -> None:
    collate = V2BatchSamplerDataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=16, squash_position_ids=True)
    packed = collate(rows([[5, 1, 1, 7], [3], [16]]))
    assert packed["attention_mask"].max() == 4, "the samples are numbered in the mask"
    check_numbers(packed)


def test_numbers_of_padded_samples(tokenizer: Any) -> None:
    padded = DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=16)([row for [row] in rows([[5], [1], [16]])])
    check_numbers(padded)
    check_numbers({name: value for name, value in padded.items() if name != "position_ids"})


def test_a_row_without_anything_else_is_a_sample() -> None:
    numbers = sample_numbers({"input_ids": torch.zeros(3, 4, dtype=torch.int64)})
    assert len(numbers.unique()) == 3
    assert (numbers == numbers[:, :1]).all()
    assert (sample_lengths(numbers) == 4).all()
