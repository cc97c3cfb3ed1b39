"""Does a model's number depend on a number that stands before it? Figures 1 and 6 of the Masked Thought paper.

For pairs of numeric tokens (a earlier, b later, b in the target), a is replaced by another number, and the prediction
of b (the argmax of the logits at position b - 1, under teacher forcing) is compared with the one on the clean row. The
share of changed predictions is reported by distance b - a, with a in the question and with a in the chain of thought.

A pair counts whether or not the clean prediction is right. The final answer belongs to the chain. A tokenizer that
splits numbers into digits makes pairs of digits, also of one and the same number (distance 1 and up).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share
from axolotl_cotmask.masking.draws import Stream, draw_integers, token_keys

#: Where a stands.
SOURCES = ("question", "chain")
#: Upper ends of the distance buckets, in tokens; one more bucket holds what is beyond.
EDGES = (4, 8, 16, 32, 64)

# A digit-only piece of a vocabulary, with the start of a word that SentencePiece or byte-level BPE writes before it.
_NUMERIC = re.compile(r"([▁Ġ ]?)([0-9]+)")


@dataclass(frozen=True)
class TokenRow:
    """A tokenised row: ``ids`` without padding, of which those from index ``target`` on are the target."""

    ids: tuple[int, ...]
    target: int


@dataclass(frozen=True)
class DistanceBucket:
    """The pairs of one source whose distance b - a is from ``low`` to ``high`` tokens (None: without end).

    ``share`` is ``changed / pairs`` with a 95 % interval whose independent clusters are the rows; None without pairs.
    """

    source: str
    low: int
    high: int | None
    pairs: int
    changed: int
    share: Estimate | None

    @property
    def distances(self) -> str:
        """The distances in words, such as ``5-8`` or ``65+``."""
        return f"{self.low}+" if self.high is None else f"{self.low}-{self.high}"


@dataclass(frozen=True)
class Control:
    """Pairs whose b does not come after a: a causal model cannot see a there, so that nothing should change.

    What changes all the same is the noise of the model's arithmetic (near ties in half precision, in batches of
    different shape), and a share of that size among the other pairs means nothing.
    """

    pairs: int
    changed: int


@dataclass(frozen=True)
class MeasuredDependency:
    """What `measure` counted.

    Attributes:
        rows: how many rows were looked at.
        replaced: how many tokens a were replaced.
        without_alternative: how many were not, because the vocabulary has no other number of their kind.
        cells: per source and distance bucket, in the order of `SOURCES` and of the buckets.
        totals: per source, over all distances.
        control: what nothing may change in.
    """

    rows: int
    replaced: int
    without_alternative: int
    cells: tuple[DistanceBucket, ...]
    totals: tuple[DistanceBucket, ...]
    control: Control


@dataclass(frozen=True)
class Forward:
    """One input of the model: row number ``row`` with the token at position ``replaced`` (None: none) exchanged."""

    row: int
    replaced: int | None
    ids: tuple[int, ...]


#: Several inputs that go through the model together.
Batch = Sequence[Forward]


def numeric_tokens(tokenizer: Any) -> dict[int, tuple[int, ...]]:
    """Return, for the id of each numeric token, the ids of its kind, ascending and with its own.

    Numeric is a token whose text is digits (0-9) only, apart from the marker or space of a word's start. Of one kind
    are those with the same marker and as many digits.
    """
    kinds: dict[tuple[str, int], list[int]] = defaultdict(list)
    for piece, token in tokenizer.get_vocab().items():
        if match := _NUMERIC.fullmatch(piece):
            kinds[match.group(1), len(match.group(2))].append(token)
    return {token: tuple(sorted(kind)) for kind in kinds.values() for token in kind}


def replacements(ids: Sequence[int], kinds: Mapping[int, tuple[int, ...]]) -> dict[int, int | None]:
    """Return, for the position of each numeric token, the number to replace it by: of its kind, never itself.

    The choice is a hash of the row's content and the position. None where the kind has no other token.

    Args:
        ids: of one row.
        kinds: from `numeric_tokens`.
    """
    keys = token_keys(torch.tensor(ids))
    chosen: dict[int, int | None] = {}
    for position, token in enumerate(ids):
        if token not in kinds:
            continue
        kind = kinds[token]
        others = kind[: (own := bisect_left(kind, token))] + kind[own + 1 :]
        chosen[position] = (
            others[int(draw_integers(keys[position], len(others), seed=0, epoch=0, stream=Stream.TOKEN))]
            if others
            else None
        )
    return chosen


def measure(
    model: nn.Module,
    rows: Sequence[TokenRow],
    kinds: Mapping[int, tuple[int, ...]],
    *,
    batch_size: int = 16,
    edges: Sequence[int] = EDGES,
    progress: Callable[[Sequence[Batch]], Iterable[Batch]] = iter,
) -> MeasuredDependency:
    """Replace each number of each row by another, one at a time, and see which predictions of later numbers change.

    The model runs on its own device and in its own dtype, in evaluation mode (restored afterwards), once per row and
    once per replaced token; inputs are padded on the right. Pairs count alike, so a row with many numbers weighs more.

    Args:
        model: a causal model; called with ``input_ids`` and ``attention_mask``, ``[batch, seq]`` int64, it returns
            logits ``[batch, seq, vocabulary]``, or an output that has them as ``logits``.
        rows: not padded, one per independent text.
        kinds: from `numeric_tokens`.
        batch_size: inputs per forward pass; it does not change the result beyond rounding.
        edges: upper ends of the distance buckets in tokens, ascending.
        progress: passes the batches on, such as a progress bar.

    Raises:
        CoTMaskError: no row has a number before another in its target, or the logits are NaN.
    """
    forwards, without_alternative = _plan(rows, kinds)
    if all(forward.replaced is None for forward in forwards):
        raise CoTMaskError(
            f"none of the {len(rows)} rows has a number that can be replaced before a number in its target, so there "
            "is nothing to measure: give rows whose answers calculate"
        )
    batches = [forwards[start : start + batch_size] for start in range(0, len(forwards), batch_size)]
    numbers = [[i for i in range(row.target, len(row.ids)) if row.ids[i] in kinds] for row in rows]
    clean: dict[int, list[int]] = {}
    # By source and distance bucket, and for the control: for each pair the row and whether the prediction changed.
    pairs: dict[tuple[str, int], list[tuple[int, bool]]] = defaultdict(list)
    control: list[tuple[int, bool]] = []
    was_training = model.training
    model.eval()
    try:
        for batch in progress(batches):
            for forward, predicted in zip(batch, _predict(model, batch, numbers), strict=True):
                if forward.replaced is None:
                    clean[forward.row] = predicted
                    continue
                source = SOURCES[forward.replaced >= rows[forward.row].target]
                before = clean[forward.row]
                for b, old, new in zip(numbers[forward.row], before, predicted, strict=True):
                    distance = b - forward.replaced
                    kept = control if distance <= 0 else pairs[source, bisect_left(edges, distance)]
                    kept.append((forward.row, old != new))
    finally:
        model.train(was_training)
    replaced = sum(forward.replaced is not None for forward in forwards)
    bounds = list(zip((1, *(edge + 1 for edge in edges)), (*edges, None), strict=True))
    return MeasuredDependency(
        len(rows),
        replaced,
        without_alternative,
        cells=tuple(
            _bucket(source, low, high, pairs[source, place])
            for source in SOURCES
            for place, (low, high) in enumerate(bounds)
        ),
        totals=tuple(
            _bucket(source, 1, None, [pair for place in range(len(bounds)) for pair in pairs[source, place]])
            for source in SOURCES
        ),
        control=Control(len(control), sum(changed for _, changed in control)),
    )


def _plan(rows: Sequence[TokenRow], kinds: Mapping[int, tuple[int, ...]]) -> tuple[list[Forward], int]:
    """Return all inputs, each row's clean one first, and how many numbers cannot be replaced."""
    forwards = []
    without_alternative = 0
    # Rows of like length share a batch, and the longest comes first: what does not fit into memory fails at once.
    for row in sorted(range(len(rows)), key=lambda row: len(rows[row].ids), reverse=True):
        ids, target = rows[row].ids, rows[row].target
        chosen = replacements(ids, kinds)
        last = max((position for position in chosen if position >= target), default=0)
        replaced = {a: new for a, new in chosen.items() if a < last}
        without_alternative += sum(new is None for new in replaced.values())
        forwards.append(Forward(row, None, ids))
        forwards += [Forward(row, a, (*ids[:a], new, *ids[a + 1 :])) for a, new in replaced.items() if new is not None]
    return forwards, without_alternative


@torch.no_grad()
def _predict(model: nn.Module, batch: Batch, numbers: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the predicted ids at the ``numbers`` of each input's row."""
    device = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    width = max(len(forward.ids) for forward in batch)
    input_ids = torch.zeros(len(batch), width, dtype=torch.int64)
    attention_mask = torch.zeros_like(input_ids)
    for place, forward in enumerate(batch):
        input_ids[place, : len(forward.ids)] = torch.tensor(forward.ids)
        attention_mask[place, : len(forward.ids)] = 1
    output = model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device))
    logits: Tensor = getattr(output, "logits", output)
    counts = [len(numbers[forward.row]) for forward in batch]
    places = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor(counts))
    before = torch.tensor([b - 1 for forward in batch for b in numbers[forward.row]], dtype=torch.int64)
    needed = logits[places.to(logits.device), before.to(logits.device)]
    broken = needed.isnan().any(dim=-1).cpu()
    if bool(broken.any()):
        raise CoTMaskError(
            f"row {batch[int(places[broken][0])].row + 1}: the model's logits are NaN: its weights are broken, or its "
            "dtype overflows: save it in float32 or bfloat16"
        )
    return [part.tolist() for part in needed.argmax(dim=-1).split(counts)]


def _bucket(source: str, low: int, high: int | None, pairs: Sequence[tuple[int, bool]]) -> DistanceBucket:
    changes = sum(changed for _, changed in pairs)
    return DistanceBucket(source, low, high, len(pairs), changes, share(pairs) if pairs else None)
