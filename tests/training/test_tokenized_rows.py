"""Rows that bring their own tokens and weights are checked as those that are made here."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.training.preparation import _check_tokenized

RIGHT = {
    "input_ids": [1, 5, 6, 2],
    "attention_mask": [1, 1, 1, 1],
    "labels": [-100, -100, 6, 2],
    "mask_weight": [0, 0, 1, 0.5],
}


def check(*rows: dict[str, Any], type_: str | None = None) -> None:
    _check_tokenized(Dataset.from_list([*rows]), "rows.jsonl", type_)


def test_right_rows_pass() -> None:
    check(RIGHT, RIGHT)
    check({name: values for name, values in RIGHT.items() if name != "mask_weight"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask_weight": [0, 0, 9, 0]}, "row 2: mask_weight holds 9.0: it is the share of the scheduled ratio, from 0 to 1"),
        ({"mask_weight": [0, 0, -0.5, 0]}, "row 2: mask_weight holds -0.5"),
        ({"mask_weight": [0, 0, float("nan"), 0]}, "row 2: mask_weight holds nan"),
        ({"mask_weight": [0, 1, 1, 0]}, "row 2: mask_weight is above 0 at a token without a label"),
        ({"mask_weight": [0, 0, 1]}, "row 2: mask_weight has 3 values, and input_ids 4"),
        ({"mask_weight": None}, "row 2: mask_weight is no list of numbers"),
        ({"mask_weight": [0, 0, None, 0]}, "row 2: mask_weight is no list of numbers"),
        ({"labels": [-100, 5]}, "row 2: labels has 2 values, and input_ids 4"),
        ({"attention_mask": [1]}, "row 2: attention_mask has 1 values"),
    ],
)  # fmt: skip
def test_wrong_rows_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CoTMaskError) as stopped:
        check(RIGHT, {**RIGHT, **changes})
    assert str(stopped.value).startswith(f"rows.jsonl, {said}")


@pytest.mark.parametrize("column", ["mask_unit", "mask_group", "token_key", "unit_key"])
def test_columns_that_the_plugin_makes(column: str) -> None:
    with pytest.raises(CoTMaskError, match=f"the column {column} is one that the plugin makes"):
        check({**RIGHT, column: [0, 0, 0, 0]})


def test_a_type_of_ours_makes_tokens_itself() -> None:
    with pytest.raises(CoTMaskError, match=r"its rows are tokens already, which the type .* does not make"):
        check(RIGHT, type_="axolotl_cotmask.prompt_strategies.gsm8k")
