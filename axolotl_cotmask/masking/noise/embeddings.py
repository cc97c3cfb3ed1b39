"""Embedding noise: the input embedding of a noised position is dropped in part, or moved (paper Table 3).

Both work by a hook on the model's input embeddings, which keeps them inside whatever shards or trains the embeddings.
Not covered: embeddings inside a gradient-checkpointed block (a model that Axolotl trains has them outside).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.draws import Stream, draw_uniform_vectors
from axolotl_cotmask.masking.noise.protocol import Noised, base_model
from axolotl_cotmask.masking.sample_ids import sample_lengths

#: Noised positions that are drawn for at a time: the hash needs several int64 numbers per component.
_CHUNK = 1024


class _EmbeddingNoise(ABC):
    @contextmanager
    def applied(self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised) -> Iterator[dict[str, Tensor]]:
        """Yield the inputs as they are, with the noise on the model's input embeddings; arguments as `Noise.applied`.

        Raises:
            CoTMaskError: the forward did not look up the embeddings of exactly this batch, once.
        """
        places = noised.selected.nonzero(as_tuple=True)
        keys = noised.token_key[places]
        lengths = sample_lengths(noised.sample)[places]
        lookups = 0

        def add_noise(module: nn.Module, arguments: Any, embeddings: Tensor) -> Tensor:
            nonlocal lookups
            if not module.training:
                # The first forward of scheduled sampling, which another data set of the run may have.
                return embeddings
            lookups += 1
            if embeddings.shape[:2] != noised.selected.shape:
                raise CoTMaskError(
                    f"the model looked up embeddings of {list(embeddings.shape[:2])} tokens and the batch has "
                    f"{list(noised.selected.shape)}, so that noise on embeddings would hit other tokens: something "
                    "splits the batch (sequence parallelism, DataParallel): switch it off, or set cotmask.noise: random"
                )
            parts = zip(embeddings[places].split(_CHUNK), keys.split(_CHUNK), lengths.split(_CHUNK), strict=True)
            changed = [self._changed(*part, seed=noised.seed, epoch=noised.epoch) for part in parts]
            return embeddings.index_put(places, torch.cat(changed))

        with base_model(model).get_input_embeddings().register_forward_hook(add_noise):
            yield dict(inputs)
        if lookups != 1:
            raise CoTMaskError(
                f"the model looked up its input embeddings {lookups} times in a training forward, not once, so that "
                "noise on embeddings would miss or hit other tokens: set torch_compile: false if it is on, else "
                "cotmask.noise: random"
            )

    @abstractmethod
    def _changed(self, embeddings: Tensor, token_key: Tensor, length: Tensor, *, seed: int, epoch: int) -> Tensor:
        """Return the noised ``embeddings`` of n positions, in their dtype.

        Args:
            embeddings: ``[n, width]``, any floating type.
            token_key: ``[n]`` int64.
            length: ``[n]`` int64, tokens in the position's sample.
            seed: seed of the masks.
            epoch: epoch of the run, from 0.
        """


@dataclass
class EmbeddingDropout(_EmbeddingNoise):
    """Each component is dropped with probability q, and the others grow by 1 / (1 - q) (paper Table 3).

    Args:
        q: from 0 to 1; 1 makes the whole embedding zero.
    """

    q: float

    def _changed(self, embeddings: Tensor, token_key: Tensor, length: Tensor, *, seed: int, epoch: int) -> Tensor:
        if self.q == 1:
            return torch.zeros_like(embeddings)
        drawn = draw_uniform_vectors(token_key, embeddings.shape[1], seed=seed, epoch=epoch, stream=Stream.DROPOUT)
        factor = (drawn >= self.q) / (1 - self.q)
        return (embeddings * factor).to(embeddings.dtype)


@dataclass
class UniformNoise(_EmbeddingNoise):
    """NEFTune's noise: Uniform(-1, 1) * alpha / sqrt(L * d) is added to each component (paper Table 3).

    L is the length of the position's own sample without padding, d the width of the embedding.

    Args:
        alpha: above 0.
    """

    alpha: float

    def _changed(self, embeddings: Tensor, token_key: Tensor, length: Tensor, *, seed: int, epoch: int) -> Tensor:
        width = embeddings.shape[1]
        drawn = draw_uniform_vectors(token_key, width, seed=seed, epoch=epoch, stream=Stream.UNIFORM)
        magnitude = self.alpha / (length * width).sqrt().unsqueeze(-1)
        # The sum is taken in float32 and rounded once.
        return (embeddings + (2 * drawn - 1) * magnitude).to(embeddings.dtype)
