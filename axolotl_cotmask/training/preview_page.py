"""The page of ``axolotl cotmask preview --html``: rows at every step and epoch, as one HTML file.

The page computes no draws of its own. It holds what `Masking.select` compares, the number of each token in each epoch
and the ratio of each step, and compares them in float32 as that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from axolotl_cotmask.common.pages import now, render_with_data
from axolotl_cotmask.masking.datasets import marking_of
from axolotl_cotmask.masking.marks import MASK_UNIT, MASK_WEIGHT
from axolotl_cotmask.training.collator import marks_of
from axolotl_cotmask.training.prepared_rows import PreparedRows
from axolotl_cotmask.training.preview import token_kinds, token_text

#: The sliders have no more positions than these, and where they begin.
_STEPS, _EPOCHS = 1000, 200
#: Draws are multiples of 1 over this.
_DRAWS = 2**24


def preview_page(prepared: PreparedRows, rows: int, epoch: int, step: int | None, command: str) -> str:
    """Return the page.

    Args:
        prepared: from `preparing_rows.prepare_rows`.
        rows: rows per data set.
        epoch: epoch at which the page begins, from 0.
        step: optimizer steps done, at which it begins; None for the end of the run.
        command: the command line that made it.
    """
    masking, most = prepared.masking, prepared.max_steps
    begin = most if step is None else step
    steps, epochs = _positions(most, _STEPS, begin), _positions(prepared.epochs - 1, _EPOCHS, epoch)
    texts = _Texts(prepared.tokenizer)
    datasets = [
        {
            "path": str(entry["path"]),
            "type": str(entry["type"]),
            "weight": marking_of(entry).weight,
            "rows": [_row(prepared, number, epochs, texts) for number in numbers],
        }
        for entry, numbers in zip(prepared.entries, prepared.first_of_each(rows), strict=True)
    ]
    data = {
        "steps": steps,
        "ratios": [masking.ratio(each, most) for each in steps],
        "step": steps.index(begin),
        "epochs": epochs,
        "epoch": epochs.index(epoch),
        "maxSteps": most,
        "maxRatio": masking.config.mask_ratio,
        "stepsPerEpoch": prepared.steps_per_epoch,
        "packed": prepared.packed,
        "draws": _DRAWS,
        "texts": texts.by_id,
        "datasets": datasets,
    }
    template = Path(__file__).with_name("pages") / "preview.html.jinja"
    notes = list(_notes(prepared, steps, epochs))
    return render_with_data(template, data, title="What is masked", made=now(), command=command, notes=notes)


def _positions(last: int, most: int, begin: int) -> list[int]:
    """Return ``begin`` and ``most`` evenly spaced numbers from 0 to ``last``, or all of them."""
    return sorted({begin, *(round(last * place / most) for place in range(most + 1))})


def _notes(prepared: PreparedRows, steps: Sequence[int], epochs: Sequence[int]) -> Iterable[str]:
    """Yield what the page cannot show as it is in the run."""
    config = prepared.masking.config
    if config.schedule == "random":
        yield (
            "The schedule is random: each micro-batch draws its own ratio. Shown is that of the first micro-batch of "
            "each step; the rows of the others are masked at other ratios."
        )
    if prepared.packed:
        yield "Rows are packed: how many steps the run and an epoch have is an estimate."
    if config.loss_on != "all":
        yield f"The loss counts only the predictions that are made at {config.loss_on} tokens."
    if config.hide_from_attention:
        yield "Masked tokens are hidden from attention, too."
    if len(steps) <= prepared.max_steps:
        yield f"Its slider stops at {len(steps):,} of the run's {prepared.max_steps:,} steps."
    if len(epochs) < prepared.epochs:
        yield f"Its slider stops at {len(epochs):,} of the run's {prepared.epochs:,} epochs."


def _row(prepared: PreparedRows, number: int, epochs: Sequence[int], texts: _Texts) -> dict[str, Any]:
    """Return a row: ``ids``, ``kinds`` and ``units`` (the first token of each token's unit) for all tokens.

    Of the tokens ``at``, which may be masked: ``weights``, and by epoch ``draws`` and what they become, ``becomes``,
    null where that is no token or one that the model writes.
    """
    masking, sample = prepared.masking, prepared.rows[number]
    ids = torch.tensor(sample["input_ids"])[None]
    marks = {name: mark[None] for name, mark in marks_of([sample]).items()}
    weight = marks[MASK_WEIGHT]
    maskable = weight > 0
    at = maskable[0].nonzero().flatten()
    becomes = []
    for epoch in epochs:
        replaced = masking.replaced(ids, marks, maskable, epoch)
        becomes.append(None if replaced is None else texts.of(replaced[0, at].tolist()))
    distances = sample.get(MASK_UNIT) or [0] * ids.numel()
    nothing = [False] * ids.numel()
    return {
        "row": number + 1,
        "ids": texts.of(ids[0].tolist()),
        "kinds": list(token_kinds(sample["labels"], weight[0].tolist(), nothing)),
        "units": [place - distance for place, distance in zip(range(ids.numel()), distances, strict=False)],
        "at": at.tolist(),
        "weights": weight[0, at].tolist(),
        "draws": [(masking.draws(marks, epoch)[0, at] * _DRAWS).long().tolist() for epoch in epochs],
        "becomes": becomes,
    }


class _Texts:
    """The texts of the tokens that were asked for, by id."""

    def __init__(self, tokenizer: Any) -> None:
        self.by_id: dict[int, str] = {}
        self._tokenizer = tokenizer

    def of(self, ids: list[int]) -> list[int]:
        """Return ``ids``, and keep their texts."""
        for token_id in set(ids) - self.by_id.keys():
            self.by_id[token_id] = token_text(self._tokenizer, token_id)
        return ids
