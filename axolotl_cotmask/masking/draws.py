"""Where to mask: a uniform draw per token that depends on the token's sample alone, never on the batch around it.

The draw is a hash of (seed, epoch, content of the sample, position in the sample). So a sample is masked alike on one
process or many, packed or padded on either side, at any micro-batch size, with any number of data workers, before and
after a resume, and differently in each epoch (paper section 3.2 asks for fresh noise in every epoch). No global random
state is read or moved. Two identical samples share their mask within an epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

_WORD = 2**64
# The constants of SplitMix64 (Steele, Lea, Flood 2014), as signed 64-bit numbers: torch has no unsigned arithmetic.
_GAMMA = 0x9E3779B97F4A7C15 - _WORD
_MIX_1 = 0xBF58476D1CE4E5B9 - _WORD
_MIX_2 = 0x94D049BB133111EB - _WORD


class Stream(IntEnum):
    """What a draw is for; draws of different streams are independent."""

    SELECT = 0
    KIND = 1
    TOKEN = 2
    DROPOUT = 3
    UNIFORM = 4
    SAMPLE = 5


def _shift_right(word: Tensor, bits: int) -> Tensor:
    # torch shifts int64 arithmetically: the copies of the sign bit have to go.
    return (word >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _mix(word: Tensor) -> Tensor:
    word = _xor_shifted(word, 30).mul_(_MIX_1)
    word = _xor_shifted(word, 27).mul_(_MIX_2)
    return _xor_shifted(word, 31)


def _xor_shifted(word: Tensor, bits: int) -> Tensor:
    # A tensor of its own, in which the next steps may be done: memory for each step anew costs a quarter of the time.
    return _shift_right(word, bits).bitwise_xor_(word)


def token_keys(input_ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
    """Return one key per token of a sample, from the whole content of the sample and the token's position.

    Args:
        input_ids: ``[tokens]`` int64, the ids of one sample without padding, or of several, one after the other.
        lengths: of the samples; None for one.

    Returns:
        ``[tokens]`` int64.
    """
    counts = torch.tensor([len(input_ids)] if lengths is None else lengths, device=input_ids.device)
    sample = torch.arange(len(counts), device=input_ids.device).repeat_interleave(counts)
    begins = counts.cumsum(0) - counts
    positions = (torch.arange(len(input_ids), device=input_ids.device) - begins[sample]) * _GAMMA
    tokens = _mix(_mix(input_ids.to(torch.int64) + _GAMMA) ^ positions)
    content = torch.zeros_like(counts).index_add_(0, sample, tokens)
    return _mix(_mix(content + counts)[sample] + positions)


def draw_words(token_key: Tensor, *, seed: int, epoch: int, stream: Stream) -> Tensor:
    """Return 64 hashed bits per token.

    Args:
        token_key: ``[...]`` int64, from `token_keys`.
        seed: any integer.
        epoch: epoch of the run, from 0.
        stream: what the draw is for.

    Returns:
        ``[...]`` int64, on the device of ``token_key``.
    """
    word = token_key
    for salt in (seed, epoch, stream):
        # The salt is one number for the whole batch: Python wraps it into the signed 64-bit range.
        wrapped = ((int(salt) + 1) * (_GAMMA + _WORD) + _WORD // 2) % _WORD - _WORD // 2
        word = _mix(word ^ wrapped)
    return word


def draw_uniform(token_key: Tensor, *, seed: int, epoch: int, stream: Stream) -> Tensor:
    """Return a float32 draw from [0, 1) per token, a multiple of 2**-24; arguments as `draw_words`."""
    return _shift_right(draw_words(token_key, seed=seed, epoch=epoch, stream=stream), 40).to(torch.float32) * 2.0**-24


def draw_uniform_vectors(token_key: Tensor, width: int, *, seed: int, epoch: int, stream: Stream) -> Tensor:
    """Return ``width`` independent draws from [0, 1) per token, ``[..., width]`` float32; as `draw_uniform` else.

    The draws of a token are the outputs of a SplitMix64 generator that starts at the token's word.
    """
    word = draw_words(token_key, seed=seed, epoch=epoch, stream=stream)
    steps = torch.arange(1, width + 1, device=word.device) * _GAMMA
    return _shift_right(_mix(word.unsqueeze(-1) + steps), 40).to(torch.float32) * 2.0**-24


def draw_integers(token_key: Tensor, bound: int, *, seed: int, epoch: int, stream: Stream) -> Tensor:
    """Return an int64 draw from 0 .. ``bound - 1`` (``bound < 2**31``) per token; arguments as `draw_words`."""
    word = draw_words(token_key, seed=seed, epoch=epoch, stream=stream)
    return (_shift_right(word, 32) * bound) >> 32


def selection_draws(token_key: Tensor, *, seed: int, epoch: int) -> Tensor:
    """Return the number of each token that is compared with its ratio; arguments and shapes as `draw_uniform`."""
    return draw_uniform(token_key, seed=seed, epoch=epoch, stream=Stream.SELECT)


def select_positions(mask_weight: Tensor, token_key: Tensor, *, ratio: float, seed: int, epoch: int) -> Tensor:
    """Return which tokens are noised: ``M_i = 1`` of paper section 3.1, with probability ``ratio * mask_weight``.

    Args:
        mask_weight: ``[batch, seq]`` float32; 0 = never, 1 = at the scheduled ratio, 0.5 = at half of it.
        token_key: ``[batch, seq]`` int64, from `token_keys`; any value where the weight is 0.
        ratio: the scheduled mask ratio.
        seed: seed of the masks.
        epoch: epoch of the run, from 0.

    Returns:
        ``[batch, seq]`` bool.
    """
    return selection_draws(token_key, seed=seed, epoch=epoch) < ratio * mask_weight
