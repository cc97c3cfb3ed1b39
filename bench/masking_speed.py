"""Masking against a loop over tokens, its time by the number of tokens, and the package's import: in turn in one run.

`python bench/masking_speed.py`. The loop is what a training script writes: a draw and an assignment for each target
token of a batch, once on the tensor itself and once on lists. Times are those of the processor, on one thread.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.masking.noise.tokens import TokenNoise

BATCH, SEQ, VOCABULARY, RATIO, ROUNDS = 64, 512, 32_000, 0.4, 7
SIZES = (2**14, 2**16, 2**18, 2**20)


NOISES = {"mask": 1.0, "random": 0.0, "half mask, half random": 0.5}


def masked(ids: torch.Tensor, weight: torch.Tensor, keys: torch.Tensor, noise: TokenNoise) -> torch.Tensor:
    """Mask a batch as the trainer does."""
    selected = select_positions(weight, keys, ratio=RATIO, seed=0, epoch=0)
    return noise.replaced(ids, selected, keys, seed=0, epoch=0)


def loop_on_tensor(ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mask a batch by a loop over its elements."""
    ids = ids.clone()
    for row in range(ids.shape[0]):
        for place in range(ids.shape[1]):
            if weight[row, place] and random.random() < RATIO:
                ids[row, place] = 5 if random.random() < 0.5 else random.randrange(VOCABULARY)
    return ids


def loop_on_lists(ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mask a batch by a loop over lists."""
    lists = ids.tolist()
    for row, weights in zip(lists, weight.tolist(), strict=True):
        for place, of_token in enumerate(weights):
            if of_token and random.random() < RATIO:
                row[place] = 5 if random.random() < 0.5 else random.randrange(VOCABULARY)
    return torch.tensor(lists)


def medians(parts: dict[str, Callable[[], object]], clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Time the parts in turn, round by round; the first round is left out."""
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS + 1):
        for name, part in parts.items():
            started = clock()
            part()
            times[name].append(clock() - started)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def batch(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, weights, of which half are 1, and keys."""
    ids = torch.randint(0, VOCABULARY, (rows, SEQ))
    weight = (torch.arange(SEQ) >= SEQ // 2).float().expand(rows, SEQ)
    return ids, weight, torch.stack([token_keys(row) for row in ids])


def main() -> None:
    """Print the three."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ids, weight, keys = batch(BATCH)
    noises = {name: TokenNoise(share, 5, torch.arange(VOCABULARY)) for name, share in NOISES.items()}
    found = medians({
        **{name: lambda noise=noise: masked(ids, weight, keys, noise) for name, noise in noises.items()},
        "token keys (in the data loader)": lambda: [token_keys(row) for row in ids],
        "loop over lists": lambda: loop_on_lists(ids, weight),
        "loop over the tensor": lambda: loop_on_tensor(ids, weight),
    })  # fmt: skip
    for name, seconds in found.items():
        print(f"{BATCH} x {SEQ}: {name:32s} {1000 * seconds:8.2f} ms, {seconds / found['random']:7.1f} of random")
    sized = {size: batch(size // SEQ) for size in SIZES}
    for size, of in sized.items():
        # One after the other: what a large batch gives back to the system, a small one would have to get again.
        (seconds,) = medians({"random": lambda of=of: masked(*of, noises["random"])}).values()
        print(f"{size:>8} tokens: {1e9 * seconds / size:6.1f} ns a token")
    programs = {
        "python": "pass",
        "import axolotl_cotmask": "import axolotl_cotmask, sys; assert 'torch' not in sys.modules",
    }
    imports = medians(
        {
            name: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
            for name, code in programs.items()
        },
        time.perf_counter,
    )
    print(", ".join(f"{name}: {1000 * seconds:.0f} ms" for name, seconds in imports.items()))


if __name__ == "__main__":
    main()
