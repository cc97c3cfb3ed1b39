"""What an assistant wrote in a chat: its thinking and its answers, without tags, tool calls and what a template adds.

Read from the token ids alone, so that it works with every data set ``type`` and chat template. docs/chats.md has the
rules and an example. Nobody has published Masked Thought on long thinking: this is an experiment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from axolotl_cotmask.masking.experimental.selectors.units import unit_starts
from axolotl_cotmask.masking.offsets import Span, decoded_pieces, special_ids

PartKind = Literal["thinking", "answer", "other"]

#: What ``scope:`` may name of a chat, and the parts that it takes.
CHAT_SCOPES: dict[str, tuple[PartKind, ...]] = {
    "thinking": ("thinking",),
    "answer": ("answer",),
    "message": ("thinking", "answer"),
}

_OPEN, _CLOSE, _CALLED = "<think>", "</think>", "</tool_call>"
#: Tags that do not end a turn where a tokenizer has them as special tokens.
_TAGS = frozenset({_OPEN, _CLOSE, "<tool_call>", _CALLED, "<|python_tag|>"})
# A tool call ends at the last of its closing tags, since its arguments may spell one; without any, where thinking does.
_MARK = re.compile(
    r"</?think>|<tool_call>(?:(?!<tool_call>).)*</tool_call>|<tool_call>(?:(?!</?think>|<tool_call>).)*|</tool_call>"
    r"|<\|python_tag\|>.*",
    re.DOTALL,
)
# Added by a config's `tokens:`, it need not be special.
_CONTROL = re.compile(r"<\|[^|<>]*\|>")
_OPENED = re.compile(rf"{_OPEN}\s*\Z")


class Part(NamedTuple):
    """The characters from ``start`` to ``end`` of a turn; ``other`` are tags and tool calls."""

    kind: PartKind
    start: int
    end: int


class _Turn(NamedTuple):
    """Tokens of one turn: from the one after the special token before it, the first and the last that are trained."""

    begin: int
    first: int
    last: int
    end: int


def chat_weights(
    tokenizer: Any, input_ids: Sequence[int], weights: NDArray[np.float32], scope: str
) -> NDArray[np.float32]:
    """Return ``weights``, with 0 at each token that ``scope`` does not take.

    Args:
        tokenizer: the run's.
        input_ids: ``[length]``.
        weights: ``[length]`` float32, of the tokens with a label; 0 for the others.
        scope: one of `CHAT_SCOPES`.
    """
    text, spans = decoded_pieces(tokenizer, input_ids)
    taken = np.zeros_like(weights)
    for begin, first, last, end in _turns(tokenizer, input_ids, text, spans, weights > 0):
        start = spans[first][0]
        turn, before = text[start : spans[end - 1][1]], text[spans[begin][0] : start]
        # Axolotl gives no label to what the thinking of every turn begins with.
        found = list(parts(turn, is_open=_OPENED.search(before) is not None))
        wanted = [_stripped(turn, part) for part in found if part.kind in CHAT_SCOPES[scope]]
        others = [(part.start, part.end) for part in found if part.kind == "other"]
        offsets = [(a - start, b - start) for a, b in spans[first : last + 1]]
        inside = np.asarray(unit_starts(turn, [span for span in wanted if span[0] < span[1]], offsets)) >= 0
        # A token that also holds a piece of a tag belongs to the tag.
        inside &= np.asarray(unit_starts(turn, others, offsets)) < 0
        taken[first : last + 1] = np.where(inside, weights[first : last + 1], 0)
    return taken


def parts(turn: str, *, is_open: bool = False) -> Iterator[Part]:
    """Yield the parts of a turn, in order and without gaps; some may be empty.

    Thinking is what has ``<think>`` before it or ``</think>`` behind it, as the nearest tag: so what is cut off lasts
    to the end of the turn, and what lacks its first tag begins with it.

    Args:
        turn: from the first trained token on.
        is_open: whether the tag before it, which is not trained on, is ``<think>``.
    """
    marks = list(_MARK.finditer(turn))
    behind = iter([*(mark[0] for mark in marks if mark[0] in (_OPEN, _CLOSE)), ""])
    before, following, place = _OPEN if is_open else "", next(behind), 0
    for start, end, mark in [*((*mark.span(), mark[0]) for mark in marks), (len(turn), len(turn), "")]:
        kind: PartKind = "thinking" if before == _OPEN or following == _CLOSE else "answer"
        if mark == _CALLED or _is_call(turn[place:start]):
            kind = "other"
        yield Part(kind, place, start)
        yield Part("other", start, end)
        place = end
        if mark in (_OPEN, _CLOSE):
            before, following = mark, next(behind)


def _is_call(text: str) -> bool:
    """Whether a text is a tool call without tags, as Llama writes it."""
    if not text.strip().startswith(("{", "[")):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(
        isinstance(call, dict) and "name" in call and ("parameters" in call or "arguments" in call) for call in calls
    )


def _turns(
    tokenizer: Any, input_ids: Sequence[int], text: str, spans: Sequence[Span], trained: NDArray[np.bool_]
) -> Iterator[_Turn]:
    """Yield each turn that is trained on; turns end at special tokens, and at added ones that are written as these."""
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if _CONTROL.fullmatch(token.content)}
    special = special_ids(tokenizer) | added
    ends = [
        place
        for place, (token, (start, end)) in enumerate(zip(input_ids, spans, strict=True))
        if token in special and text[start:end].strip() not in _TAGS
    ]
    for begin, end in zip([0, *(place + 1 for place in ends)], [*ends, len(input_ids)], strict=True):
        places = begin + np.flatnonzero(trained[begin:end])
        if len(places):
            yield _Turn(begin, int(places[0]), int(places[-1]), end)


def _stripped(turn: str, part: Part) -> Span:
    """Return the part without the spaces and line breaks at its ends, which templates add and take away."""
    text = turn[part.start : part.end]
    start = part.start + len(text) - len(text.lstrip())
    return start, start + len(text.strip())
