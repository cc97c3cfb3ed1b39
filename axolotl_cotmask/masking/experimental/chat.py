"""What an assistant wrote in a chat: its thinking and its answers, without tags, tool calls and what a template adds.

Read from the token ids alone, so that it works with every data set ``type`` and chat template. docs/chats.md has the
rules and an example. Nobody has published Masked Thought on long thinking: this is an experiment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.experimental.selectors.units import unit_starts
from axolotl_cotmask.masking.offsets import Span, decoded_pieces, special_ids

PartKind = Literal["thinking", "answer", "tag", "tool_call"]

#: What ``scope:`` may name of a chat, and the parts that it takes.
CHAT_SCOPES: dict[str, tuple[PartKind, ...]] = {
    "thinking": ("thinking",),
    "answer": ("answer",),
    "message": ("thinking", "answer"),
}

_OPEN, _CLOSE = "<think>", "</think>"
#: Tags that do not end a turn where a tokenizer has them as special tokens.
_TAGS = frozenset({_OPEN, _CLOSE, "<tool_call>", "</tool_call>", "<|python_tag|>"})
_THINK = re.compile(f"{_OPEN}|{_CLOSE}")
_TOOL_CALL = re.compile(r"<tool_call>.*?</tool_call>|<\|python_tag\|>.*", re.DOTALL)
_INSIDE = re.compile(rf"{_TOOL_CALL.pattern}|</?tool_call>", re.DOTALL)
_OUTSIDE = re.compile(rf"{_THINK.pattern}|{_INSIDE.pattern}", re.DOTALL)


class Part(NamedTuple):
    """The characters from ``start`` to ``end`` of a turn."""

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

    Raises:
        CoTMaskError: in a trained turn thinking or a tool call is not closed, or is closed and not opened, or thinking
            is opened within thinking.
    """
    text, spans = decoded_pieces(tokenizer, input_ids)
    taken = np.zeros_like(weights)
    for begin, first, last, end in _turns(tokenizer, input_ids, text, spans, weights > 0):
        start, stop = spans[first][0], spans[end - 1][1]
        trained = spans[last][1] - start
        turn, before = text[start:stop], text[spans[begin][0] : start]
        found = list(parts(turn, trained, is_open=_begins_inside(before, turn)))
        wanted = [_stripped(turn, part) for part in found if part.kind in CHAT_SCOPES[scope]]
        others = [(part.start, part.end) for part in found if part.kind in ("tag", "tool_call")]
        offsets = [(a - start, b - start) for a, b in spans[first : last + 1]]
        inside = np.asarray(unit_starts(turn, [span for span in wanted if span[0] < span[1]], offsets)) >= 0
        # A token that also holds a piece of a tag belongs to the tag.
        inside &= np.asarray(unit_starts(turn, others, offsets)) < 0
        taken[first : last + 1] = np.where(inside, weights[first : last + 1], 0)
    return taken


def parts(turn: str, trained: int, *, is_open: bool = False) -> Iterator[Part]:
    """Yield the parts of a turn that begin in its first ``trained`` characters, in order.

    Args:
        turn: the text from the first trained token on, to the end of the turn.
        trained: up to where it is trained on.
        is_open: whether it begins inside of thinking, whose tag stands before it.

    Raises:
        CoTMaskError: as `chat_weights`.
    """
    place = 0
    if is_open:
        place = yield from _thinking(turn, 0)
    while place < trained:
        tag = _OUTSIDE.search(turn, place)
        end = tag.start() if tag else len(turn)
        yield Part("tool_call" if _is_call(turn[place:end]) else "answer", place, end)
        if tag is None or tag.start() >= trained:
            return
        place = tag.end()
        if tag[0] in (_CLOSE, "</tool_call>"):
            raise _malformed(f"{tag[0]} closes nothing", turn, tag.start())
        if tag[0] == "<tool_call>":
            raise _malformed("<tool_call> is not closed", turn, tag.start())
        if tag[0] == _OPEN:
            yield Part("tag", *tag.span())
            place = yield from _thinking(turn, place)
        else:
            yield Part("tool_call", *tag.span())


def _thinking(turn: str, start: int) -> Generator[Part, None, int]:
    """Yield the parts of the thinking that begins at ``start``, and return where its closing tag ends."""
    tag = _THINK.search(turn, start)
    if tag is None:
        raise _malformed(f"{_OPEN} is not closed", turn, max(0, start - len(_OPEN)))
    if tag[0] == _OPEN:
        raise _malformed(f"{_OPEN} stands inside of {_OPEN}", turn, tag.start())
    # Thinking may also speak of a tag.
    for call in _INSIDE.finditer(turn, start, tag.start()):
        yield Part("thinking", start, call.start())
        yield Part("tool_call", *call.span())
        start = call.end()
    yield Part("thinking", start, tag.start())
    yield Part("tag", *tag.span())
    return tag.end()


def _begins_inside(before: str, turn: str) -> bool:
    """Whether a turn is trained from within its thinking on: Axolotl leaves out what every thinking begins with."""
    opened, first = list(_THINK.finditer(before)), _THINK.search(turn)
    if not opened or opened[-1][0] != _OPEN:
        return False
    return not before[opened[-1].end() :].strip() or (first is not None and first[0] == _CLOSE)


def _is_call(text: str) -> bool:
    """Whether a text between tags is a tool call without tags of its own, as Llama writes it."""
    if not text.strip().startswith(("{", "[")):
        return False
    try:
        value = json.loads(text)
    except ValueError:
        return False
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(
        isinstance(call, dict) and "name" in call and ("parameters" in call or "arguments" in call) for call in calls
    )


def _turns(
    tokenizer: Any, input_ids: Sequence[int], text: str, spans: Sequence[Span], trained: NDArray[np.bool_]
) -> Iterator[_Turn]:
    """Yield each turn that is trained on; turns end at special tokens."""
    special = special_ids(tokenizer)
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


def _malformed(fault: str, turn: str, place: int) -> CoTMaskError:
    return CoTMaskError(f"in a trained turn {fault}: {turn[max(0, place - 30) : place + 40]!r}")
