"""The marks of a token: how strongly it may be masked, and with which others. They travel beside ``labels``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axolotl_cotmask.masking.offsets import decoded_offsets, text_between
from axolotl_cotmask.masking.selectors import Selector, unit_distances

#: Column of the prepared data: float32 per token; 0 = never, 1 = at the scheduled ratio, 0.5 = at half of it.
MASK_WEIGHT = "mask_weight"
#: Column, where a selector makes units: int32 per token; the token shares the draw of the one so many before it.
MASK_UNIT = "mask_unit"
#: Column, where the step tells data sets apart: int32 per token; the number of its entry in ``datasets:``.
MASK_GROUP = "mask_group"
#: All columns that may come beside ``labels``.
MARKS = (MASK_WEIGHT, MASK_UNIT, MASK_GROUP)
#: Added by the collator: int64 per token, see `axolotl_cotmask.masking.draws.token_keys`.
TOKEN_KEY = "token_key"
#: Added by the collator with ``mask_unit``: the ``token_key`` of the first token of a token's unit.
UNIT_KEY = "unit_key"
#: All that the collator may add to a batch.
BATCH_MARKS = (MASK_WEIGHT, MASK_GROUP, TOKEN_KEY, UNIT_KEY)
#: Label of a token without loss.
IGNORE_INDEX = -100


def weights_from_labels(labels: Sequence[int]) -> NDArray[np.float32]:
    """Return ``[length]`` float32: 1 for every token that carries a label, 0 for the others."""
    return (np.asarray(labels) != IGNORE_INDEX).astype(np.float32)


def scoped(weights: Sequence[float], labels: Sequence[int], scope: str) -> NDArray[np.float32]:
    """Return the weights for ``scope``.

    Args:
        weights: ``[length]``, of the tokens with a label; 0 for the others.
        labels: ``[length]``.
        scope: ``target`` (tokens with a label), ``source`` (the others, from BOS on) or ``all``.
    """
    target = np.asarray(weights, dtype=np.float32)
    if scope == "target":
        return target
    source = 1 - weights_from_labels(labels)
    return source if scope == "source" else target + source


def selected_units(
    tokenizer: Any, input_ids: Sequence[int], weights: NDArray[np.float32], selector: Selector
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the weights of the tokens that ``selector`` takes, and how many tokens back the unit of each begins.

    The selector reads each stretch of maskable tokens as a text of its own, so that no unit reaches out of it.

    Args:
        tokenizer: the run's.
        input_ids: ``[length]``.
        weights: ``[length]`` float32, from `scoped`.
        selector: see `axolotl_cotmask.selectors`.
    """
    text, offsets = decoded_offsets(tokenizer, input_ids)
    taken, units = np.zeros_like(weights), np.zeros(len(weights), dtype=np.int32)
    for first, last in _stretches(weights):
        part, spans = text_between(text, offsets, first, last)
        distances = np.asarray(unit_distances(part, list(selector(part)), spans), dtype=np.int32)
        chosen = distances >= 0
        taken[first:last] = np.where(chosen, weights[first:last], 0)
        units[first:last] = np.where(chosen, distances, 0)
    return taken, units


def _stretches(weights: NDArray[np.float32]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], weights > 0, [0]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
