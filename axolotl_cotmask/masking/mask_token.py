"""Which token ids the noise writes: the mask token, and the base vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import CoTMaskConfig


def mask_token_id(tokenizer: Any, config: CoTMaskConfig) -> int:
    """Return the id of the mask token.

    Raises:
        CoTMaskError: the tokenizer does not have it as one token.
    """
    token = config.token
    if token not in tokenizer.get_vocab():
        pieces = len(tokenizer(token, add_special_tokens=False)["input_ids"])
        raise CoTMaskError(
            f"cotmask.mask_token is {token}, which is not one token of this tokenizer (it splits into {pieces}): name "
            "an existing or reserved token, or leave mask_token out to add a new <mask>"
        )
    return tokenizer.convert_tokens_to_ids(token)


def base_token_ids(tokenizer: Any) -> Tensor:
    """Return ``[n]`` int64: the ids that a random token is drawn from, ascending (paper section 3.1).

    They are those of the base vocabulary, the bytes of its fallback among them, without special and added tokens,
    wherever the tokenizer keeps these. docs/noises.md has the kinds of tokenizers.
    """
    if getattr(tokenizer, "is_fast", False):
        ids: Collection[int] = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).values()
    else:
        ids = range(tokenizer.vocab_size)
    return torch.tensor(sorted(set(ids) - _special_and_added_ids(tokenizer)), dtype=torch.int64)


def _special_and_added_ids(tokenizer: Any) -> set[int]:
    apart = {*tokenizer.all_special_ids, tokenizer.unk_token_id}
    # mistral-common's tokenizers have a method of this name that only raises.
    if isinstance(added := tokenizer.added_tokens_decoder, Mapping):
        apart.update(added)
    if (pieces := getattr(tokenizer, "sp_model", None)) is not None:
        kinds = (pieces.is_control, pieces.is_unknown, pieces.is_unused)
        apart.update(index for index in range(pieces.get_piece_size()) if any(kind(index) for kind in kinds))
    return apart
