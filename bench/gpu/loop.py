"""The training loop: plain torch around the package's masking. What Axolotl's trainer does with a recipe of SmolLM2.

One difference is on purpose: on a GPU the weights are float32 and the products bfloat16, and Axolotl with
``bf16: true`` has the weights in bfloat16, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from transformers import get_cosine_schedule_with_warmup

from axolotl_cotmask.common import resources
from axolotl_cotmask.masking.config import CoTMaskConfig
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.marks import BATCH_MARKS, MASK_WEIGHT
from axolotl_cotmask.masking.metrics import Totals, predicts_label, summarise, token_losses
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training.collator import MarkCollator
from axolotl_cotmask.training.vocabulary import start_at_mean
from bench.gpu.rows import Row, padded

#: Transformers' own, which the recipes leave as it is.
_MOST_GRADIENT = 1.0


@dataclass(frozen=True)
class Training:
    """What a recipe says of a training.

    Args:
        masking: its block ``cotmask:``.
        epochs: over all rows.
        batch: rows of an optimizer step.
        learning_rate: at its peak.
        warmup_ratio: of the learning rate, as a share of the steps.
        weight_decay: of AdamW.
        sequence_len: tokens of a row, at most.
    """

    masking: CoTMaskConfig
    epochs: int
    batch: int
    learning_rate: float
    warmup_ratio: float
    weight_decay: float
    sequence_len: int

    @classmethod
    def of_recipe(cls, name: str, **masking: Any) -> Training:
        """Return what a recipe says, with other options in its block ``cotmask:`` where they are given."""
        recipe = yaml.safe_load((resources.directory("recipes") / f"{name}.yaml").read_text(encoding="utf-8"))
        return cls(
            masking=CoTMaskConfig(**{**recipe["cotmask"], **masking}),
            epochs=recipe["num_epochs"],
            batch=recipe["micro_batch_size"] * recipe["gradient_accumulation_steps"],
            learning_rate=recipe["learning_rate"],
            warmup_ratio=recipe["warmup_ratio"],
            weight_decay=recipe["weight_decay"],
            sequence_len=recipe["sequence_len"],
        )


def add_mask_token(model: Any, tokenizer: Any, masking: CoTMaskConfig) -> None:
    """Add the mask token to both where the masking uses one; its embedding begins at the mean of the others."""
    if not RunMasking(masking, [{}]).uses_mask_token:
        return
    old_rows = len(tokenizer)
    tokenizer.add_tokens([masking.token])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    start_at_mean(model, old_rows, old_rows)


def noised_loss(
    model: nn.Module, masking: Masking, batch: Mapping[str, Tensor], ratio: float, epoch: int, totals: Totals | None
) -> Tensor:
    """Return the loss of a micro-batch on its noised inputs, a scalar, and count what is logged.

    Args:
        model: in training mode.
        masking: of the run.
        batch: the model's inputs with labels, and the marks of `MarkCollator`.
        ratio: from `Masking.ratio`.
        epoch: from 0.
        totals: what is logged; None where nothing is.
    """
    inputs = {name: tensor for name, tensor in batch.items() if name not in BATCH_MARKS}
    marks = {name: tensor for name, tensor in batch.items() if name in BATCH_MARKS}
    selected, labels = masking.select(marks, ratio, epoch), batch["labels"]
    with masking.noised(model, inputs, marks, selected, ratio, epoch) as noised:
        outputs = model(**noised, use_cache=False)
    if totals is not None:
        totals.count(ratio, marks[MASK_WEIGHT], masking.begins_unit(marks), selected, labels)
        totals.count_losses(token_losses(outputs.logits, labels), predicts_label(labels), selected)
    return outputs.loss


def train(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    order: Sequence[Sequence[Sequence[int]]],
    training: Training,
    *,
    seed: int,
    check: Callable[[], None],
) -> dict[str, list[Any]]:
    """Train all weights; the model stays in training mode.

    Args:
        model: in float32, on its device; with the mask token, where the masking uses one.
        tokenizer: as the model.
        rows: from `bench.gpu.rows.tokenized`.
        order: for each epoch its batches, each the numbers of its rows.
        training: how; its number of epochs and its batch are in ``order``.
        seed: of the masks.
        check: is called after each step, and may raise.

    Returns:
        ``losses``, one a step, and ``epochs``, the logged metrics of each.
    """
    device, steps = model.device, sum(map(len, order))
    masking = Masking.start(RunMasking(training.masking, [{}]), tokenizer, seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    # As Axolotl rounds it: down, and 1 is 2.
    warmup = int(training.warmup_ratio * steps)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 2 if warmup == 1 else warmup, steps)
    collate = MarkCollator(partial(padded, pad_token_id=tokenizer.pad_token_id), "right", marks=True)
    model.train()
    losses: list[Tensor] = []
    epochs: list[dict[str, float]] = []
    for epoch, batches in enumerate(order):
        totals = Totals.zero(device)
        for numbers in batches:
            batch = {
                name: tensor.to(device, non_blocking=True)
                for name, tensor in collate([rows[number] for number in numbers]).items()
            }
            ratio = masking.ratio(len(losses), steps)
            with in_bfloat16(device):
                loss = noised_loss(model, masking, batch, ratio, epoch, totals)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), _MOST_GRADIENT)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            check()
        epochs.append(summarise(totals.stacked(), ratio, len(losses)))
    return {"losses": torch.stack(losses).tolist(), "epochs": epochs}


def in_bfloat16(device: torch.device) -> Any:
    """Return the context in which products are taken in bfloat16 on a GPU; on a CPU nothing changes."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()
