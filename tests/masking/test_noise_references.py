"""Every noise against a plain reference, in every layout of a batch, alone and beside others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.noise_batches import (
    EPOCH,
    NOISES,
    SAMPLES,
    SEED,
    Batch,
    batch,
    every_noise,
    layouts,
    run,
    tiny,
)
from support.noise_references import reference_embedding, reference_ids
from torch import Tensor, nn
from transformers import (
    MistralForCausalLM,
    Qwen2ForCausalLM,
)

from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.masking.noise import Noise, Noised


def check_against_reference(noise: Noise, model: Any, data: Batch) -> None:
    model = model.double()
    got_ids, got_embeddings, _ = run(noise, model, data)
    changed = 0
    for sample, (row, span) in zip(SAMPLES, data.spans, strict=True):
        ids, keys = sample.tolist(), token_keys(sample).tolist()
        selected = data.noised.selected[row, span].tolist()
        expected_ids = reference_ids(noise, model.eval(), ids, keys, selected)
        assert got_ids[row, span].tolist() == expected_ids
        for i, token in enumerate(expected_ids):
            clean, got = model.get_input_embeddings().weight[token], got_embeddings[row, span][i]
            if selected[i]:
                expected = torch.tensor(
                    reference_embedding(noise, clean.tolist(), keys[i], len(ids)), dtype=torch.float64
                )
                torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
                changed += token != ids[i] or not torch.equal(got, clean)
            else:
                assert torch.equal(got, clean), "clean positions to the bit"
    assert changed > 5


@layouts
@every_noise
def test_agrees_with_its_reference(noise: Noise, layout: str) -> None:
    check_against_reference(noise, tiny(), batch(layout))


@pytest.mark.parametrize("cls", [MistralForCausalLM, Qwen2ForCausalLM])
@every_noise
def test_agrees_with_its_reference_on_other_models(noise: Noise, cls: type) -> None:
    check_against_reference(noise, tiny(cls, tie_word_embeddings=True), batch("right"))


@every_noise
def test_padding_and_the_other_samples_of_the_batch_change_nothing(noise: Noise) -> None:
    # A sample's own logits, noise and all, are those that it has alone in a batch.
    model = tiny().double()
    results = {layout: run(noise, model, data) for layout in ("right", "left", "packed") for data in [batch(layout)]}
    for number in range(len(SAMPLES)):
        own = []
        for layout, (ids, embeddings, outputs) in results.items():
            row, span = batch(layout).spans[number]
            own.append((ids[row, span], embeddings[row, span], outputs.logits[row, span]))
        for ids, embeddings, logits in own[1:]:
            assert torch.equal(ids, own[0][0])
            assert torch.equal(embeddings, own[0][1])
            # The rotations of left-padded rows begin elsewhere, and are float32 in every model.
            torch.testing.assert_close(logits, own[0][2], rtol=0, atol=1e-5)


@every_noise
def test_epochs_and_seeds_differ_and_one_repeats(noise: Noise) -> None:
    model, data = tiny(), batch("right", ratio=1.0)
    first = run(noise, model, data)[1]
    assert torch.equal(run(noise, model, data)[1], first)
    if noise in (NOISES["mask"], NOISES["dropout of all"]):
        return
    for change in ({"seed": SEED + 1}, {"epoch": EPOCH + 1}):
        other = Batch(data.inputs, replace(data.noised, **change), data.spans)
        assert not torch.equal(run(noise, model, other)[1], first)


@every_noise
def test_nothing_selected_is_the_clean_forward(noise: Noise) -> None:
    model, data = tiny(), batch("right", ratio=0.0)
    ids, _, outputs = run(noise, model, data)
    assert torch.equal(ids, data.inputs["input_ids"])
    assert torch.equal(outputs.logits, model(**data.inputs).logits)


@pytest.mark.parametrize("order", [1, -1])
@layouts
def test_each_data_set_may_have_its_own_noise(layout: str, order: int) -> None:
    model, data = tiny().double(), batch(layout)
    mixed = ["scheduled sampling", "dropout", "uniform"]
    own = {}
    for name, (row, span) in zip(mixed, data.spans, strict=True):
        ids, embeddings, _ = run(NOISES[name], model, data)
        mine = torch.zeros_like(data.noised.selected)
        mine[row, span] = data.noised.selected[row, span]
        own[name] = (row, span, mine, ids[row, span], embeddings[row, span])

    class All:
        @contextmanager
        def applied(
            self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised
        ) -> Iterator[dict[str, Tensor]]:
            with ExitStack() as stack:
                for name in mixed[::order]:
                    inputs = stack.enter_context(
                        NOISES[name].applied(model, inputs, replace(noised, selected=own[name][2]))
                    )
                yield dict(inputs)

    ids, embeddings, _ = run(All(), model, data)
    for row, span, _, own_ids, own_embeddings in own.values():
        assert torch.equal(ids[row, span], own_ids)
        assert torch.equal(embeddings[row, span], own_embeddings)
