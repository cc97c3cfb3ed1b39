"""What a config would mask, on real rows: the data behind ``axolotl cotmask preview``."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow.compute
import torch
from axolotl.cli.config import load_cfg
from axolotl.loaders import load_tokenizer
from axolotl.utils.data import prepare_datasets, sft

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import PREPARED_AS, RunMasking, marking_of
from axolotl_cotmask.masking.marks import IGNORE_INDEX, MASK_GROUP
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training.collator import marks_of

#: Rows that are looked through at a time.
_BATCH = 1000

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


def make_preview(config_path: str, rows: int, epoch: int, step: int | None) -> Preview:
    """Prepare the training data as Axolotl does, and mask the first ``rows`` rows of each data set as the trainer does.

    Args:
        config_path: an Axolotl config that names the plugin.
        rows: rows per data set.
        epoch: epoch, from 0.
        step: optimizer steps done; None for the end of the run.

    Raises:
        CoTMaskError: the config or a row is wrong.
        SystemExit: the same, where Axolotl called us.
    """
    try:
        cfg = load_cfg(config_path)
        tokenizer = load_tokenizer(cfg)
    except OSError as error:
        # Of a file of its own it says which.
        if error.filename is not None:
            raise
        reason = str(error).strip().splitlines()[0]
        raise CoTMaskError(
            f"{config_path}: base model or tokenizer cannot be loaded ({reason}): mend the config"
        ) from error
    # Without the plugin's schema Axolotl has dropped the block.
    if not cfg.cotmask:
        raise CoTMaskError(
            f"{config_path} does not name the plugin, so nothing would be masked: add "
            "`plugins: [axolotl_cotmask.CoTMaskPlugin]` and a `cotmask:` block"
        )
    config = parse_config(cfg.cotmask.to_dict())
    masking = Masking.start(RunMasking(config, cfg.datasets), tokenizer, cfg.seed)
    prepared, packed_steps = _prepare(cfg, tokenizer)
    max_steps = cfg.max_steps
    if not max_steps:
        # As transformers counts them: every epoch begins with a batch of its own.
        steps_per_epoch = math.ceil(len(prepared) / cfg.batch_size)
        max_steps = packed_steps if cfg.sample_packing else math.ceil(steps_per_epoch * cfg.num_epochs)
    if step is None:
        step = max_steps
    ratio = masking.ratio(step, max_steps)
    views = [
        _view(entry, prepared, numbers, tokenizer, masking, ratio, epoch)
        for entry, numbers in zip(cfg.datasets, _first_of_each(prepared, len(cfg.datasets), rows), strict=True)
    ]
    return Preview(epoch, step, max_steps, ratio, views)


def _prepare(cfg: Any, tokenizer: Any) -> tuple[Any, int]:
    """Prepare the training data as a run does, and return them with the steps that Axolotl counts for packed rows.

    Each token tells its data set. They are not saved, since a run would take them for its own.
    """
    for number, entry in enumerate(cfg.datasets):
        entry[PREPARED_AS]["group"] = number
    cfg.test_datasets = cfg.push_dataset_to_hub = None
    cfg.is_preprocess = True
    save = sft.save_preprocessed_dataset
    sft.save_preprocessed_dataset = lambda *_: None
    try:
        # Axolotl's lock needs a place.
        with tempfile.TemporaryDirectory() as directory:
            cfg.dataset_prepared_path = directory
            prepared, _, steps, _ = prepare_datasets(cfg, tokenizer)
    finally:
        sft.save_preprocessed_dataset = save
    return prepared, steps


def _first_of_each(prepared: Any, datasets: int, rows: int) -> list[list[int]]:
    """Return for each data set the numbers of its first ``rows`` rows in ``prepared``, from 0."""
    first: list[list[int]] = [[] for _ in range(datasets)]
    start = 0
    for batch in prepared.select_columns(MASK_GROUP).with_format("arrow").iter(_BATCH):
        for number, group in enumerate(pyarrow.compute.list_element(batch[MASK_GROUP], 0).to_pylist(), start):
            if len(first[group]) < rows:
                first[group].append(number)
        if all(len(numbers) == rows for numbers in first):
            break
        start += batch.num_rows
    return first


def _view(
    entry: Any, prepared: Any, numbers: list[int], tokenizer: Any, masking: Masking, ratio: float, epoch: int
) -> DatasetView:
    row_views, maskable, noised = [], 0, 0
    for number in numbers:
        sample = prepared[number]
        # A batch of one, as the step takes it.
        ids = torch.tensor(sample["input_ids"])[None]
        marks = {name: mark[None] for name, mark in marks_of(sample).items()}
        selected = masking.select(marks, ratio, epoch)
        replaced = masking.replaced(ids, marks, selected, epoch)
        becomes = [None] * ids.numel() if replaced is None else replaced[0].tolist()
        weight = masking.weight(marks)[0]
        maskable += int((weight > 0).sum())
        noised += int(selected.sum())
        kinds = _kinds(sample["labels"], weight.tolist(), selected[0].tolist())
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


def _kinds(labels: list[int], weights: list[float], selected: list[bool]) -> Iterator[TokenKind]:
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
        text=_text(tokenizer, token_id),
        kind=kind,
        becomes_id=becomes,
        becomes=None if becomes is None else _text(tokenizer, becomes),
    )


def _text(tokenizer: Any, token_id: int) -> str:
    # A token at the start of a text may lose its space: put it behind another one and take that off again.
    anchor = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("0"))[-1:]
    return tokenizer.decode([*anchor, token_id])[len(tokenizer.decode(anchor)) :]
