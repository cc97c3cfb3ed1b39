"""What masking adds to a training step, as shares of that step, all timed in one run: `python bench/step_overhead.py`.

A batch of 2 x 512 tokens, half of them targets, through a small Llama with Llama-2's vocabulary of 32,000. The model
is far smaller than a real one, in which the step takes longer and the other parts do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.masking.metrics import Totals, token_losses
from axolotl_cotmask.masking.noise.tokens import TokenNoise

BATCH, SEQ, VOCABULARY, ROUNDS = 2, 512, 32_000, 7


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """Time one call: by the processor's own clock, which other work on the machine does not move, or the GPU's end."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def main() -> None:
    """Time the parts in turn, round by round, and print the medians."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1376, num_hidden_layers=8)
    ).to(device)
    ids = torch.randint(0, VOCABULARY, (BATCH, SEQ), device=device)
    labels = torch.where(torch.arange(SEQ, device=device) < SEQ // 2, -100, ids)
    weight = (labels != -100).float()
    noises = {"mask": 1.0, "random": 0.0, "half mask, half random": 0.5}
    keys = torch.stack([token_keys(row) for row in ids.cpu()]).to(device)
    logits = model(ids).logits.detach()
    selected = select_positions(weight, keys, ratio=0.4, seed=0, epoch=0)

    def step() -> None:
        model(input_ids=ids, labels=labels).loss.backward()
        model.zero_grad()

    def masking(share: float) -> Callable[[], object]:
        noise = TokenNoise(share, 5, torch.arange(VOCABULARY))
        return lambda: noise.replaced(
            ids, select_positions(weight, keys, ratio=0.4, seed=0, epoch=0), keys, seed=0, epoch=0
        )

    parts: dict[str, Callable[[], object]] = {
        "step (forward, loss, backward)": step,
        "token keys (in the data loader)": lambda: [token_keys(row) for row in ids.cpu()],
        **{f"selection and noise: {name}": masking(share) for name, share in noises.items()},
        "logged counts": lambda: Totals.zero(device).count(0.4, weight, torch.ones_like(selected), selected, labels),
        "logged losses": lambda: Totals.zero(device).count_losses(token_losses(logits, labels), weight > 0, selected),
    }
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            times[name].append(seconds(part, device))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    whole = medians["step (forward, loss, backward)"]
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads, median of {ROUNDS - 1}")
    for name, median in medians.items():
        print(f"{name:44s} {1000 * median:9.2f} ms  {median / whole:8.4f} of a step")


if __name__ == "__main__":
    main()
