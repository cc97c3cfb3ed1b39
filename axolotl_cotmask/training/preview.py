"""What a config would mask, on real rows: the data behind ``axolotl cotmask preview``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking, marking_of
from axolotl_cotmask.masking.marks import IGNORE_INDEX
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training import checks
from axolotl_cotmask.training.collator import marks_of

TokenKind = Literal["prompt", "target", "protected", "masked"]


@dataclass(frozen=True)
class TokenView:
    """One token: its text, what it is, and what the model would see instead when it is masked.

    ``becomes`` is null where that is no token (noise on embeddings) or needs the model (scheduled sampling).
    """

    text: str
    kind: TokenKind
    becomes: str | None


@dataclass(frozen=True)
class RowView:
    """One row of a data set, counted from 1."""

    row: int
    tokens: list[TokenView]


@dataclass(frozen=True)
class DatasetView:
    """The first rows of one data set; ratios are over its maskable tokens."""

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
    """Prepare the first ``rows`` rows of each data set as Axolotl would, and mask them as the trainer would.

    Args:
        config_path: an Axolotl config that names the plugin.
        rows: rows per data set.
        epoch: epoch, from 0.
        step: optimizer steps done; None for the end of the run.

    Raises:
        CoTMaskError: the config or a row is wrong.
        SystemExit: the same, where Axolotl called us.
    """
    from axolotl.cli.config import load_cfg
    from axolotl.loaders import load_tokenizer

    cfg = load_cfg(config_path)
    # Without the plugin's schema Axolotl has dropped the block.
    if not cfg.cotmask:
        raise CoTMaskError(
            f"{config_path} does not name the plugin, so nothing would be masked: add "
            "`plugins: [axolotl_cotmask.CoTMaskPlugin]` and a `cotmask:` block"
        )
    checks.check_files(cfg)
    config = parse_config(cfg.cotmask.to_dict())
    tokenizer = load_tokenizer(cfg)
    masking = Masking.start(RunMasking(config, cfg.datasets), tokenizer, cfg.seed)
    loaded = [_load_first_rows(entry, cfg, tokenizer, rows) for entry in cfg.datasets]
    # As transformers counts them: every epoch begins with a batch of its own.
    steps_per_epoch = math.ceil(sum(total for _, total in loaded) / cfg.batch_size)
    max_steps = cfg.max_steps or math.ceil(steps_per_epoch * cfg.num_epochs)
    if step is None:
        step = max_steps
    ratio = masking.ratio(step, max_steps)
    views = [
        _view(entry, dataset, tokenizer, masking, ratio, epoch)
        for entry, (dataset, _) in zip(cfg.datasets, loaded, strict=True)
    ]
    return Preview(epoch, step, max_steps, ratio, views)


def _load_first_rows(entry: Any, cfg: Any, tokenizer: Any, rows: int) -> tuple[Any, int]:
    """Return the first tokenised rows of a data set, and how many rows it has in all."""
    from axolotl.utils.data import sft, shared
    from datasets import DatasetDict

    dataset = shared.load_dataset_with_config(entry, cfg.hf_use_auth_token)
    if isinstance(dataset, DatasetDict):
        dataset = dataset[entry.split or "train"]
    base_type, style = sft._parse_dataset_type(entry.type)
    tokenised, _ = sft.get_dataset_wrapper(
        dataset_config=entry,
        tokenizer=tokenizer,
        cfg=cfg,
        dataset_base_type=base_type,
        dataset=dataset.select(range(min(rows, len(dataset)))),
        dataset_prompt_style=style,
    )
    return tokenised, len(dataset)


def _view(entry: Any, dataset: Any, tokenizer: Any, masking: Masking, ratio: float, epoch: int) -> DatasetView:
    row_views, maskable, noised = [], 0, 0
    for index, sample in enumerate(dataset):
        # A batch of one, as the step takes it.
        ids = torch.tensor(sample["input_ids"])[None]
        marks = {name: mark[None] for name, mark in marks_of(sample).items()}
        selected = masking.select(marks, ratio, epoch)
        replaced = masking.replaced(ids, marks, selected, epoch)
        becomes = [None] * ids.numel() if replaced is None else [_text(tokenizer, new) for new in replaced[0].tolist()]
        weight = masking.weight(marks)[0]
        maskable += int((weight > 0).sum())
        noised += int(selected.sum())
        kinds = _kinds(sample["labels"], weight.tolist(), selected[0].tolist())
        tokens = [
            TokenView(_text(tokenizer, old), kind, new if kind == "masked" else None)
            for old, new, kind in zip(ids[0].tolist(), becomes, kinds, strict=True)
        ]
        row_views.append(RowView(index + 1, tokens))
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


def _text(tokenizer: Any, token_id: int) -> str:
    # A token at the start of a text may lose its space: put it behind another one and take that off again.
    anchor = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("0"))[-1:]
    return tokenizer.decode([*anchor, token_id])[len(tokenizer.decode(anchor)) :]
