"""Scheduled sampling: a noised position becomes what the model itself would write there (paper Table 3)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.draws import Stream, draw_uniform
from axolotl_cotmask.masking.noise.protocol import Noised, base_model

#: Positions that are sampled at a time: a distribution function takes 8 bytes for each token of the vocabulary.
_CHUNK = 256


@dataclass
class ScheduledSampling:
    """Token i becomes a sample from softmax(logits at i - 1 / tau), of a first forward on the clean input.

    (The authors' released code takes the logits at i + 1; this follows the paper.) The first token of a sample has no
    logits before it and stays. The first forward is in evaluation mode, without gradients: dropout would make the
    samples depend on the layout of the batch, and on the global random state. It costs a forward in every step, also
    where nothing is selected, because sharded models have to run it on all processes or on none.

    Args:
        tau: temperature, above 0.
    """

    tau: float

    @contextmanager
    def applied(self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised) -> Iterator[dict[str, Tensor]]:
        """Yield the inputs with sampled ``input_ids``; arguments as `Noise.applied`.

        Raises:
            CoTMaskError: the model gave logits of another shape.
        """
        yield {**inputs, "input_ids": self._sampled(model, inputs, noised)}

    def _sampled(self, model: nn.Module, inputs: Mapping[str, Tensor], noised: Noised) -> Tensor:
        replaced = noised.selected.clone()
        replaced[:, 0] = False
        replaced[:, 1:] &= (noised.sample[:, 1:] == noised.sample[:, :-1]) & (noised.sample[:, 1:] >= 0)
        rows, places = replaced.nonzero(as_tuple=True)
        logits, columns = _clean_logits(model, inputs, places - 1)
        drawn = draw_uniform(noised.token_key[rows, places], seed=noised.seed, epoch=noised.epoch, stream=Stream.SAMPLE)
        parts = zip(rows.split(_CHUNK), columns.split(_CHUNK), drawn.split(_CHUNK), strict=True)
        sampled = [_inverse(logits[row, column] / self.tau, uniform) for row, column, uniform in parts]
        return inputs["input_ids"].index_put((rows, places), torch.cat(sampled))


def _clean_logits(model: nn.Module, inputs: Mapping[str, Tensor], places: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits ``[batch, kept, vocabulary]`` and, for each of ``places`` (``[n]``), its column among the kept."""
    clean = {name: value for name, value in inputs.items() if name != "labels"}
    kept, columns = torch.arange(clean["input_ids"].shape[1], device=places.device), places
    if "logits_to_keep" in inspect.signature(base_model(model).forward).parameters:
        kept, columns = places.unique(return_inverse=True)
        clean["logits_to_keep"] = kept
    with torch.no_grad(), _evaluating(model):
        logits: Tensor = model(**clean, use_cache=False).logits
    if logits.shape[:2] != (len(clean["input_ids"]), len(kept)):
        raise CoTMaskError(
            f"the model gave logits of shape {list(logits.shape[:2])} for [{len(clean['input_ids'])}, {len(kept)}] "
            "tokens, so that scheduled sampling cannot tell whose they are: something splits the batch (sequence "
            "parallelism, DataParallel): switch it off, or set cotmask.noise: random"
        )
    return logits, columns


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    # Each module gets its own mode back: a part of the model may be in evaluation mode for good.
    training = [module for module in model.modules() if module.training]
    try:
        model.eval()
        yield
    finally:
        for module in training:
            module.training = True


def _inverse(logits: Tensor, uniform: Tensor) -> Tensor:
    """Return the token at which the distribution function of ``logits`` passes ``uniform``.

    Args:
        logits: ``[n, vocabulary]``, any floating type.
        uniform: ``[n]`` float32, from 0 to 1.

    Returns:
        ``[n]`` int64.
    """
    dtype = torch.float32 if logits.device.type == "mps" else torch.float64
    up_to = logits.float().softmax(-1).cumsum(-1, dtype=dtype)
    passed = torch.searchsorted(up_to, uniform.unsqueeze(-1) * up_to[:, -1:], right=True)
    # Logits that are not numbers pass nowhere; the loss shall say so, not a failed lookup on the device.
    return passed.squeeze(-1).clamp(max=logits.shape[-1] - 1)
