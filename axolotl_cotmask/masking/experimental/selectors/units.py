"""From stretches of text to tokens: which tokens are masked together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from axolotl_cotmask.masking.offsets import Span


def unit_starts(text: str, spans: Sequence[Span], offsets: Sequence[Span]) -> list[int]:
    """Return for each token the place of the first token of its unit; -1 when it belongs to none.

    A token belongs to the first span that it overlaps, the spaces at its two ends aside. So a span is masked whole,
    and what else its tokens hold goes with it. A token of spaces alone belongs to the span that holds all of them, a
    token without characters to the one that it stands inside of.

    Args:
        text: what the spans and the offsets count the characters of.
        spans: from a selector: in order, without overlaps.
        offsets: ``[tokens]``, the characters of each token; (0, 0) for BOS, EOS and others outside of the text.

    Returns:
        ``[tokens]``.
    """
    ends = [end for _, end in spans]
    first_tokens: dict[int, int] = {}
    starts = []
    for token, (start, end) in enumerate(offsets):
        piece = text[start:end]
        if written := piece.strip():
            start += piece.index(written)
            end = start + len(written)
        index = bisect_right(ends, start)
        belongs = index < len(spans) and (
            spans[index][0] < end
            if written
            else spans[index][0] <= start and end <= spans[index][1] and (start < end or spans[index][0] < start)
        )
        starts.append(first_tokens.setdefault(index, token) if belongs else -1)
    return starts


def unit_distances(text: str, spans: Sequence[Span], offsets: Sequence[Span]) -> list[int]:
    """Return for each token how many tokens back its unit begins: 0 for its first token; -1 when it belongs to none.

    Arguments as `unit_starts`. The distances stay right when samples are joined, padded or cut at the end.
    """
    return [token - start if start >= 0 else -1 for token, start in enumerate(unit_starts(text, spans, offsets))]
