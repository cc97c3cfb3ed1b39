"""The marks stay beside their tokens, whatever the inner collator does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from axolotl.utils.collators import DataCollatorForSeq2Seq, V2BatchSamplerDataCollatorForSeq2Seq
from transformers import AutoTokenizer, DataCollatorWithFlattening

from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.training.collator import MarkCollator


def sample(start: int, length: int, prompt: int) -> dict[str, Any]:
    ids = list(range(start, start + length))
    return {
        "input_ids": ids,
        "attention_mask": [1] * length,
        "labels": [-100] * prompt + ids[prompt:],
        "mask_weight": [0.0] * prompt + [0.25 * (i % 3) for i in range(length - prompt)],
    }


SAMPLES = [sample(10, 12, 5), sample(50, 7, 2), sample(90, 20, 11)]


@pytest.fixture(params=["right", "left"])
def tokenizer(request: pytest.FixtureRequest, tiny_model: Any) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.padding_side = request.param
    return tokenizer


def expected(samples: list[dict[str, Any]]) -> dict[int, tuple[float, int]]:
    """Token id (they are all different) -> its weight and key."""
    pairs = ((token, weight, key)
             for row in samples
             for token, weight, key in zip(row["input_ids"], row["mask_weight"], token_keys(torch.tensor(row["input_ids"])).tolist(), strict=False))  # fmt: skip
    return {token: (weight, key) for token, weight, key in pairs}


def check(batch: Any, samples: list[dict[str, Any]], real: torch.Tensor) -> None:
    assert batch["mask_weight"].shape == batch["token_key"].shape == batch["labels"].shape
    assert batch["mask_weight"].dtype == torch.float32
    marks = expected(samples)
    for token, weight, key, is_real in zip(
        batch["input_ids"].flatten().tolist(), batch["mask_weight"].flatten().tolist(),
        batch["token_key"].flatten().tolist(), real.flatten().tolist(), strict=True,
    ):  # fmt: skip
        assert (weight, key) == (marks[token] if is_real else (0.0, 0))


@pytest.mark.parametrize("multiple", [None, 64])
def test_padded(tokenizer: Any, multiple: int | None) -> None:
    collator = MarkCollator(
        DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=multiple), tokenizer.padding_side, marks=True
    )
    batch = collator([dict(row) for row in SAMPLES])
    check(batch, SAMPLES, batch["attention_mask"] == 1)


def test_packed(tokenizer: Any) -> None:
    inner = V2BatchSamplerDataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=32)
    rows = [
        [{**row, "position_ids": list(range(len(row["input_ids"])))} for row in part]
        for part in (SAMPLES[:2], SAMPLES[2:])
    ]
    batch = MarkCollator(inner, tokenizer.padding_side, marks=True)(rows)
    check(batch, SAMPLES, batch["attention_mask"] > 0)


def test_truncated_rows_lose_the_end_of_their_marks(tokenizer: Any) -> None:
    cut = [{**row, **{name: row[name][:6] for name in ("input_ids", "attention_mask", "labels")}} for row in SAMPLES]
    batch = MarkCollator(DataCollatorForSeq2Seq(tokenizer), tokenizer.padding_side, marks=True)(cut)
    check(batch, cut, batch["attention_mask"] == 1)


def test_all_rows_flattened_into_one(tokenizer: Any) -> None:
    collator = MarkCollator(DataCollatorWithFlattening(), tokenizer.padding_side, marks=True)
    batch = collator([{k: v for k, v in row.items() if k != "attention_mask"} for row in SAMPLES])
    check(batch, SAMPLES, torch.ones_like(batch["input_ids"], dtype=torch.bool))


def test_no_marks_where_a_collator_puts_the_rows_elsewhere(tokenizer: Any) -> None:
    inner = DataCollatorForSeq2Seq(tokenizer)

    def shifted(features: list[Any]) -> Any:
        batch = inner(features)
        return {name: batch[name].roll(1, dims=1) for name in batch}

    def without_labels(features: list[Any]) -> Any:
        return {name: value for name, value in inner(features).items() if name != "labels"}

    for other in (lambda rows: inner(rows[1:]), lambda rows: inner(rows[::-1]), shifted, without_labels):
        batch = MarkCollator(other, tokenizer.padding_side, marks=True)([dict(row) for row in SAMPLES])
        assert not {"mask_weight", "token_key"} & set(batch)


def test_evaluation_batches_have_no_marks(tokenizer: Any) -> None:
    inner = DataCollatorForSeq2Seq(tokenizer)
    plain = inner([{k: v for k, v in row.items() if k != "mask_weight"} for row in SAMPLES])
    batch = MarkCollator(inner, tokenizer.padding_side, marks=False)([dict(row) for row in SAMPLES])
    assert batch.keys() == plain.keys()
    assert all(torch.equal(batch[name], plain[name]) for name in plain)
