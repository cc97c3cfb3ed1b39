"""How fast one core computes the laptop's matrix products, by the library: `python bench/matrix_products.py`.

torch takes MKL's for float32, and oneDNN's when the precision is lowered to "medium" on a processor with bfloat16
instructions (where it has matrix units, in bfloat16, else in float32 all the same, as the error tells).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch

#: Tokens of a part, and the layer's inputs and outputs.
SHAPES = [(700, 96, 96), (700, 96, 256), (700, 256, 96)]
REPEATS = 300


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| tokens, inputs, outputs | MKL, GFLOP/s | oneDNN, GFLOP/s | largest error, MKL | oneDNN |")
    print("|---|---:|---:|---:|---:|")
    for tokens, inputs, outputs in SHAPES:
        rows, weight = torch.randn(tokens, inputs), torch.randn(outputs, inputs)
        exact = rows.double() @ weight.double().t()
        rates, errors = [], []
        for precision in ("highest", "medium"):
            torch.set_float32_matmul_precision(precision)
            errors.append((rows @ weight.t() - exact).abs().max().item())
            rates.append(2e-9 * tokens * inputs * outputs / _seconds(partial(torch.matmul, rows, weight.t())))
        torch.set_float32_matmul_precision("highest")
        cells = (*(f"{rate:.0f}" for rate in rates), *(f"{error:.0e}" for error in errors))
        print(f"| {tokens}, {inputs}, {outputs} | {' | '.join(cells)} |")


def _seconds(product: Callable[[], torch.Tensor]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        product()
        times.append(time.perf_counter() - started)
    return median(times)


if __name__ == "__main__":
    main()
