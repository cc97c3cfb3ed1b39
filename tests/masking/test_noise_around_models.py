"""Every noise with gradients, in other dtypes, around wrapped and adapted models; nothing of it stays on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.noise_batches import (
    NOISES,
    SAMPLES,
    WIDTH,
    Batch,
    batch,
    every_noise,
    run,
    tiny,
)
from support.noise_references import reference_embedding
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.noise import Noise


def gradients(model: Any, noise: Noise | None, data: Batch) -> dict[str, Tensor]:
    model.zero_grad()
    with noise.applied(model, data.inputs, data.noised) if noise else nullcontext(data.inputs) as inputs:
        loss = model(**inputs).loss
    # After the noise has gone, as in a trainer: a recomputed block must not miss it.
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("name", ["dropout", "dropout of all", "uniform"])
def test_gradients_are_those_of_noised_embeddings(name: str) -> None:
    model, data, noise = tiny().double(), batch("packed"), NOISES[name]
    got = gradients(model, noise, data)
    # noised = factor * clean + addend, each from the reference.
    ids, keys = data.inputs["input_ids"], data.noised.token_key
    factor, addend = torch.ones(*ids.shape, WIDTH).double(), torch.zeros(*ids.shape, WIDTH).double()
    for sample, (_, span) in zip(SAMPLES, data.spans, strict=True):
        for i in range(span.start, span.stop):
            if data.noised.selected[0, i]:
                zeros, ones = ([value] * WIDTH for value in (0.0, 1.0))
                at_0 = torch.tensor(reference_embedding(noise, zeros, int(keys[0, i]), len(sample))).double()
                at_1 = torch.tensor(reference_embedding(noise, ones, int(keys[0, i]), len(sample))).double()
                factor[0, i], addend[0, i] = at_1 - at_0, at_0
    model.zero_grad()
    rest = {key: value for key, value in data.inputs.items() if key != "input_ids"}
    model(inputs_embeds=model.get_input_embeddings()(ids) * factor + addend, **rest).loss.backward()
    for key, weight in model.named_parameters():
        torch.testing.assert_close(got[key], weight.grad, rtol=1e-4, atol=1e-6)


@every_noise
def test_bf16_keeps_its_dtype_and_clean_positions(noise: Noise) -> None:
    model, data = tiny().bfloat16(), batch("right")
    ids, embeddings, outputs = run(noise, model, data)
    assert embeddings.dtype == torch.bfloat16
    clean = ~data.noised.selected
    assert torch.equal(embeddings[clean], model.get_input_embeddings()(ids)[clean])
    assert outputs.loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(model, noise, data).values())


@every_noise
def test_autocast_trains_every_weight(noise: Noise) -> None:
    model, data = tiny(), batch("right")
    with torch.autocast("cpu", torch.bfloat16):
        got = gradients(model, noise, data)
    assert got.keys() == dict(model.named_parameters()).keys(), "a first forward leaves no casts without gradients"
    assert all(gradient.isfinite().all() for gradient in got.values())


LORA = {
    "adapter": {},
    "trained embeddings": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "adapted embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
}


@pytest.mark.parametrize("settings", LORA.values(), ids=LORA.keys())
@every_noise
def test_lora(noise: Noise, settings: dict[str, Any]) -> None:
    data = batch("right")
    expected = run(noise, tiny().double(), data)
    model = get_peft_model(tiny().double(), LoraConfig(**{"target_modules": ["q_proj"], **settings})).train()
    got = run(noise, model, data)
    assert torch.equal(got[0], expected[0])
    torch.testing.assert_close(got[1], expected[1])
    torch.testing.assert_close(got[2].logits, expected[2].logits)
    trained = gradients(model, noise, data)
    assert trained.keys() == {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(gradient.isfinite().all() for gradient in trained.values())


@pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not reentrant"])
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@every_noise
def test_gradient_checkpointing(noise: Noise, lora: bool, reentrant: bool) -> None:
    model, data = tiny().double(), batch("packed")
    model = get_peft_model(model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False)) if lora else model
    expected = gradients(model.train(), noise, data)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    # Axolotl's order: this puts another hook on the embeddings, before ours.
    model.enable_input_require_grads()
    assert_same(gradients(model, noise, data), expected)
    assert any(not torch.equal(expected[name], clean) for name, clean in gradients(model, None, data).items())


def test_require_grads_may_come_after_the_noise() -> None:
    model, data = tiny().double(), batch("right")
    model.get_input_embeddings().weight.requires_grad_(False)
    expected = gradients(model, NOISES["uniform"], data)
    with NOISES["uniform"].applied(model, data.inputs, data.noised) as inputs:
        model.enable_input_require_grads()
        model.zero_grad()
        model(**inputs).loss.backward()
    assert_same({name: w.grad for name, w in model.named_parameters() if w.grad is not None}, expected)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def _fsdp2(model: Any) -> Any:
    for layer in model.model.layers:
        fully_shard(layer)
    return fully_shard(model)


WRAPPERS: dict[str, Callable[[Any], nn.Module]] = {
    "DDP": DistributedDataParallel,
    "FSDP1": lambda model: FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu")),
    "FSDP2": _fsdp2,
}


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
@every_noise
def test_wrapped_models(noise: Noise, wrap: Callable[[Any], nn.Module]) -> None:
    model, data = tiny(), batch("right")
    expected_ids, _, expected = run(noise, model, data)
    wrapped = wrap(copy.deepcopy(model))
    with noise.applied(wrapped, data.inputs, data.noised) as inputs:
        outputs = wrapped(**inputs)
    outputs.loss.backward()
    assert torch.equal(inputs["input_ids"], expected_ids)
    torch.testing.assert_close(outputs.logits, expected.logits)


class Stop(Exception):  # noqa: N818
    """Something goes wrong inside."""


@pytest.mark.parametrize("ending", ["step", "evaluation", Stop, KeyboardInterrupt], ids=str)
@pytest.mark.parametrize("inside_the_model", [False, True])
@every_noise
def test_nothing_stays_on_the_model(noise: Noise, ending: Any, inside_the_model: bool) -> None:
    model, data = tiny(), batch("right")
    model.model.norm.eval()

    def traces() -> list[Any]:
        return [
            (name, list(module._forward_hooks), list(module._forward_pre_hooks), list(vars(module)), module.training)
            for name, module in model.named_modules()
        ]

    def stop(*_: Any) -> None:
        raise ending

    def broken_step() -> None:
        with noise.applied(model, data.inputs, data.noised) as inputs:
            model(**inputs)
            stop()

    clean, before = model(**data.inputs).logits, traces()
    if ending in ("step", "evaluation"):
        with noise.applied(model, data.inputs, data.noised) as inputs:
            loss = model(**inputs).loss
        if ending == "step":
            loss.backward()
    else:
        breaks = model.model.layers[1].register_forward_hook(stop) if inside_the_model else None
        with pytest.raises(ending):
            broken_step()
        if breaks:
            breaks.remove()
    assert traces() == before
    assert torch.equal(model(**data.inputs).logits, clean)
    assert torch.equal(model.eval()(**data.inputs).logits, clean)


@pytest.mark.parametrize("forwards", [0, 2])
@pytest.mark.parametrize("name", ["dropout", "uniform"])
def test_embedding_noise_that_misses_the_forward_stops(name: str, forwards: int) -> None:
    model, data = tiny(), batch("right")

    def step() -> None:
        with NOISES[name].applied(model, data.inputs, data.noised) as inputs:
            for _ in range(forwards):
                model(**inputs)

    with pytest.raises(CoTMaskError, match=rf"input embeddings {forwards} times.*set torch_compile: false"):
        step()
    assert not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("name", ["dropout", "uniform"])
def test_embedding_noise_on_a_part_of_the_batch_stops(name: str) -> None:
    model, data = tiny(), batch("right")
    with (
        pytest.raises(CoTMaskError, match=r"looked up embeddings of \[1, 14\] tokens and the batch has \[3, 14\]"),
        NOISES[name].applied(model, data.inputs, data.noised) as inputs,
    ):
        model(**{key: value[:1] for key, value in inputs.items()})
