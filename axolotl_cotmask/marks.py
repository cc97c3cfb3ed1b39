"""The mark of a token: how strongly it may be masked. It travels beside ``labels`` from preparation to the trainer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Column of the prepared data: float32 per token; 0 = never, 1 = at the scheduled ratio, 0.5 = at half of it.
MASK_WEIGHT = "mask_weight"
#: Added by the collator: int64 per token, see `axolotl_cotmask.selection.token_keys`.
TOKEN_KEY = "token_key"
#: Label of a token without loss.
IGNORE_INDEX = -100


def weights_from_labels(labels: Sequence[int]) -> NDArray[np.float32]:
    """Return ``[length]`` float32: 1 for every token that carries a label, 0 for the others."""
    return (np.asarray(labels) != IGNORE_INDEX).astype(np.float32)
