"""Which characters each token stands for, also where no tokenizer's own offset mapping is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Span = tuple[int, int]
_INCOMPLETE = "\ufffd"


def decoded_offsets(tokenizer: Any, input_ids: Sequence[int]) -> tuple[str, list[Span]]:
    """Return what `decoded_pieces` returns, but (0, 0) for special tokens, as in the mapping of a fast tokenizer."""
    text, spans = decoded_pieces(tokenizer, input_ids)
    special = special_ids(tokenizer)
    return text, [(0, 0) if token in special else span for token, span in zip(input_ids, spans, strict=True)]


def decoded_pieces(tokenizer: Any, input_ids: Sequence[int]) -> tuple[str, list[Span]]:
    """Return the decoded text of ``input_ids`` and the characters of each token in it, from the ids alone.

    The ids are decoded piece by piece, each piece as far as it is the next of the text. In order, the pieces are the
    text. Tokens that only together make a character (the bytes of an emoji) have the same span, and so has a token
    that adds nothing before the next one (the space that SentencePiece puts before a text). Special tokens are in the
    text.

    Args:
        tokenizer: any of transformers', fast or slow.
        input_ids: ``[tokens]``, without padding.

    Returns:
        The text, and ``[tokens]`` half-open spans.
    """

    def decode(first: int, last: int) -> str:
        return tokenizer.decode(input_ids[first:last], skip_special_tokens=False, clean_up_tokenization_spaces=False)

    text = decode(0, len(input_ids))
    offsets: list[Span] = []
    context = place = 0
    for end in range(1, len(input_ids) + 1):
        first = len(offsets)
        # A few tokens before the piece show whether it begins with a space. The last piece is what is left.
        before, through = decode(context, first), decode(context, end)
        piece = through[len(before) :] if through.startswith(before) else ""
        if end == len(input_ids):
            piece = text[place:]
        elif not piece or piece.endswith(_INCOMPLETE) or not text.startswith(piece, place):
            continue
        offsets += [(place, place + len(piece))] * (end - first)
        place += len(piece)
        context = first
    return text, offsets


def text_between(text: str, offsets: Sequence[Span], first: int, last: int) -> tuple[str, list[Span]]:
    """Return the text of the tokens from ``first`` up to, not including, ``last``, and their offsets in it.

    What a selector reads: the target alone, without the prompt and without special tokens around it. Tokens without
    characters have the span (0, 0) in the result when they had it before.

    Args:
        text: the text of all tokens.
        offsets: ``[tokens]``, half-open spans in ``text``.
        first: the first token.
        last: the token after the last one.

    Returns:
        The text, and ``[last - first]`` half-open spans.
    """
    spans = offsets[first:last]
    start = min((start for start, end in spans if start < end), default=0)
    stop = max((end for _, end in spans), default=0)
    return text[start:stop], [(max(0, a - start), max(0, b - start)) for a, b in spans]


def special_ids(tokenizer: Any) -> set[int]:
    """Return the ids of the tokens that are special to ``tokenizer``."""
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)
