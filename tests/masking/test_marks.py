"""Marks by scope and selector: which tokens, in which units, and the same masks in every layout of the batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from axolotl.utils.collators import DataCollatorForSeq2Seq, V2BatchSamplerDataCollatorForSeq2Seq
from support.small_tokenizers import mistral

from axolotl_cotmask.masking.draws import select_positions
from axolotl_cotmask.masking.marks import MASK_UNIT, MASK_WEIGHT, TOKEN_KEY, UNIT_KEY, Marking, mark_rows
from axolotl_cotmask.training.collator import MarkCollator, marks_of

SCOPES = ("target", "source", "all")
SELECTS = ("tokens", "numbers", "operators", "equations", "words", "steps")
TEXTS = [
    ("Tom has 12 apples and 3 bags: 12 / 3 = ?", "He puts 12 / 3 = <<12/3=4>>4 in each bag.\n#### 4"),
    ("What is 5 + 5 + 5?", "First 5 + 5 = 10. Then 10 + 5 = 15.\n#### 15"),
    ("A shirt costs $20.", "Two cost 2 * 20 = $<<2*20=40>>40. That is all.\n#### 40"),
]


def rows(scope: str, select: str) -> list[dict[str, Any]]:
    """Rows as Axolotl prepares them, with marks."""
    tokenizer = mistral()
    columns: dict[str, list[Any]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for question, answer in TEXTS:
        prompt = tokenizer(f"{question}\n")["input_ids"]
        ids = [*prompt, *tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        columns["input_ids"].append(ids)
        columns["attention_mask"].append([1] * len(ids))
        columns["labels"].append([-100] * len(prompt) + ids[len(prompt) :])
    marking = Marking(weight=1.0, sha256=None, scope=scope, select=select, group=None)
    marks = mark_rows(columns, marking, tokenizer)
    return [{name: values[i] for name, values in {**columns, **marks}.items()} for i in range(len(TEXTS))]


def masked(batch: dict[str, torch.Tensor]) -> dict[tuple[int, int], bool]:
    """(sample's key, token) -> masked, for all real tokens: a key tells sample and position."""
    selected = select_positions(batch[MASK_WEIGHT], batch[UNIT_KEY], ratio=0.5, seed=3, epoch=1)
    flat = zip(
        batch[TOKEN_KEY].flatten().tolist(),
        batch["input_ids"].flatten().tolist(),
        selected.flatten().tolist(),
        strict=True,
    )
    return {(key, token): was for key, token, was in flat if key != 0}


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("scope", SCOPES)
def test_the_same_masks_in_every_layout(scope: str, select: str) -> None:
    samples = rows(scope, select)
    found = []
    for side in ("right", "left"):
        tokenizer = mistral()
        tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, side
        padded = MarkCollator(DataCollatorForSeq2Seq(tokenizer), side, marks=True)
        found.append(masked(padded([dict(row) for row in samples])))
        packed = MarkCollator(V2BatchSamplerDataCollatorForSeq2Seq(tokenizer), side, marks=True)
        with_positions = [{**row, "position_ids": list(range(len(row["input_ids"])))} for row in samples]
        found.append(masked(packed([with_positions])))
        alone = [masked(padded([dict(row)])) for row in samples]
        found.append({key: was for part in alone for key, was in part.items()})
    assert all(one == found[0] for one in found)
    assert any(found[0].values())


@pytest.mark.parametrize(
    ("scope", "select", "pieces"),
    [
        ("target", "numbers", [["12", "3", "12", "3", "4", "4", "4"], ["5", "5", "10", "10", "5", "15", "15"], ["2", "20", "2", "20", "40", "40", "40"]]),
        ("source", "numbers", [["12", "3", "12", "3"], ["5", "5", "5"], ["20"]]),
        ("target", "steps", [["He puts 12 / 3 = <<12/3=4>>4 in each bag.", "#### 4"], ["First 5 + 5 = 10.", "Then 10 + 5 = 15.", "#### 15"], ["Two cost 2 * 20 = $<<2*20=40>>40.", "That is all.", "#### 40"]]),
        ("target", "operators", [["/", "=", "/", "="], ["+", "=", "+", "="], ["*", "=", "*", "="]]),
    ],
)  # fmt: skip
def test_units_are_the_selectors_stretches(scope: str, select: str, pieces: list[list[str]]) -> None:
    tokenizer = mistral()
    for row, expected in zip(rows(scope, select), pieces, strict=True):
        units: dict[int, list[int]] = {}
        for place, (token, weight, distance) in enumerate(
            zip(row["input_ids"], row[MASK_WEIGHT], row[MASK_UNIT], strict=True)
        ):
            if weight > 0:
                units.setdefault(place - int(distance), []).append(token)
        # Beside a stretch a token may hold a currency sign: docs/selectors.md.
        assert [tokenizer.decode(tokens).strip(" $") for tokens in units.values()] == expected


def test_tokens_are_units_of_their_own() -> None:
    for row in rows("all", "tokens"):
        assert set(row[MASK_WEIGHT]) == {1.0}
        assert not any(row[MASK_UNIT])
        marks = marks_of([row])
        assert torch.equal(marks[UNIT_KEY], marks[TOKEN_KEY])
