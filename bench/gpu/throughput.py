"""Time and memory of masking against SFT: optimizer steps of a random model with the shape of Llama-2-7B, in turn."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from axolotl_cotmask.masking.config import CoTMaskConfig, parse_noise
from axolotl_cotmask.masking.metrics import Totals
from axolotl_cotmask.masking.noise import NoiseContext, build
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from axolotl_cotmask.masking.schedule import MaskSchedule
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training.collator import MarkCollator
from bench.gpu.loop import noised_loss
from bench.gpu.rows import Row, marked, packed, padded
from bench.gpu.sizes import Layout, Sizes
from bench.gpu.waits import count_waits

RATIO = 0.4
#: The options of docs/noises.md, each as the key `noise:` takes it.
NOISES: dict[str, Any] = {
    "mask": "mask",
    "random": "random",
    "mask 0.8, random 0.2": {"mask": 0.8, "random": 0.2},
    "dropout, q 0.9": {"dropout": {"q": 0.9}},
    "uniform, alpha 5": {"uniform": {"alpha": 5}},
    "scheduled sampling, tau 5": {"scheduled_sampling": {"tau": 5}},
}
SFT = "SFT"
LOGGED = ", logged losses"
#: Ids of a Llama that are no text.
_SPECIAL = 3
_SEED = 0
_GIB = 2**30


def measure(sizes: Sizes, layout: Layout, check: Callable[[], None]) -> dict[str, Any]:
    """Return seconds, tokens a second, memory and waits of each way to train on the same micro-batch.

    A step is forward, loss, backward with gradient checkpointing and the optimizer's update, in bfloat16 on a GPU.

    Args:
        sizes: of the model, and how often.
        layout: of the micro-batch.
        check: is called after each turn, and may raise.
    """
    device = torch.device(sizes.device)
    model = _random_llama(sizes, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    rows = random_rows(layout, sizes.llama["vocab_size"])
    tokens = sum(len(row["input_ids"]) for together in rows for row in together)
    ways = _ways(model, {name: tensor.to(device) for name, tensor in _batch(layout, rows).items()})

    def step(name: str) -> None:
        ways[name]().backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    peaks: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(sizes.rounds + 1):
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            _begin(device)
            started = perf_counter()
            for _ in range(sizes.steps):
                step(name)
            peaks[name].append(_end(device))
            seconds[name].append((perf_counter() - started) / sizes.steps)
            check()
    waits = {}
    for name in ways:
        waits[name] = count_waits(partial(step, name), device)
        check()
    return {"tokens": tokens, "ways": {name: _summary(name, tokens, seconds, peaks, waits) for name in ways}}


def _summary(name: str, tokens: int, seconds: Any, peaks: Any, waits: Any) -> dict[str, Any]:
    # The first round warms up.
    mine, sft = seconds[name][1:], seconds[SFT][1:]
    return {
        "seconds": median(mine),
        "fastest": min(mine),
        "slowest": max(mine),
        "tokens_per_second": tokens / median(mine),
        # Of the same round.
        "time_of_sft": median(one / other for one, other in zip(mine, sft, strict=True)),
        "peak_gib": max(peaks[name]) if all(peaks[name]) else None,
        "waits": waits[name],
        "waits_added": {
            call: None if count is None else count - waits[SFT][call] for call, count in waits[name].items()
        },
    }


def random_rows(layout: Layout, vocabulary: int) -> list[list[Row]]:
    """Return the samples of each row of a batch: random tokens, the second half of each sample its target."""
    rng = random.Random(_SEED)

    def sample(longest: int) -> Row:
        length = rng.randint(min(layout.shortest, longest), min(layout.longest, longest))
        return marked([rng.randrange(_SPECIAL, vocabulary) for _ in range(length)], length // 2)

    rows = []
    for _ in range(layout.rows):
        together = [sample(layout.sequence_len)]
        while layout.packed and (left := layout.sequence_len - sum(len(row["input_ids"]) for row in together)) > 1:
            together.append(sample(left))
        rows.append(together)
    return rows


def _batch(layout: Layout, rows: list[list[Row]]) -> dict[str, Tensor]:
    """Return the model's inputs and the marks, by the package's own collator around the one of the layout."""
    if layout.packed:
        inner: Callable[..., Any] = partial(packed, pad_token_id=0, sequence_len=layout.sequence_len)
        return MarkCollator(inner, "right", marks=True)(rows)
    return MarkCollator(partial(padded, pad_token_id=0), "right", marks=True)([row for (row,) in rows])


def _random_llama(sizes: Sizes, device: torch.device) -> Any:
    torch.manual_seed(_SEED)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with device:
        config = LlamaConfig(**sizes.llama)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()


def _ways(model: Any, batch: dict[str, Tensor]) -> dict[str, Callable[[], Tensor]]:
    """Return what gives the loss in each way to train, by name."""
    plain = {
        name: tensor
        for name, tensor in batch.items()
        if name in ("input_ids", "labels", "attention_mask", "position_ids")
    }
    ways: dict[str, Callable[[], Tensor]] = {SFT: lambda: model(**plain, use_cache=False).loss}
    for name, value in NOISES.items():
        masking = masking_with(value, model.config.vocab_size, model.device)
        ways[name] = partial(noised_loss, model, masking, batch, RATIO, 0, None)
        # The sums are read once a logging step, which is not in it.
        ways[name + LOGGED] = partial(noised_loss, model, masking, batch, RATIO, 0, Totals.zero(model.device))
    return ways


def masking_with(noise: Any, vocabulary: int, device: torch.device) -> Masking:
    """Return the masking of a run without a tokenizer, whose ratio is always `RATIO`."""
    spec, context = parse_noise(noise), NoiseContext(0, torch.arange(_SPECIAL, vocabulary, device=device))
    built = (
        TokenNoise(spec.mask_share, 0, context.random_ids)
        if spec.name is None
        else build(spec.name, spec.options, context)
    )
    config = CoTMaskConfig(mask_ratio=RATIO, noise=noise, schedule="constant")
    return Masking(config, MaskSchedule(RATIO, 0.0), [built], _SEED)


def _begin(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def _end(device: torch.device) -> float:
    """Wait for the end, and return the most memory that was taken, in GiB; 0 on a CPU, which does not tell."""
    if device.type != "cuda":
        return 0.0
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / _GIB
