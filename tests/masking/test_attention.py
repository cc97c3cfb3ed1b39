"""What is hidden from attention is seen by nobody else, in any layout, in every layer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.attention import check, hidden

CLASSES = {LlamaForCausalLM: LlamaConfig, MistralForCausalLM: MistralConfig, Qwen2ForCausalLM: Qwen2Config}
VOCABULARY = 40
models = pytest.mark.parametrize("cls", CLASSES)
implementations = pytest.mark.parametrize("implementation", ["sdpa", "eager"])


def tiny(cls: type = LlamaForCausalLM, implementation: str = "sdpa") -> Any:
    """A float64 model with random weights; as in Axolotl without a cache, which would join packed samples."""
    torch.manual_seed(0)
    config = CLASSES[cls](
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3, use_cache=False,
        attn_implementation=implementation,
    )  # fmt: skip
    return cls(config).double().train()


GENERATOR = torch.Generator().manual_seed(0)
SAMPLES = [torch.randint(0, VOCABULARY, (length,), generator=GENERATOR) for length in (9, 14, 1, 6)]
SELECTED = [torch.rand(len(ids), generator=GENERATOR) < 0.4 for ids in SAMPLES]
# A hidden first token has nothing before it.
SELECTED[0][0] = SELECTED[1][3] = True


def batch(layout: str) -> tuple[dict[str, Tensor], Tensor, list[tuple[int, slice]]]:
    """The model's inputs, the selection, and where each sample lies."""
    lengths = [len(ids) for ids in SAMPLES]
    longest, total = max(lengths), sum(lengths)
    shape, spans = {
        "right": ((4, longest), [(i, slice(0, n)) for i, n in enumerate(lengths)]),
        "left": ((4, longest), [(i, slice(longest - n, longest)) for i, n in enumerate(lengths)]),
        "packed": ((1, total + 2), [(0, slice(sum(lengths[:i]), sum(lengths[: i + 1]))) for i in range(4)]),
    }[layout]
    ids, positions, mask = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    selected = torch.zeros(shape, dtype=torch.bool)
    for number, (row, span) in enumerate(spans):
        ids[row, span], selected[row, span] = SAMPLES[number], SELECTED[number]
        positions[row, span], mask[row, span] = torch.arange(lengths[number]), 1
    if layout == "packed":
        positions[0, total:] = torch.arange(2)
        return {"input_ids": ids, "position_ids": positions}, selected, spans
    return {"input_ids": ids, "attention_mask": mask}, selected, spans


def logits(model: Any, inputs: dict[str, Tensor], selected: Tensor | None) -> Tensor:
    if selected is not None:
        inputs = hidden(inputs, selected, model.config._attn_implementation)
    with torch.no_grad():
        return model(**inputs).logits


@implementations
@models
@pytest.mark.parametrize("layout", ["right", "left", "packed"])
def test_a_hidden_token_reaches_no_other_position(cls: type, implementation: str, layout: str) -> None:
    model = tiny(cls, implementation)
    inputs, selected, spans = batch(layout)
    row, span = spans[1]
    place = span.start + 3
    assert selected[row, place]
    other = {**inputs, "input_ids": inputs["input_ids"].clone()}
    other["input_ids"][row, place] = (other["input_ids"][row, place] + 1) % VOCABULARY
    differs = (logits(model, inputs, selected) != logits(model, other, selected)).any(-1)
    assert differs.nonzero().tolist() == [[row, place]], "only its own prediction"
    differs = (logits(model, inputs, None) != logits(model, other, None)).any(-1)
    assert differs[row, span].tolist() == [False] * 3 + [True] * 11, "and without hiding all that follow"


@implementations
@models
def test_nothing_hidden_is_the_models_own_attention(cls: type, implementation: str) -> None:
    # In float64 transformers' own mask makes eager attention NaN on left-padded rows.
    model = tiny(cls, implementation).float()
    for layout in ("right", "left", "packed"):
        inputs, selected, spans = batch(layout)
        got, expected = logits(model, inputs, torch.zeros_like(selected)), logits(model, inputs, None)
        for row, span in spans:
            torch.testing.assert_close(got[row, span], expected[row, span])


@implementations
@models
def test_a_sample_is_hidden_alike_in_every_layout(cls: type, implementation: str) -> None:
    model = tiny(cls, implementation)
    for layout in ("right", "left", "packed"):
        inputs, selected, spans = batch(layout)
        together = logits(model, inputs, selected)
        assert together.isfinite().all(), "padding, too"
        for ids, marks, (row, span) in zip(SAMPLES, SELECTED, spans, strict=True):
            alone = logits(model, {"input_ids": ids[None]}, marks[None])[0]
            # The rotations of left-padded rows begin elsewhere, and are float32 in every model.
            torch.testing.assert_close(together[row, span], alone, rtol=0, atol=1e-5)


@implementations
def test_one_layer_is_that_of_plain_loops(implementation: str) -> None:
    model = tiny(implementation=implementation)
    inputs, selected, spans = batch("packed")
    attention = model.model.layers[1].self_attn
    seen: dict[str, Any] = {}
    attention.register_forward_hook(
        lambda _, __, kwargs, output: seen.update(kwargs, output=output[0]), with_kwargs=True
    )
    logits(model, inputs, selected)
    states, (cos, sin) = seen["hidden_states"], seen["position_embeddings"]
    with torch.no_grad():
        query, key, value = (
            projection(states).view(1, states.shape[1], -1, 4).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        for (_, span), marks in zip(spans, SELECTED, strict=True):
            for i in range(span.start, span.stop):
                heads = []
                for head in range(4):
                    # Two heads of queries share one of keys and values.
                    q, k, v = query[0, head, i].tolist(), key[0, head // 2].tolist(), value[0, head // 2].tolist()
                    visible = [j for j in range(span.start, i + 1) if j == i or not marks[j - span.start]]
                    weights = [math.exp(sum(a * b for a, b in zip(q, k[j], strict=True)) / 2) for j in visible]
                    heads += [
                        sum(w * v[j][c] for w, j in zip(weights, visible, strict=True)) / sum(weights) for c in range(4)
                    ]
                expected = attention.o_proj(torch.tensor(heads, dtype=torch.float64))
                torch.testing.assert_close(seen["output"][0, i], expected, rtol=1e-6, atol=1e-6)


@implementations
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_trains_in_every_precision(implementation: str, dtype: torch.dtype) -> None:
    model = tiny(implementation=implementation).to(dtype)
    inputs, selected, _ = batch("packed")
    loss = model(**hidden(inputs, selected, implementation), labels=inputs["input_ids"]).loss
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@implementations
def test_gradient_checkpointing_and_autocast(implementation: str) -> None:
    model = tiny(implementation=implementation).float()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    inputs, selected, _ = batch("left")
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**hidden(inputs, selected, implementation), labels=inputs["input_ids"]).loss
    loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_the_inputs_themselves_stay() -> None:
    inputs, selected, _ = batch("right")
    before = {name: value.clone() for name, value in inputs.items()}
    result = hidden(inputs, selected, "sdpa")
    assert all(torch.equal(inputs[name], before[name]) for name in before)
    assert result["input_ids"] is inputs["input_ids"]
    assert result["attention_mask"].shape == (4, 1, 14, 14)
    assert result["attention_mask"].dtype == torch.bool


@pytest.mark.parametrize("name", ["sdpa", "eager"])
def test_check_lets_masks_of_queries_by_keys_pass(name: str) -> None:
    check(name, None, 100_000)
    check(name, 4096, 4096)


@pytest.mark.parametrize("name", ["flash_attention_2", "flex_attention", "xformers"])
def test_other_attention_meets_a_sentence(name: str) -> None:
    with pytest.raises(CoTMaskError) as error:
        check(name, None, 512)
    assert str(error.value) == (
        "cotmask.hide_from_attention needs a mask of queries by keys, and attn_implementation is "
        f"{name}, which takes none: set attn_implementation: sdpa, or take hide_from_attention out"
    )


def test_a_sliding_window_shorter_than_the_samples_meets_a_sentence() -> None:
    with pytest.raises(CoTMaskError) as error:
        check("sdpa", 4096, 8192)
    assert str(error.value) == (
        "cotmask.hide_from_attention replaces the model's sliding window of 4096 tokens, and sequence_len is 8192: set "
        "sequence_len to 4096 or less, or take hide_from_attention out"
    )
