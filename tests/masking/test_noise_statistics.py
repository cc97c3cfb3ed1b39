"""The draws of embedding noises have the rates, ranges and independence that are promised."""

from __future__ import annotations

import math

import torch
from support.noise_batches import (
    VOCABULARY,
    Batch,
    run,
    tiny,
)

from axolotl_cotmask.masking.draws import Stream, draw_uniform_vectors, token_keys
from axolotl_cotmask.masking.noise import Noised
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.sample_ids import sample_numbers


def test_dropout_has_its_rate_everywhere_and_scales_the_rest() -> None:
    model, q = tiny(hidden_size=64), 0.3
    ids = torch.randint(0, VOCABULARY, (30, 100), generator=torch.Generator().manual_seed(0))
    keys = torch.stack([token_keys(row) for row in ids])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    where = Noised(torch.ones_like(ids).bool(), keys, sample_numbers(inputs), 0, 0)
    _, noised, _ = run(EmbeddingDropout(q), model, Batch(inputs, where, []))
    clean = model.get_input_embeddings()(ids)
    kept = noised != 0
    torch.testing.assert_close(noised[kept], clean[kept] / (1 - q))
    for axes, n in (((0, 1, 2), kept.numel()), ((0, 1), 3000), ((0, 2), 1920), ((1, 2), 6400)):
        rate = (~kept).float().mean(axes)
        assert ((rate - q).abs() < 6 * (q * (1 - q) / n) ** 0.5).all()


def test_uniform_noise_fills_its_range_evenly() -> None:
    model, alpha = tiny(hidden_size=64), 10.0
    ids = torch.randint(0, VOCABULARY, (30, 100), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(100) < torch.arange(1, 31)[:, None] * 3).long()
    inputs = {"input_ids": ids, "attention_mask": mask}
    keys = torch.stack([token_keys(row) for row in ids])
    _, noised, _ = run(
        UniformNoise(alpha), model, Batch(inputs, Noised(mask.bool(), keys, sample_numbers(inputs), 0, 0), [])
    )
    added = (noised - model.get_input_embeddings()(ids)).detach()
    for row in range(30):
        length = 3 * (row + 1)
        share = added[row, :length] / (alpha / math.sqrt(length * 64))
        n = share.numel()
        assert share.abs().max() <= 1 + 1e-5
        assert share.max() > 0.9
        assert share.min() < -0.9
        assert abs(share.mean()) < 6 / math.sqrt(3 * n)
        assert abs((share**2).mean() - 1 / 3) < 6 * math.sqrt(4 / 45 / n)
        assert (added[row, length:] == 0).all(), "padding"


def test_draws_of_a_token_are_independent_and_uniform() -> None:
    keys = token_keys(torch.arange(3000))
    draws = draw_uniform_vectors(keys, 32, seed=0, epoch=0, stream=Stream.DROPOUT)
    assert draws.dtype == torch.float32
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, expected = torch.histc(draws, bins=64, min=0, max=1), draws.numel() / 64
    assert 20 < float(((counts - expected) ** 2 / expected).sum()) < 140, "63 degrees of freedom"
    others = {
        "component": draws.roll(1, 1),
        "far component": draws.roll(16, 1),
        "token": draws.roll(1, 0),
        "next token's next component": draws.roll((1, 1), (0, 1)),
        "epoch": draw_uniform_vectors(keys, 32, seed=0, epoch=1, stream=Stream.DROPOUT),
        "seed": draw_uniform_vectors(keys, 32, seed=1, epoch=0, stream=Stream.DROPOUT),
        "stream": draw_uniform_vectors(keys, 32, seed=0, epoch=0, stream=Stream.UNIFORM),
    }
    for name, other in others.items():
        correlation = torch.corrcoef(torch.stack([draws.flatten(), other.flatten()]))[0, 1]
        assert abs(correlation) < 6 / draws.numel() ** 0.5, name
    assert torch.equal(draw_uniform_vectors(keys, 5, seed=0, epoch=0, stream=Stream.DROPOUT), draws[:, :5])
