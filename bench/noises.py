"""What each noise costs: a training step with it against one of SFT, in turn in one run: `python bench/noises.py`.

A batch of 8 x 512 tokens, half of them targets, p = 0.4, through a small Llama with Llama-2's vocabulary of 32,000;
on a GPU when there is one, else on the CPU.
"""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from axolotl_cotmask.masking import attention
from axolotl_cotmask.masking.config import parse_noise
from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.masking.noise import NoiseContext, Noised, build
from axolotl_cotmask.masking.sample_ids import sample_numbers

BATCH, SEQ, VOCABULARY, ROUNDS = 8, 512, 32_000, 6
NOISES: dict[str, Any] = {
    "SFT": None,
    "mask": "mask",
    "random": "random",
    "dropout, q 0.9": {"dropout": {"q": 0.9}},
    "uniform, alpha 5": {"uniform": {"alpha": 5}},
    "scheduled sampling, tau 5": {"scheduled_sampling": {"tau": 5}},
    "random, hidden from attention": "random",
}


def main() -> None:
    """Time a step with each noise in turn, round by round, and print the medians."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1376, num_hidden_layers=8)
    ).to(device)
    model.train()
    ids = torch.randint(0, VOCABULARY, (BATCH, SEQ), device=device)
    labels = torch.where(torch.arange(SEQ, device=device) < SEQ // 2, -100, ids)
    keys = torch.stack([token_keys(row) for row in ids.cpu()]).to(device)
    selected = select_positions((labels != -100).float(), keys, ratio=0.4, seed=0, epoch=0)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    noised = Noised(selected, keys, sample_numbers(inputs), seed=0, epoch=0)
    context = NoiseContext(5, torch.arange(VOCABULARY))
    times: dict[str, list[float]] = {name: [] for name in NOISES}
    for _ in range(ROUNDS):
        for name, value in NOISES.items():
            spec = None if value is None else parse_noise(value)
            noise = None if spec is None else build(spec.name, spec.options, context)
            started = time.perf_counter()
            with nullcontext(inputs) if noise is None else noise.applied(model, inputs, noised) as given:
                if "hidden" in name:
                    given = attention.hidden(given, selected, "sdpa")
                model(**given, use_cache=False).loss.backward()
            model.zero_grad()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads, median of {ROUNDS - 1}")
    for name, median in medians.items():
        print(f"| {name} | {1000 * median:.0f} ms | {median / medians['SFT']:.2f} |")


if __name__ == "__main__":
    main()
