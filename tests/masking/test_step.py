"""One step on a micro-batch, as trainer and preview take it: the same positions and ids in both, each data set its own noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.small_tokenizers import byte_level
from torch import nn

from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.masking.step import Masking

IDS = torch.randint(5, 300, (4, 64), generator=torch.Generator().manual_seed(0))
MARKS = {"mask_weight": torch.ones(4, 64), "token_key": torch.stack([token_keys(row) for row in IDS])}


def start(entries: list[dict[str, Any]], **block: Any) -> Masking:
    config = parse_config({"mask_ratio": 0.5, "mask_token": "<unk>", "warmup_ratio": 0, **block})
    return Masking.start(RunMasking(config, entries), byte_level(("<unk>",)), run_seed=3)


@pytest.mark.parametrize("noise", ["mask", "random", {"mask": 0.8, "random": 0.2}])
def test_what_is_replaced_without_the_model_is_what_it_is_given(noise: Any) -> None:
    masking = start([{"path": "a"}], noise=noise)
    ratio = masking.ratio(7, 10)
    assert ratio == 0.5
    selected = masking.select(MARKS, ratio, epoch=1)
    with masking.noised(nn.Identity(), {"input_ids": IDS}, MARKS, selected, ratio, epoch=1) as inputs:
        replaced = masking.replaced(IDS, MARKS, selected, epoch=1)
        assert replaced is not None
        assert torch.equal(inputs["input_ids"], replaced)
    assert torch.equal(replaced[~selected], IDS[~selected])
    assert not torch.equal(replaced[selected], IDS[selected])


def test_what_the_model_would_have_to_say_is_not_said() -> None:
    masking = start([{"path": "a"}], noise={"dropout": {"q": 0.5}})
    selected = masking.select(MARKS, 0.5, epoch=0)
    assert masking.replaced(IDS, MARKS, selected, epoch=0) is None
    unmasked = masking.replaced(IDS, MARKS, torch.zeros_like(selected), epoch=0)
    assert unmasked is IDS, "where nothing is selected, nothing changes"


def test_each_data_set_has_its_own_noise_and_ratio() -> None:
    masking = start([{"path": "a"}, {"path": "b", "noise": "random"}, {"path": "a"}], noise="mask")
    assert masking.noises[0] is masking.noises[2]
    group = torch.tensor([0, 1, 2, 1])[:, None].expand(4, 64)
    marks = MARKS | {"mask_group": group}
    selected = masking.select(marks, 0.5, epoch=0)
    replaced = masking.replaced(IDS, marks, selected, epoch=0)
    assert replaced is not None
    unk = byte_level(("<unk>",)).convert_tokens_to_ids("<unk>")
    masked = replaced == unk
    assert masked[[0, 2]].equal(selected[[0, 2]])
    assert masked[[1, 3]].sum() < selected[[1, 3]].sum() / 10


def test_tokens_of_a_unit_share_their_draw_and_its_first_one_is_the_chance() -> None:
    first = torch.arange(64) // 4 * 4
    marks = MARKS | {"unit_key": MARKS["token_key"][:, first]}
    masking = start([{"path": "a"}])
    selected = masking.select(marks, 0.5, epoch=0)
    assert torch.equal(selected, selected[:, first])
    assert torch.equal(masking.begins_unit(marks)[0].nonzero().flatten(), torch.arange(0, 64, 4))
    assert masking.begins_unit(MARKS).all()


def test_plain_sft_needs_no_token_of_its_noise() -> None:
    masking = start([{"path": "a"}, {"path": "b", "noise": "mask"}], mask_ratio=0, mask_token=None)
    assert masking.ratio(5, 10) == 0
    assert not masking.select(MARKS, 0.0, epoch=0).any()
    with masking.noised(
        nn.Identity(), {"input_ids": IDS}, MARKS, torch.zeros(4, 64, dtype=torch.bool), 0.0, 0
    ) as inputs:
        assert inputs["input_ids"] is IDS
