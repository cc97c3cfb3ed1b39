"""Every noise, a tiny model, and three samples in each layout of a batch."""

from __future__ import annotations

from dataclasses import dataclass
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

from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.masking.noise import Noise, Noised
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from axolotl_cotmask.masking.sample_ids import sample_numbers

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
