"""What a config would mask, on real rows: the data behind ``axolotl cotmask preview``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from axolotl_cotmask.masking.datasets import marking_of
from axolotl_cotmask.masking.marks import IGNORE_INDEX, MASK_WEIGHT
from axolotl_cotmask.training.collator import marks_of
from axolotl_cotmask.training.prepared_rows import PreparedRows

TokenKind = Literal["prompt", "target", "protected", "masked"]


@dataclass(frozen=True)
class TokenView:
    """One token: its id and text, what it is, and what the model would be given instead when it is masked.

    ``becomes`` is null where that is no token (noise on embeddings) or needs the model (scheduled sampling).
    """

    id: int
    text: str
    kind: TokenKind
    becomes_id: int | None
    becomes: str | None


@dataclass(frozen=True)
class RowView:
    """One row of the training data, counted from 1 in the order in which they are prepared."""

    row: int
    tokens: list[TokenView]


@dataclass(frozen=True)
class DatasetView:
    """The first rows of one data set among the training data; ratios are over their maskable tokens."""

    path: str
    type: str
    scheduled_ratio: float
    realised_ratio: float | None
    maskable: int
    noised: int
    rows: list[RowView]


@dataclass(frozen=True)
class Preview:
    """All data sets of a config at one epoch and step; ``max_steps`` is an estimate when rows are packed."""

    epoch: int
    step: int
    max_steps: int
    scheduled_ratio: float
    datasets: list[DatasetView]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def make_preview(prepared: PreparedRows, rows: int, epoch: int, step: int | None) -> Preview:
    """Mask the first ``rows`` rows of each data set as the trainer does.

    Args:
        prepared: from `preparing_rows.prepare_rows`.
        rows: rows per data set.
        epoch: epoch, from 0.
        step: optimizer steps done; None for the end of the run.
    """
    if step is None:
        step = prepared.max_steps
    ratio = prepared.masking.ratio(step, prepared.max_steps)
    views = [
        _view(entry, prepared, numbers, ratio, epoch)
        for entry, numbers in zip(prepared.entries, prepared.first_of_each(rows), strict=True)
    ]
    return Preview(epoch, step, prepared.max_steps, ratio, views)


def _view(entry: Any, prepared: PreparedRows, numbers: list[int], ratio: float, epoch: int) -> DatasetView:
    masking, tokenizer = prepared.masking, prepared.tokenizer
    row_views, maskable, noised = [], 0, 0
    for number in numbers:
        sample = prepared.rows[number]
        # A batch of one, as the step takes it.
        ids = torch.tensor(sample["input_ids"])[None]
        marks = {name: mark[None] for name, mark in marks_of([sample]).items()}
        selected = masking.select(marks, ratio, epoch)
        replaced = masking.replaced(ids, marks, selected, epoch)
        becomes = [None] * ids.numel() if replaced is None else replaced[0].tolist()
        weight = marks[MASK_WEIGHT][0]
        maskable += int((weight > 0).sum())
        noised += int(selected.sum())
        kinds = token_kinds(sample["labels"], weight.tolist(), selected[0].tolist())
        tokens = [
            _token(tokenizer, old, kind, new if kind == "masked" else None)
            for old, new, kind in zip(ids[0].tolist(), becomes, kinds, strict=True)
        ]
        row_views.append(RowView(number + 1, tokens))
    return DatasetView(
        path=str(entry.path),
        type=str(entry.type),
        scheduled_ratio=ratio * marking_of(entry).weight,
        realised_ratio=noised / maskable if maskable else None,
        maskable=maskable,
        noised=noised,
        rows=row_views,
    )


def token_kinds(labels: list[int], weights: list[float], selected: list[bool]) -> Iterator[TokenKind]:
    """Yield what each token of a row is; all ``[length]``."""
    for label, weight, noised in zip(labels, weights, selected, strict=True):
        if noised:
            yield "masked"
        elif label == IGNORE_INDEX:
            yield "prompt"
        else:
            yield "target" if weight > 0 else "protected"


def _token(tokenizer: Any, token_id: int, kind: TokenKind, becomes: int | None) -> TokenView:
    return TokenView(
        id=token_id,
        text=token_text(tokenizer, token_id),
        kind=kind,
        becomes_id=becomes,
        becomes=None if becomes is None else token_text(tokenizer, becomes),
    )


def token_text(tokenizer: Any, token_id: int) -> str:
    """Return the text of a token as it stands behind another one."""
    # A token at the start of a text may lose its space: put it behind another one and take that off again.
    anchor = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("0"))[-1:]
    return tokenizer.decode([*anchor, token_id])[len(tokenizer.decode(anchor)) :]
