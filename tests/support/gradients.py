"""An Axolotl plugin that holds each training step against a plain one: the loss of the unchanged labels on the masked inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin
from axolotl.monkeypatch.loss.eaft import eaft_loss
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of the next token."""
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)


def dft_loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
    """Dynamic fine-tuning: each token's loss weighed by its probability."""
    losses = functional.cross_entropy(outputs.logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    return (losses * torch.exp(-losses.detach()))[labels[:, 1:] != -100].mean()


class GradientPlugin(BasePlugin):
    """Named after ours; writes, for each step, how far its gradient is from the plain one to `gradients.jsonl`."""

    loss: Callable[..., Tensor] | None = None

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Wrap the training step."""
        original, seen = trainer.training_step, []
        path = Path(cfg.output_dir)
        path.mkdir(parents=True, exist_ok=True)
        loss = eaft_loss if cfg.use_eaft else self.loss

        def record(model: Any, arguments: Any, inputs: dict[str, Any]) -> None:
            seen.append({name: value.clone() for name, value in inputs.items() if name != "labels"})

        def training_step(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
            labels, clean = inputs["labels"].clone(), inputs["input_ids"].clone()
            generator = torch.get_rng_state()
            seen.clear()
            result = original(model, inputs, *args, **kwargs)
            [noised] = seen
            found = _take_gradient(model)
            torch.set_rng_state(generator)
            outputs = model(**noised)
            plain = cross_entropy(outputs.logits, labels) if loss is None else loss(outputs, labels)
            trainer.accelerator.backward(plain)
            expected = _take_gradient(model)
            trained = [parameter for parameter in model.parameters() if parameter.grad is not None]
            for parameter, gradient in zip(trained, found, strict=True):
                parameter.grad.copy_(gradient)
            scale = max(gradient.abs().max() for gradient in expected)
            row = {
                "masked": int((noised["input_ids"] != clean).sum()),
                "elsewhere": int(((noised["input_ids"] != clean) & (labels == -100)).sum()),
                "loss": abs(float(result - plain.detach())),
                "gradient": float(max((a - b).abs().max() for a, b in zip(found, expected, strict=True)) / scale),
                "scale": float(scale),
            }
            with (path / "gradients.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            return result

        trainer.training_step = training_step
        trainer.model.register_forward_pre_hook(record, with_kwargs=True)


class DftPlugin(GradientPlugin):
    """The same under a loss of a plugin that wraps the trainer's, and counts anew from its outputs."""

    loss = staticmethod(dft_loss)

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Wrap the loss."""
        original = trainer.compute_loss

        def compute_loss(model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            _, outputs = original(model, inputs, True, num_items_in_batch)
            loss = dft_loss(outputs, inputs["labels"])
            return (loss, outputs) if return_outputs else loss

        trainer.compute_loss = compute_loss
        super().post_trainer_create(cfg, trainer)


class WithoutLogitsPlugin(GradientPlugin):
    """The same on a model that gives no logits where it is given labels, as one with a fused loss."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Take the logits out of the outputs."""

        def without_logits(model: Any, args: Any, inputs: dict[str, Any], outputs: Any) -> Any:
            if inputs.get("labels") is not None:
                outputs.logits = None
            return outputs

        trainer.model.register_forward_hook(without_logits, with_kwargs=True)
        super().post_trainer_create(cfg, trainer)


def _take_gradient(model: Any) -> list[Tensor]:
    """Return the gradients of all that is trained, and leave zeros."""
    trained = [parameter for parameter in model.parameters() if parameter.grad is not None]
    gradients = [parameter.grad.clone() for parameter in trained]
    for parameter in trained:
        parameter.grad.zero_()
    return gradients
