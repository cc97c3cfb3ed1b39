"""What a noised token becomes."""

from __future__ import annotations

import torch
from torch import nn

from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.masking.noise import Noised
from axolotl_cotmask.masking.noise.tokens import TokenNoise

IDS = torch.arange(4000).reshape(4, 1000) % 700
KEYS = torch.stack([token_keys(row) for row in IDS])
SELECTED = (torch.arange(1000) % 3 == 0).expand(4, 1000)
RANDOM_IDS = torch.tensor([5, 7, 11, 13, 700, 900])
MASK = 1234


def noised(mask_share: float, epoch: int = 0) -> torch.Tensor:
    noise = TokenNoise(mask_share, MASK if mask_share else None, RANDOM_IDS)
    inputs, before = {"input_ids": IDS, "labels": IDS}, IDS.clone()
    where = Noised(SELECTED, KEYS, sample=torch.arange(4)[:, None].expand(4, 1000), seed=3, epoch=epoch)
    with noise.applied(nn.Identity(), inputs, where) as result:
        assert result.keys() == inputs.keys()
        assert result["labels"] is IDS, "labels stay"
    assert torch.equal(before, IDS), "the batch itself is not changed"
    assert torch.equal(result["input_ids"][~SELECTED], IDS[~SELECTED])
    return result["input_ids"]


def test_mask_puts_the_mask_token_everywhere() -> None:
    assert (noised(1.0)[SELECTED] == MASK).all()


def test_random_draws_from_the_given_ids_only_and_from_all_of_them_alike() -> None:
    values, counts = noised(0.0)[SELECTED].unique(return_counts=True)
    assert torch.equal(values, RANDOM_IDS.sort().values)
    expected = SELECTED.sum() / len(RANDOM_IDS)
    assert ((counts - expected).abs() < 6 * expected**0.5).all()


def test_a_mixture_has_its_share_of_each() -> None:
    n, share = int(SELECTED.sum()), 0.8
    masks = int((noised(share)[SELECTED] == MASK).sum())
    assert abs(masks - share * n) < 6 * (n * share * (1 - share)) ** 0.5
    assert set(noised(share)[SELECTED].unique().tolist()) == {MASK, *RANDOM_IDS.tolist()}


def test_random_tokens_differ_between_epochs() -> None:
    same = (noised(0.0, 0)[SELECTED] == noised(0.0, 1)[SELECTED]).float().mean()
    assert abs(same - 1 / len(RANDOM_IDS)) < 0.06
