"""Axolotl plugins and callbacks that replace or wrap what a trainer does in a training step, in the ways of public ones."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

import torch
from axolotl.core.trainers import AxolotlTrainer
from axolotl.integrations.base import BasePlugin
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import DataCollatorForSeq2Seq, TrainerCallback

from axolotl_cotmask.training.trainer import CoTMaskTrainer


def plain_loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
    """A loss that calls the model itself on all that is in the batch, as DFT-style plugins do."""
    inputs = dict(inputs)
    labels = inputs.pop("labels")
    outputs = model(**inputs)
    loss = cross_entropy(outputs.logits, labels)
    return (loss, outputs) if return_outputs else loss


def chosen_loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
    """The same on the columns that the model needs."""
    return plain_loss(model, {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}, return_outputs)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of the next token."""
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)


def _refuse_marks(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
    assert not {"mask_weight", "token_key"} & kwargs.keys()


class Plain(BasePlugin):
    """Replaces the loss as the run begins."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        trainer.compute_loss = plain_loss


class Chosen(BasePlugin):
    """The same, without our columns."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        trainer.compute_loss = chosen_loss


class OfTheClass(BasePlugin):
    """Replaces the method of the trainer's class."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        type(trainer).compute_loss = lambda self, *args, **kwargs: plain_loss(*args, **kwargs)


class Inner(BasePlugin):
    """Calls the model without its output embedding, for a loss by chunks."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        def loss(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
            inputs = dict(inputs)
            labels = inputs.pop("labels")
            return cross_entropy(model.lm_head(model.model(**inputs).last_hidden_state), labels)

        trainer.compute_loss = loss
        trainer.model.model.register_forward_pre_hook(_refuse_marks, with_kwargs=True)


class Step(BasePlugin):
    """Replaces the whole training step."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        def training_step(model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
            model.train()
            loss = plain_loss(model, trainer._prepare_inputs(inputs))
            trainer.accelerator.backward(loss)
            return loss.detach()

        trainer.training_step = training_step


class Subclass(BasePlugin):
    """Makes the trainer one of a subclass with a loss of its own."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        class Other(CoTMaskTrainer):
            def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
                return plain_loss(*args, **kwargs)

        trainer.__class__ = Other


class OtherClass(BasePlugin):
    """Makes the trainer Axolotl's again."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        trainer.__class__ = AxolotlTrainer


class InEvaluationMode(BasePlugin):
    """Calls the original on a model without dropout."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original = trainer.compute_loss

        @wraps(original)
        def loss(model: Any, *args: Any, **kwargs: Any) -> Any:
            model.eval()
            return original(model, *args, **kwargs)

        trainer.compute_loss = loss


class Sometimes(BasePlugin):
    """Calls the original in every second micro-batch only."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original, calls = trainer.compute_loss, []

        def loss(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            return (original if len(calls) % 2 else plain_loss)(*args, **kwargs)

        trainer.compute_loss = loss


class _Replaces(TrainerCallback):
    def __init__(self, trainer: Any, step: int, event: str) -> None:
        self._step = step
        setattr(self, event, partial(self._replace, trainer))

    def _replace(self, trainer: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= self._step:
            trainer.compute_loss = plain_loss


class AfterTheFirstStep(BasePlugin):
    """A callback that replaces the loss in the middle of the run."""

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        return [_Replaces(trainer, 1, "on_step_end")]


class AtTheLastStep(BasePlugin):
    """A callback that replaces the loss for the twelfth and last step alone."""

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        return [_Replaces(trainer, 11, "on_step_begin")]


class InTheMiddleOfAnUpdate(BasePlugin):
    """A callback that replaces the loss between two micro-batches of an update."""

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        return [_Replaces(trainer, 1, "on_substep_end")]


class Wraps(BasePlugin):
    """Wraps the original, as plugins that watch a loss do."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original = trainer.compute_loss
        trainer.compute_loss = lambda *args, **kwargs: original(*args, **kwargs)


class WrapsWithoutLabels(BasePlugin):
    """Wraps the original, and keeps the labels for a loss of its own."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original = trainer.compute_loss

        def loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            labels = inputs.pop("labels")
            _, outputs = original(model, inputs, True, num_items_in_batch)
            loss = cross_entropy(outputs.logits, labels)
            return (loss, outputs) if return_outputs else loss

        trainer.compute_loss = loss


class WrapsWithACopy(BasePlugin):
    """Wraps the original, and calls it twice with copies of the batch."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original = trainer.compute_loss

        def loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            first, outputs = original(model, {**inputs}, True, num_items_in_batch)
            loss = (first + original(model, dict(inputs), num_items_in_batch=num_items_in_batch)) / 2
            return (loss, outputs) if return_outputs else loss

        trainer.compute_loss = loss


class WrapsTheStep(BasePlugin):
    """Wraps the training step, and runs the clean batch through the model beside it."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        original = trainer.training_step

        def training_step(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            with torch.no_grad():
                model(**trainer._prepare_inputs(inputs))
            return original(model, inputs, *args, **kwargs)

        trainer.training_step = training_step


class Loader(BasePlugin):
    """Replaces the whole data loader by one that gives what a model needs."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        columns = ["input_ids", "attention_mask", "labels"]
        rows = [{name: row[name] for name in columns} for row in trainer.train_dataset]
        loader = DataLoader(rows, batch_size=4, collate_fn=DataCollatorForSeq2Seq(trainer.processing_class))
        trainer.get_train_dataloader = lambda: trainer.accelerator.prepare(loader)


class LoaderAndLoss(Loader):
    """The same with a loss of its own."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        super().post_trainer_create(cfg, trainer)
        trainer.compute_loss = plain_loss
