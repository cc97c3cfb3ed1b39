"""Every noise against a plain reference, in every layout of a batch and around every kind of model."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.utils.collators import DataCollatorForSeq2Seq, V2BatchSamplerDataCollatorForSeq2Seq
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.draws import Stream, draw_uniform_vectors, select_positions, token_keys
from axolotl_cotmask.masking.noise import Noise, NoiseContext, Noised, build
from axolotl_cotmask.masking.noise.catalogue import BUILT_IN
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from axolotl_cotmask.masking.sample_ids import sample_lengths, sample_numbers

SEED, EPOCH, VOCABULARY, WIDTH, PROMPT = 5, 2, 50, 16, 3
MASK, RANDOM_IDS = 49, torch.arange(4, 40)
CLASSES = {
    LlamaForCausalLM: LlamaConfig,
    MistralForCausalLM: MistralConfig,
    Qwen2ForCausalLM: Qwen2Config,
}
NOISES: dict[str, Noise] = {
    "mask": TokenNoise(1.0, MASK, RANDOM_IDS),
    "random": TokenNoise(0.0, None, RANDOM_IDS),
    "mixture": TokenNoise(0.5, MASK, RANDOM_IDS),
    "dropout": EmbeddingDropout(0.4),
    "dropout of all": EmbeddingDropout(1.0),
    "uniform": UniformNoise(30.0),
    "scheduled sampling": ScheduledSampling(1.5),
}
every_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())


def tiny(cls: type = LlamaForCausalLM, **changes: Any) -> Any:
    """A model with random weights, in training mode; as in Axolotl without a cache, which would join packed samples."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128, "initializer_range": 0.3,
        "use_cache": False,
    }  # fmt: skip
    return cls(CLASSES[cls](**(sizes | changes))).train()


# --- batches


def _sample(length: int, seed: int) -> Tensor:
    return torch.randint(4, 48, (length,), generator=torch.Generator().manual_seed(seed))


SAMPLES = [_sample(9, 1), _sample(14, 2), _sample(6, 3)]


@dataclass
class Batch:
    """The samples in one layout, and where each of their tokens lies."""

    inputs: dict[str, Tensor]
    noised: Noised
    spans: list[tuple[int, slice]]


def batch(layout: str, *, ratio: float = 0.5, prompt: int = PROMPT) -> Batch:
    lengths = [len(ids) for ids in SAMPLES]
    starts = [sum(lengths[:i]) for i in range(3)]
    longest = max(lengths)
    rows, spans = {
        "right": ((3, longest), [(i, slice(0, n)) for i, n in enumerate(lengths)]),
        "left": ((3, longest), [(i, slice(longest - n, longest)) for i, n in enumerate(lengths)]),
        # As Axolotl packs for attention that keeps samples apart: no attention mask, position ids begin anew.
        "packed": ((1, sum(lengths) + 3), [(0, slice(start, start + n)) for start, n in zip(starts, lengths, strict=True)]),
    }[layout]  # fmt: skip
    ids, keys, positions, mask = (torch.zeros(rows, dtype=torch.int64) for _ in range(4))
    labels, weight = torch.full(rows, -100), torch.zeros(rows)
    positions[0, sum(lengths) :] = torch.arange(3) if layout == "packed" else 0
    for sample, (row, span) in zip(SAMPLES, spans, strict=True):
        ids[row, span], keys[row, span], mask[row, span] = sample, token_keys(sample), 1
        positions[row, span] = torch.arange(len(sample))
        labels[row, span.start + prompt : span.stop] = sample[prompt:]
        weight[row, span.start + prompt : span.stop] = 1
    inputs = {"input_ids": ids, "labels": labels}
    inputs |= {"position_ids": positions} if layout == "packed" else {"attention_mask": mask}
    selected = select_positions(weight, keys, ratio=ratio, seed=SEED, epoch=EPOCH)
    return Batch(inputs, Noised(selected, keys, sample_numbers(inputs), SEED, EPOCH), spans)


layouts = pytest.mark.parametrize("layout", ["right", "left", "packed"])


def run(noise: Noise, model: Any, data: Batch) -> tuple[Tensor, Tensor, Any]:
    """The input ids and the embeddings that reached the model, and its outputs."""
    seen: list[Tensor] = []
    layers = next(module for name, module in model.named_modules() if name.endswith("layers"))
    hook = layers[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with noise.applied(model, data.inputs, data.noised) as inputs:
        assert inputs.keys() == data.inputs.keys()
        seen.clear()
        outputs = model(**inputs)
    hook.remove()
    [embeddings] = seen
    return inputs["input_ids"], embeddings, outputs


# --- references: numbers of Python, one token and one component at a time

_BITS = 2**64 - 1
_GAMMA = 0x9E3779B97F4A7C15


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _BITS
    return word ^ (word >> 31)


def _word(key: int, stream: Stream) -> int:
    word = key & _BITS
    for salt in (SEED, EPOCH, stream):
        word = _mix(word ^ (((int(salt) + 1) * _GAMMA) & _BITS))
    return word


def _uniform(key: int, stream: Stream) -> float:
    return (_word(key, stream) >> 40) * 2.0**-24


def _components(key: int, stream: Stream, width: int) -> list[float]:
    word = _word(key, stream)
    return [(_mix((word + (c + 1) * _GAMMA) & _BITS) >> 40) * 2.0**-24 for c in range(width)]


def reference_ids(noise: Any, model: Any, ids: list[int], keys: list[int], selected: list[bool]) -> list[int]:
    """What the ids of one sample become."""
    result = list(ids)
    if isinstance(noise, TokenNoise):
        for i, key in enumerate(keys):
            if selected[i] and _uniform(key, Stream.KIND) < noise.mask_share:
                result[i] = MASK
            elif selected[i]:
                drawn = ((_word(key, Stream.TOKEN) >> 32) * len(RANDOM_IDS)) >> 32
                result[i] = int(RANDOM_IDS[drawn])
    if isinstance(noise, ScheduledSampling):
        for i, key in enumerate(keys):
            if selected[i] and i > 0:
                # The sample on its own, only up to the token before.
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([ids[:i]])).logits[0, -1].tolist()
                powers = [math.exp(logit / noise.tau) for logit in logits]
                left, token = _uniform(key, Stream.SAMPLE) * sum(powers), 0
                while left >= powers[token]:
                    left -= powers[token]
                    token += 1
                result[i] = token
    return result


def reference_embedding(noise: Any, embedding: list[float], key: int, length: int) -> list[float]:
    """What the embedding of a noised token becomes."""
    width = len(embedding)
    if isinstance(noise, EmbeddingDropout):
        drawn = _components(key, Stream.DROPOUT, width)
        return [0.0 if u < noise.q else x / (1 - noise.q) for x, u in zip(embedding, drawn, strict=True)]
    if isinstance(noise, UniformNoise):
        drawn = _components(key, Stream.UNIFORM, width)
        magnitude = noise.alpha / math.sqrt(length * width)
        return [x + (2 * u - 1) * magnitude for x, u in zip(embedding, drawn, strict=True)]
    return embedding


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


# --- scheduled sampling


def test_scheduled_sampling_by_hand() -> None:
    """Six tokens, worked by hand: a model that knows only the token before, over the vocabulary {0, 1, 2, 3}."""
    after = torch.tensor(
        [
            [0.1, 0.2, 0.3, 0.4],
            [0.7, 0.1, 0.1, 0.1],
            [0.25, 0.25, 0.25, 0.25],
            [0.05, 0.05, 0.1, 0.8],
        ]
    )
    model = tiny(
        vocab_size=4, hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1, rms_norm_eps=1e-12
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(4))
        # The norm makes the one-hot embedding of four components twice as long.
        model.lm_head.weight.copy_(after.log().T / 2)
    ids = torch.tensor([[2, 0, 3, 1, 1, 2]])
    keys = token_keys(ids[0])[None]
    uniforms = [_uniform(key, Stream.SAMPLE) for key in keys[0].tolist()]
    assert [round(u, 3) for u in uniforms] == UNIFORMS
    where = Noised(torch.tensor([[True, True, True, False, True, True]]), keys, torch.zeros_like(ids), SEED, EPOCH)
    for tau, expected in BY_HAND.items():
        with ScheduledSampling(tau).applied(model, {"input_ids": ids}, where) as inputs:
            assert inputs["input_ids"].tolist() == [expected]


# One draw per place: 2 0 3 1 1 2, of which the fourth is clean and the first has nothing before it.
UNIFORMS = [0.181, 0.567, 0.305, 0.453, 0.692, 0.98]
BY_HAND = {
    # after 2: .25 .50 .75 passes .567 at 2;  after 0: .1 .3 .6 passes .305 at 2;  after 1: .7 passes .692 at 0;
    # after 1: .7 .8 .9 1 passes .98 at 3
    1.0: [2, 2, 2, 1, 0, 3],
    # The probabilities to the power of 10, for tau = 0.1: after 2 all alike; after 0: .4 has 0.94 and .3 has 0.05 of the
    # whole, so that .305 falls to 3; after 1: .7 has all but 1e-8 of it.
    0.1: [2, 2, 3, 1, 0, 0],
    # The roots, for tau = 2: after 0: .316 .447 .548 .632 of 1.944 are .163 .393 .. : 1;  after 1: .837 .316 .316 .316 of
    # 1.785 are .469 .646 .823 1: .692 falls to 2 and .98 to 3.
    2.0: [2, 2, 1, 1, 2, 3],
}


def test_scheduled_sampling_draws_by_the_tempered_probabilities() -> None:
    model, tau = tiny(), 3.0
    ids = torch.randint(4, 48, (2000, 2), generator=torch.Generator().manual_seed(0))
    # One token before, so that all places share one distribution.
    ids[:, 0] = 7
    keys = torch.arange(4000).reshape(2000, 2) * 7919 + 1
    selected = torch.tensor([False, True]).expand(2000, 2)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with ScheduledSampling(tau).applied(model, inputs, Noised(selected, keys, sample_numbers(inputs), 0, 0)) as result:
        counts = torch.bincount(result["input_ids"][:, 1], minlength=VOCABULARY)
    with torch.no_grad():
        expected = 2000 * (model(torch.tensor([[7]])).logits[0, 0] / tau).softmax(-1)
    assert ((counts - expected).abs() < 6 * expected**0.5 + 3).all()


def test_scheduled_sampling_never_looks_across_samples() -> None:
    for layout in ("right", "left", "packed"):
        data = batch(layout, ratio=1.0, prompt=0)
        ids, _, _ = run(ScheduledSampling(50.0), tiny(), data)
        for sample, (row, span) in zip(SAMPLES, data.spans, strict=True):
            assert data.noised.selected[row, span].all()
            assert ids[row, span][0] == sample[0], "no logits before the first token of a sample"
            assert (ids[row, span][1:] != sample[1:]).float().mean() > 0.5


def test_scheduled_sampling_takes_all_logits_where_it_has_to() -> None:
    class OldModel(LlamaForCausalLM):
        def forward(self, input_ids: Tensor, use_cache: bool, **inputs: Any) -> Any:  # type: ignore[override]
            return super().forward(input_ids=input_ids, use_cache=use_cache, **inputs)

    torch.manual_seed(0)
    data = batch("right")
    old, noise = OldModel(tiny().config), ScheduledSampling(1.0)
    new = LlamaForCausalLM(old.config)
    new.load_state_dict(old.state_dict())
    with noise.applied(old, data.inputs, data.noised) as first, noise.applied(new, data.inputs, data.noised) as second:
        assert torch.equal(first["input_ids"], second["input_ids"])
        assert not torch.equal(first["input_ids"], data.inputs["input_ids"])


def test_scheduled_sampling_runs_the_first_forward_in_evaluation_mode() -> None:
    model = get_peft_model(tiny(attention_dropout=0.5), LoraConfig(target_modules=["q_proj"], lora_dropout=0.5)).train()
    norm = model.get_base_model().model.norm.eval()
    data, state = batch("right", ratio=1.0), torch.get_rng_state()
    modes = {name: module.training for name, module in model.named_modules()}
    seen = []

    def look(module: nn.Module, arguments: Any, logits: Tensor) -> None:
        seen.append((norm.training, model.training, torch.is_grad_enabled(), logits.shape[1]))

    hook = model.get_base_model().lm_head.register_forward_hook(look)
    drawn = []
    for _ in range(2):
        with ScheduledSampling(1.0).applied(model, data.inputs, data.noised) as inputs:
            drawn.append(inputs["input_ids"])
            assert modes == {name: module.training for name, module in model.named_modules()}
    hook.remove()
    # Of the places 0 to 13 the last is before no token, and those before the last one of a prompt before no noised one.
    assert seen == [(False, False, False, 14 - PROMPT)] * 2
    assert torch.equal(*drawn), "no dropout"
    assert torch.equal(torch.get_rng_state(), state)


# --- several noises


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


# --- statistics


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


# --- gradients, precision, wrappers


def gradients(model: Any, noise: Noise | None, data: Batch) -> dict[str, Tensor]:
    model.zero_grad()
    with noise.applied(model, data.inputs, data.noised) if noise else nullcontext(data.inputs) as inputs:
        loss = model(**inputs).loss
    # After the noise has gone, as in a trainer: a recomputed block must not miss it.
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("name", ["dropout", "dropout of all", "uniform"])
def test_gradients_are_those_of_noised_embeddings(name: str) -> None:
    model, data, noise = tiny().double(), batch("packed"), NOISES[name]
    got = gradients(model, noise, data)
    # noised = factor * clean + addend, each from the reference.
    ids, keys = data.inputs["input_ids"], data.noised.token_key
    factor, addend = torch.ones(*ids.shape, WIDTH).double(), torch.zeros(*ids.shape, WIDTH).double()
    for sample, (_, span) in zip(SAMPLES, data.spans, strict=True):
        for i in range(span.start, span.stop):
            if data.noised.selected[0, i]:
                zeros, ones = ([value] * WIDTH for value in (0.0, 1.0))
                at_0 = torch.tensor(reference_embedding(noise, zeros, int(keys[0, i]), len(sample))).double()
                at_1 = torch.tensor(reference_embedding(noise, ones, int(keys[0, i]), len(sample))).double()
                factor[0, i], addend[0, i] = at_1 - at_0, at_0
    model.zero_grad()
    rest = {key: value for key, value in data.inputs.items() if key != "input_ids"}
    model(inputs_embeds=model.get_input_embeddings()(ids) * factor + addend, **rest).loss.backward()
    for key, weight in model.named_parameters():
        torch.testing.assert_close(got[key], weight.grad, rtol=1e-4, atol=1e-6)


@every_noise
def test_bf16_keeps_its_dtype_and_clean_positions(noise: Noise) -> None:
    model, data = tiny().bfloat16(), batch("right")
    ids, embeddings, outputs = run(noise, model, data)
    assert embeddings.dtype == torch.bfloat16
    clean = ~data.noised.selected
    assert torch.equal(embeddings[clean], model.get_input_embeddings()(ids)[clean])
    assert outputs.loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(model, noise, data).values())


@every_noise
def test_autocast_trains_every_weight(noise: Noise) -> None:
    model, data = tiny(), batch("right")
    with torch.autocast("cpu", torch.bfloat16):
        got = gradients(model, noise, data)
    assert got.keys() == dict(model.named_parameters()).keys(), "a first forward leaves no casts without gradients"
    assert all(gradient.isfinite().all() for gradient in got.values())


LORA = {
    "adapter": {},
    "trained embeddings": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "adapted embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
}


@pytest.mark.parametrize("settings", LORA.values(), ids=LORA.keys())
@every_noise
def test_lora(noise: Noise, settings: dict[str, Any]) -> None:
    data = batch("right")
    expected = run(noise, tiny().double(), data)
    model = get_peft_model(tiny().double(), LoraConfig(**{"target_modules": ["q_proj"], **settings})).train()
    got = run(noise, model, data)
    assert torch.equal(got[0], expected[0])
    torch.testing.assert_close(got[1], expected[1])
    torch.testing.assert_close(got[2].logits, expected[2].logits)
    trained = gradients(model, noise, data)
    assert trained.keys() == {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(gradient.isfinite().all() for gradient in trained.values())


@pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not reentrant"])
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@every_noise
def test_gradient_checkpointing(noise: Noise, lora: bool, reentrant: bool) -> None:
    model, data = tiny().double(), batch("packed")
    model = get_peft_model(model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False)) if lora else model
    expected = gradients(model.train(), noise, data)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    # Axolotl's order: this puts another hook on the embeddings, before ours.
    model.enable_input_require_grads()
    assert_same(gradients(model, noise, data), expected)
    assert any(not torch.equal(expected[name], clean) for name, clean in gradients(model, None, data).items())


def test_require_grads_may_come_after_the_noise() -> None:
    model, data = tiny().double(), batch("right")
    model.get_input_embeddings().weight.requires_grad_(False)
    expected = gradients(model, NOISES["uniform"], data)
    with NOISES["uniform"].applied(model, data.inputs, data.noised) as inputs:
        model.enable_input_require_grads()
        model.zero_grad()
        model(**inputs).loss.backward()
    assert_same({name: w.grad for name, w in model.named_parameters() if w.grad is not None}, expected)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def _fsdp2(model: Any) -> Any:
    for layer in model.model.layers:
        fully_shard(layer)
    return fully_shard(model)


WRAPPERS: dict[str, Callable[[Any], nn.Module]] = {
    "DDP": DistributedDataParallel,
    "FSDP1": lambda model: FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu")),
    "FSDP2": _fsdp2,
}


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
@every_noise
def test_wrapped_models(noise: Noise, wrap: Callable[[Any], nn.Module]) -> None:
    model, data = tiny(), batch("right")
    expected_ids, _, expected = run(noise, model, data)
    wrapped = wrap(copy.deepcopy(model))
    with noise.applied(wrapped, data.inputs, data.noised) as inputs:
        outputs = wrapped(**inputs)
    outputs.loss.backward()
    assert torch.equal(inputs["input_ids"], expected_ids)
    torch.testing.assert_close(outputs.logits, expected.logits)


# --- nothing stays behind


class Stop(Exception):  # noqa: N818
    """Something goes wrong inside."""


@pytest.mark.parametrize("ending", ["step", "evaluation", Stop, KeyboardInterrupt], ids=str)
@pytest.mark.parametrize("inside_the_model", [False, True])
@every_noise
def test_nothing_stays_on_the_model(noise: Noise, ending: Any, inside_the_model: bool) -> None:
    model, data = tiny(), batch("right")
    model.model.norm.eval()

    def traces() -> list[Any]:
        return [
            (name, list(module._forward_hooks), list(module._forward_pre_hooks), list(vars(module)), module.training)
            for name, module in model.named_modules()
        ]

    def stop(*_: Any) -> None:
        raise ending

    def broken_step() -> None:
        with noise.applied(model, data.inputs, data.noised) as inputs:
            model(**inputs)
            stop()

    clean, before = model(**data.inputs).logits, traces()
    if ending in ("step", "evaluation"):
        with noise.applied(model, data.inputs, data.noised) as inputs:
            loss = model(**inputs).loss
        if ending == "step":
            loss.backward()
    else:
        breaks = model.model.layers[1].register_forward_hook(stop) if inside_the_model else None
        with pytest.raises(ending):
            broken_step()
        if breaks:
            breaks.remove()
    assert traces() == before
    assert torch.equal(model(**data.inputs).logits, clean)
    assert torch.equal(model.eval()(**data.inputs).logits, clean)


@pytest.mark.parametrize("forwards", [0, 2])
@pytest.mark.parametrize("name", ["dropout", "uniform"])
def test_embedding_noise_that_misses_the_forward_stops(name: str, forwards: int) -> None:
    model, data = tiny(), batch("right")

    def step() -> None:
        with NOISES[name].applied(model, data.inputs, data.noised) as inputs:
            for _ in range(forwards):
                model(**inputs)

    with pytest.raises(CoTMaskError, match=rf"input embeddings {forwards} times.*set torch_compile: false"):
        step()
    assert not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("name", ["dropout", "uniform"])
def test_embedding_noise_on_a_part_of_the_batch_stops(name: str) -> None:
    model, data = tiny(), batch("right")
    with (
        pytest.raises(CoTMaskError, match=r"looked up embeddings of \[1, 14\] tokens and the batch has \[3, 14\]"),
        NOISES[name].applied(model, data.inputs, data.noised) as inputs,
    ):
        model(**{key: value[:1] for key, value in inputs.items()})


def test_scheduled_sampling_on_a_part_of_the_batch_stops() -> None:
    class Half(LlamaForCausalLM):
        def forward(self, input_ids: Tensor, **inputs: Any) -> Any:  # type: ignore[override]
            return super().forward(input_ids=input_ids[:, :7], use_cache=inputs["use_cache"])

    data = batch("right")
    with (
        pytest.raises(CoTMaskError, match=r"gave logits of shape \[3, 7\] for \[3, 14\] tokens"),
        ScheduledSampling(1.0).applied(Half(tiny().config), data.inputs, data.noised),
    ):
        pass


# --- names and options

CONTEXT = NoiseContext(mask_token_id=MASK, random_ids=RANDOM_IDS)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mask", {}, TokenNoise(1.0, MASK, RANDOM_IDS)),
        ("random", {}, TokenNoise(0.0, None, RANDOM_IDS)),
        ("dropout", {"q": 0.95}, EmbeddingDropout(0.95)),
        ("dropout", {"q": 1}, EmbeddingDropout(1.0)),
        ("uniform", {"alpha": 100}, UniformNoise(100.0)),
        ("scheduled_sampling", {"tau": 0.1}, ScheduledSampling(0.1)),
    ],
)
def test_builds_by_name(name: str, options: dict[str, Any], expected: Noise) -> None:
    assert build(name, options, CONTEXT) == expected


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("dropuot", {}, "cotmask.noise is dropuot: did you mean dropout?"),
        ("zzz", {}, f"cotmask.noise is zzz: the options are {', '.join(BUILT_IN)}"),
        ("dropout", {}, "cotmask.noise.dropout.q is missing: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": 1.4}, "cotmask.noise.dropout.q is 1.4: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": 0}, "cotmask.noise.dropout.q is 0: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": True}, "cotmask.noise.dropout.q is True: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"p": 0.5}, "cotmask.noise.dropout.p is not an option: the options are q"),
        ("uniform", {"alpha": "big"}, "cotmask.noise.uniform.alpha is big: it is the magnitude of the noise, give a number above 0"),
        ("uniform", {"alpha": math.inf}, "cotmask.noise.uniform.alpha is inf: it is the magnitude of the noise, give a number above 0"),
        ("uniform", {"alpha": 5, "alhpa": 5}, "cotmask.noise.uniform.alhpa is not an option: did you mean alpha?"),
        ("scheduled_sampling", {"tau": -1}, "cotmask.noise.scheduled_sampling.tau is -1: it is the temperature of the sampling, give a number above 0"),
        ("mask", {"q": 1}, "cotmask.noise.mask.q is not an option: mask takes none, leave it out"),
        ("random", {"m": 1}, "cotmask.noise.random.m is not an option: random takes none, leave it out"),
    ],
)  # fmt: skip
def test_wrong_names_and_options_meet_a_sentence(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CoTMaskError) as error:
        build(name, options, CONTEXT)
    assert str(error.value) == sentence


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with noises of its own."""
    (tmp_path / "silence.py").write_text(
        "from contextlib import nullcontext\n\n\n"
        "class Silence:\n"
        "    def __init__(self, options, context):\n"
        "        self.options, self.context = options, context\n\n"
        "    def applied(self, model, inputs, noised):\n"
        "        return nullcontext({**inputs, 'input_ids': inputs['input_ids'] * 0})\n"
    )
    metadata = tmp_path / "silence-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: silence\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[axolotl_cotmask.noises]\n"
        "silence = silence:Silence\nmask = silence:Silence\nbroken = silence_that_is_not_there:Noise\nname = silence:__name__\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("other_package")
def test_noises_of_other_packages() -> None:
    noise: Any = build("silence", {"depth": 3}, CONTEXT)
    assert noise.options == {"depth": 3}
    assert noise.context is CONTEXT
    data = batch("right")
    entered: AbstractContextManager[dict[str, Tensor]] = noise.applied(tiny(), data.inputs, data.noised)
    with entered as inputs:
        assert (inputs["input_ids"] == 0).all()
    with pytest.raises(CoTMaskError, match=r"^cotmask\.noise is silenec: did you mean silence\?$"):
        build("silenec", {}, CONTEXT)
    with pytest.raises(CoTMaskError, match=r"^the noise broken \(silence_that_is_not_there:Noise\) cannot .*anew$"):
        build("broken", {}, CONTEXT)
    with pytest.raises(CoTMaskError, match=r"^the noise name \(silence:__name__\) is a str: its entry point has to"):
        build("name", {}, CONTEXT)
    assert isinstance(build("mask", {}, CONTEXT), TokenNoise), "our names cannot be taken"


# --- sample boundaries


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
