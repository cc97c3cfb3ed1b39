"""Which tokens the loss counts, and what it is divided by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from axolotl.integrations.base import BasePlugin
from safetensors.torch import load_file
from support.project import Project, Rows, write_jsonl
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from axolotl_cotmask.masking.loss import (
    LossOn,
    counted_batches,
    labels_for,
    token_count,
    weighted_by_tokens,
    zero_without_labels,
)
from axolotl_cotmask.masking.metrics import predicts_label, token_losses

CHOICES: tuple[LossOn, ...] = get_args(LossOn)
VOCABULARY = 30
every_choice = pytest.mark.parametrize("loss_on", CHOICES)


OURS = "axolotl_cotmask.CoTMaskPlugin"
UPDATES = {"sample_packing": False, "optimizer": "sgd", "learning_rate": 0.1, "lr_scheduler": "constant"}


class CountsPlugin(BasePlugin):
    """Lets the model take the mean over an update, as transformers does and Axolotl 0.19 prevents."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Undo what the trainer decided."""
        trainer.model_accepts_loss_kwargs = True


def tiny() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, **sizes, initializer_range=0.3)).double().train()


def batches(number: int) -> list[dict[str, Tensor]]:
    """Micro-batches of 2 rows of 12 tokens: prompts of 4, padding of very different length, and a selection."""
    generator = torch.Generator().manual_seed(1)
    result = []
    for index in range(number):
        ids = torch.randint(1, VOCABULARY, (2, 12), generator=generator)
        mask = (torch.arange(12) < 12 - 2 * index).long().expand(2, 12)
        labels = ids.masked_fill((torch.arange(12) < 4) | (mask == 0), -100)
        selected = (torch.rand(2, 12, generator=generator) < 0.4) & (labels != -100)
        result.append({"input_ids": ids, "attention_mask": mask, "labels": labels, "selected": selected})
    return result


def select(batch: Any) -> Tensor:
    return batch["selected"]


def counts(label: int, at_noised: bool, loss_on: LossOn) -> bool:
    return label != -100 and (loss_on == "all" or at_noised == (loss_on == "noised"))


def test_labels_by_hand() -> None:
    labels = torch.tensor([[-100, -100, 7, 8, 9, 3]])
    # The 7 and the 9 are noised: what is predicted there are the 8 and the 3.
    selected = torch.tensor([[False, False, True, False, True, False]])
    assert labels_for(labels, selected, "all").tolist() == [[-100, -100, 7, 8, 9, 3]]
    assert labels_for(labels, selected, "clean").tolist() == [[-100, -100, 7, -100, 9, -100]]
    assert labels_for(labels, selected, "noised").tolist() == [[-100, -100, -100, 8, -100, 3]]
    assert labels.tolist() == [[-100, -100, 7, 8, 9, 3]], "the labels themselves stay"


@every_choice
def test_the_loss_is_that_of_plain_loops(loss_on: LossOn) -> None:
    model = tiny()
    [batch] = batches(1)
    inputs = {name: value for name, value in batch.items() if name != "selected"}
    labels = labels_for(batch["labels"], batch["selected"], loss_on)
    outputs = model(**{**inputs, "labels": labels})
    terms = []
    for row in range(2):
        for t in range(1, 12):
            label = int(batch["labels"][row, t])
            if counts(label, bool(batch["selected"][row, t - 1]), loss_on):
                logits = outputs.logits[row, t - 1].tolist()
                terms.append(math.log(sum(math.exp(x) for x in logits)) - logits[label])
    assert 3 < len(terms) < 17
    # The loss is taken in float32.
    assert outputs.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


@every_choice
def test_clean_and_noised_make_up_all(loss_on: LossOn) -> None:
    for batch in batches(3):
        kept = labels_for(batch["labels"], batch["selected"], loss_on) != -100
        by_loop = [
            [
                counts(int(label), bool(before), loss_on)
                for label, before in zip(labels, [False, *noised[:-1]], strict=True)
            ]
            for labels, noised in zip(batch["labels"], batch["selected"], strict=True)
        ]
        assert kept.tolist() == by_loop


def test_it_goes_by_the_positions_of_the_logged_losses() -> None:
    model = tiny()
    [batch] = batches(1)
    logits = model(batch["input_ids"]).logits
    losses, predicts = token_losses(logits, batch["labels"]), predicts_label(batch["labels"])
    for loss_on, at in (("clean", ~batch["selected"]), ("noised", batch["selected"])):
        labels = labels_for(batch["labels"], batch["selected"], loss_on)
        loss = model(input_ids=batch["input_ids"], labels=labels).loss
        assert loss.item() == pytest.approx(losses[predicts & at].mean().item(), rel=1e-5)


@every_choice
def test_the_trainer_counts_what_the_loss_counts_over_a_window(loss_on: LossOn, tmp_path: Path) -> None:
    model, window = tiny(), batches(4)
    trainer = Trainer(model, TrainingArguments(str(tmp_path), report_to=[], use_cpu=True))
    before = [batch["labels"].clone() for batch in window]
    counted = counted_batches(window, select, loss_on)
    items = trainer._get_num_items_in_batch(counted, torch.device("cpu"))
    assert all(torch.equal(batch["labels"], labels) for batch, labels in zip(window, before, strict=True))
    assert items == sum((batch["labels"][:, 1:] != -100).sum() for batch in counted)

    def gradient(parts: list[dict[str, Any]]) -> Tensor:
        model.zero_grad()
        for part in parts:
            part = {name: value for name, value in part.items() if name != "selected"}
            model(**part, num_items_in_batch=items).loss.backward()
        return model.lm_head.weight.grad.clone()

    whole = {name: torch.cat([batch[name] for batch in counted]) for name in counted[0]}
    torch.testing.assert_close(gradient(counted), gradient([whole]), rtol=1e-4, atol=1e-6)
    # Dividing by the number of labels in the data would weaken every step.
    if loss_on != "all":
        assert items < sum((labels[:, 1:] != -100).sum() for labels in before)


@pytest.mark.parametrize("items", [None, torch.tensor(0), torch.tensor(7)], ids=str)
def test_a_micro_batch_without_counted_tokens_is_zero_and_teaches_nothing(items: Tensor | None) -> None:
    model = tiny()
    [batch] = batches(1)
    labels = labels_for(batch["labels"], torch.zeros_like(batch["selected"]), "noised")
    loss = model(input_ids=batch["input_ids"], labels=labels, num_items_in_batch=items).loss
    assert loss.isnan() == (items is None or items == 0), "what a mean over nothing is"
    loss = zero_without_labels(loss, labels)
    loss.backward()
    assert loss.item() == 0
    assert all((weight.grad == 0).all() for weight in model.parameters())


def test_a_micro_batch_with_counted_tokens_keeps_its_loss() -> None:
    loss = torch.tensor(2.5, requires_grad=True)
    kept = zero_without_labels(loss, torch.tensor([[-100, 3]]))
    assert kept.item() == 2.5
    kept.backward()
    assert loss.grad == 1
    assert zero_without_labels(torch.tensor(2.5), torch.tensor([[3, -100]])) == 0, "nothing predicts a first token"


def test_a_micro_batch_has_the_weight_of_its_counted_tokens() -> None:
    labels = torch.tensor([[9, -100, 3, 4], [9, 5, -100, -100]])
    loss = torch.tensor(2.0, requires_grad=True)
    weighted = weighted_by_tokens(loss, token_count(labels), torch.tensor(4.0))
    assert weighted.item() == 1.5, "3 tokens where 4 are usual"
    weighted.backward()
    assert loss.grad == 0.75


def trained(project: Project, name: str, micro: int, accumulation: int, **changes: Any) -> dict[str, Tensor]:
    """The weights after an epoch."""
    changes = {"micro_batch_size": micro, "gradient_accumulation_steps": accumulation, **UPDATES, **changes}
    return load_file(project.train(name, **changes) / "model.safetensors")


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@every_choice
@pytest.mark.slow
def test_accumulation_makes_the_updates_of_one_big_batch(project: Project, gsm8k_rows: Rows, loss_on: LossOn) -> None:
    rows = gsm8k_rows
    if loss_on == "all":
        # As in plain SFT, Axolotl 0.19 takes the mean of the micro-batches' means: as many labels in each, one answer.
        rows = [{**row, "answer": rows[0]["answer"]} for row in rows]
    write_jsonl(project.directory / "train.jsonl", rows)
    changes = {
        "cotmask": {"mask_ratio": 0.5, "noise": "random", "schedule": "constant", "loss_on": loss_on},
        "dataset_prepared_path": str(project.directory / "prepared"),
        # Evaluation comes between the updates; the last update has 4 of the 40 rows.
        "val_set_size": 8,
        "evals_per_epoch": 2,
    }
    big = trained(project, "big", 12, 1, **changes)
    movement = distance(big, load_file(project.model / "model.safetensors"))
    assert movement > 0.01
    for plugins in [[OURS], [OURS, "test_loss_on.CountsPlugin"]] if loss_on == "noised" else [[OURS]]:
        accumulated = trained(project, f"accumulated-{len(plugins)}", 2, 6, plugins=plugins, **changes)
        assert distance(big, accumulated) < 1e-4 * movement, plugins


@pytest.mark.slow
def test_a_ratio_of_zero_keeps_the_updates_of_plain_sft(project: Project, gsm8k_rows: Rows) -> None:
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in gsm8k_rows]
    data = [{"path": str(write_jsonl(project.directory / "alpaca.jsonl", rows)), "type": "alpaca"}]
    plain = trained(project, "plain", 2, 4, datasets=data, plugins=None, cotmask=None)
    zero = trained(project, "zero", 2, 4, datasets=data, cotmask={"mask_ratio": 0, "loss_on": "clean"})
    assert distance(plain, zero) == 0
