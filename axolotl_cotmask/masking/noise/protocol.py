"""What every noise is: a way to run one training forward on noised inputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class NoiseContext:
    """What a noise may need to know about the vocabulary when it is built.

    Args:
        mask_token_id: id of the mask token; None when the run has none.
        random_ids: ``[n]`` int64, the ids of the base vocabulary without special tokens.
    """

    mask_token_id: int | None
    random_ids: Tensor


@dataclass(frozen=True)
class Noised:
    """What a noise needs to know about one micro-batch.

    Args:
        selected: ``[batch, seq]`` bool, ``M_i = 1`` of paper section 3.1, from `select_positions`.
        token_key: ``[batch, seq]`` int64, from `token_keys`.
        sample: ``[batch, seq]`` int64, from `sample_numbers`.
        seed: seed of the masks.
        epoch: epoch of the run, from 0.
    """

    selected: Tensor
    token_key: Tensor
    sample: Tensor
    seed: int
    epoch: int


class Noise(Protocol):
    """What a noised position becomes (paper section 3.1 and Table 3)."""

    def applied(
        self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised
    ) -> AbstractContextManager[dict[str, Tensor]]:
        """Enter the noise of one micro-batch.

        Inside the ``with`` the caller runs ``model`` once, in training mode, on the inputs that it yields; the backward
        pass may follow outside. Noises of different positions may be entered one inside the other. However the ``with``
        is left, the noise leaves nothing on the model. Clean positions keep their inputs to the bit, ``inputs``
        themselves do not change, and no global random state is read or moved: every draw comes from
        ``noised.token_key``, so that it is the same in every layout of the batch.

        Args:
            model: as the trainer has it, in whatever wrappers.
            inputs: what the model's forward takes; ``input_ids`` ``[batch, seq]`` int64 among them.
            noised: where to noise.
        """
        ...


def base_model(model: nn.Module) -> Any:
    """Return the transformers model inside the wrappers of DDP, FSDP, DeepSpeed and PEFT."""
    from accelerate.utils import extract_model_from_parallel

    inner = extract_model_from_parallel(model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner
