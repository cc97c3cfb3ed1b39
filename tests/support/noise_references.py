"""Every noise once more: numbers of Python, one token and one component at a time."""

from __future__ import annotations

import math
from typing import Any

import torch

from axolotl_cotmask.masking.draws import Stream
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from support.noise_batches import EPOCH, MASK, RANDOM_IDS, SEED

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


def uniform(key: int, stream: Stream) -> float:
    """The number in [0, 1) that a token draws from a stream."""
    return (_word(key, stream) >> 40) * 2.0**-24


def _components(key: int, stream: Stream, width: int) -> list[float]:
    word = _word(key, stream)
    return [(_mix((word + (c + 1) * _GAMMA) & _BITS) >> 40) * 2.0**-24 for c in range(width)]


def reference_ids(noise: Any, model: Any, ids: list[int], keys: list[int], selected: list[bool]) -> list[int]:
    """What the ids of one sample become."""
    result = list(ids)
    if isinstance(noise, TokenNoise):
        for i, key in enumerate(keys):
            if selected[i] and uniform(key, Stream.KIND) < noise.mask_share:
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
                left, token = uniform(key, Stream.SAMPLE) * sum(powers), 0
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
