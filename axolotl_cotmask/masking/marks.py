"""The marks of a token: how strongly it may be masked, and with which others. They travel beside ``labels``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axolotl_cotmask.masking.experimental import selectors
from axolotl_cotmask.masking.experimental.chat import CHAT_SCOPES, chat_weights
from axolotl_cotmask.masking.offsets import decoded_offsets, text_between

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


#: Rises when the prepared data changes in meaning, so that older caches are not read.
FORMAT_VERSION = 3


@dataclass(frozen=True, kw_only=True)
class Marking:
    """How the tokens of a data set are marked: what preparation needs, and Axolotl's cache hash has to cover.

    Args:
        format: of the marks.
        weight: of a maskable token, the data set's p_max over that of the run.
        sha256: of all local files that the rows are made of; None where there are none.
        scope: target, source or all, see `scoped`; or one of `CHAT_SCOPES`.
        select: which tokens there, by the name of a selector; None where no data set of the run has one.
        group: the data set's number; None where the step need not tell the data sets apart.
    """

    format: int = FORMAT_VERSION
    weight: float
    sha256: str | None
    scope: str
    select: str | None
    group: int | None

    @property
    def reads_text(self) -> bool:
        """Whether the marks follow from what the tokens say, and not from the labels alone."""
        return self.select is not None or self.scope in CHAT_SCOPES

    @property
    def is_plain(self) -> bool:
        """Whether every token with a label is maskable at the scheduled ratio, by itself."""
        return (self.weight, self.scope, self.select, self.group) == (1, "target", None, None)


def mark_rows(columns: Mapping[str, Sequence[Any]], marking: Marking, tokenizer: Any) -> dict[str, list[Any]]:
    """Return the marks of tokenised rows, a column for each that the run needs.

    Args:
        columns: ``input_ids`` and ``labels`` of the rows, and ``mask_weight`` where a prompt strategy has set it.
        marking: how.
        tokenizer: the run's; needed where ``marking`` reads text.
    """
    targets = columns.get(MASK_WEIGHT) or [weights_from_labels(labels) for labels in columns["labels"]]
    weights = [scoped(target, labels, marking.scope) for target, labels in zip(targets, columns["labels"], strict=True)]
    if marking.scope in CHAT_SCOPES:
        weights = [
            chat_weights(tokenizer, ids, row, marking.scope)
            for ids, row in zip(columns["input_ids"], weights, strict=True)
        ]
    marks: dict[str, list[Any]] = {}
    if marking.select is not None:
        marks[MASK_UNIT] = [np.zeros(len(row), dtype=np.int32) for row in weights]
        selector = selectors.get(marking.select)
        if selector is not None:
            selected = [
                selected_units(tokenizer, ids, row, selector)
                for ids, row in zip(columns["input_ids"], weights, strict=True)
            ]
            weights, marks[MASK_UNIT] = [taken for taken, _ in selected], [units for _, units in selected]
    if marking.group is not None:
        marks[MASK_GROUP] = [np.full(len(row), marking.group, dtype=np.int32) for row in weights]
    return {MASK_WEIGHT: [row * np.float32(marking.weight) for row in weights], **marks}


def brought_fault(row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a row that came with its own tokens and maybe weights; None where nothing is.

    Args:
        row: ``input_ids``, ``labels`` and what else it has of ``attention_mask`` and ``mask_weight``.
    """
    ids = row["input_ids"]
    for name, values in row.items():
        if not isinstance(values, list) or any(value is None or isinstance(value, list | str) for value in values):
            return f"{name} is no list of numbers"
        if len(values) != len(ids):
            return f"{name} has {len(values)} values, and input_ids {len(ids)}"
    weights = row.get(MASK_WEIGHT, ())
    wrong = next((weight for weight in weights if not 0 <= weight <= 1), None)
    if wrong is not None:
        return f"{MASK_WEIGHT} holds {wrong}: it is the share of the scheduled ratio, from 0 to 1"
    if any(weight and label == IGNORE_INDEX for weight, label in zip(weights, row["labels"], strict=False)):
        return f"{MASK_WEIGHT} is above 0 at a token without a label, which is never masked"
    return None


def weights_from_labels(labels: Sequence[int]) -> NDArray[np.float32]:
    """Return ``[length]`` float32: 1 for every token that carries a label, 0 for the others."""
    return (np.asarray(labels) != IGNORE_INDEX).astype(np.float32)


def scoped(weights: Sequence[float], labels: Sequence[int], scope: str) -> NDArray[np.float32]:
    """Return the weights for ``scope``.

    Args:
        weights: ``[length]``, of the tokens with a label; 0 for the others.
        labels: ``[length]``.
        scope: ``source`` (tokens without a label, from BOS on), ``all``, or ``target`` and what is a part of it.
    """
    target = np.asarray(weights, dtype=np.float32)
    if scope not in ("source", "all"):
        return target
    source = 1 - weights_from_labels(labels)
    return source if scope == "source" else target + source


def selected_units(
    tokenizer: Any, input_ids: Sequence[int], weights: NDArray[np.float32], selector: selectors.Selector
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the weights of the tokens that ``selector`` takes, and how many tokens back the unit of each begins.

    The selector reads each stretch of maskable tokens as a text of its own, so that no unit reaches out of it.

    Args:
        tokenizer: the run's.
        input_ids: ``[length]``.
        weights: ``[length]`` float32, from `scoped`.
        selector: see `axolotl_cotmask.masking.experimental.selectors`.
    """
    text, offsets = decoded_offsets(tokenizer, input_ids)
    taken, units = np.zeros_like(weights), np.zeros(len(weights), dtype=np.int32)
    for first, last in _stretches(weights):
        part, spans = text_between(text, offsets, first, last)
        distances = np.asarray(selectors.unit_distances(part, list(selector(part)), spans), dtype=np.int32)
        chosen = distances >= 0
        taken[first:last] = np.where(chosen, weights[first:last], 0)
        units[first:last] = np.where(chosen, distances, 0)
    return taken, units


def _stretches(weights: NDArray[np.float32]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], weights > 0, [0]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
