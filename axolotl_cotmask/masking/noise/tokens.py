"""Token noise: a position becomes the mask token, or a random token of the base vocabulary (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from axolotl_cotmask.masking.draws import Stream, draw_integers, draw_uniform
from axolotl_cotmask.masking.noise.protocol import Noised


@dataclass
class TokenNoise:
    """With probability ``mask_share`` (the paper's m) the mask token, else (r = 1 - m) a random base token.

    Args:
        mask_share: m, from 0 to 1.
        mask_token_id: id of the mask token; None only when m is 0.
        random_ids: ``[n]`` int64, the ids that a random token is drawn from; empty only when m is 1.
    """

    mask_share: float
    mask_token_id: int | None
    random_ids: Tensor

    @contextmanager
    def applied(self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised) -> Iterator[dict[str, Tensor]]:
        """Yield the inputs with replaced ``input_ids``; arguments as `Noise.applied`."""
        draw = {"seed": noised.seed, "epoch": noised.epoch}
        yield {**inputs, "input_ids": self.replaced(inputs["input_ids"], noised.selected, noised.token_key, **draw)}

    def replaced(self, input_ids: Tensor, selected: Tensor, token_key: Tensor, *, seed: int, epoch: int) -> Tensor:
        """Return a copy of ``input_ids`` with the selected positions replaced.

        Args:
            input_ids: ``[batch, seq]`` int64; it is not changed.
            selected: ``[batch, seq]`` bool, from `select_positions`.
            token_key: ``[batch, seq]`` int64.
            seed: seed of the masks.
            epoch: epoch of the run, from 0.

        Returns:
            ``[batch, seq]`` int64.
        """
        return torch.where(selected, self._replacement(input_ids, token_key, seed, epoch), input_ids)

    def _replacement(self, input_ids: Tensor, token_key: Tensor, seed: int, epoch: int) -> Tensor:
        if self.mask_share == 1:
            return torch.full_like(input_ids, self.mask_token_id)  # type: ignore[arg-type]
        self.random_ids = self.random_ids.to(input_ids.device)
        drawn = draw_integers(token_key, len(self.random_ids), seed=seed, epoch=epoch, stream=Stream.TOKEN)
        replacement = self.random_ids[drawn]
        if self.mask_share > 0:
            is_mask = draw_uniform(token_key, seed=seed, epoch=epoch, stream=Stream.KIND) < self.mask_share
            replacement = replacement.masked_fill(is_mask, self.mask_token_id)  # type: ignore[arg-type]
        return replacement
