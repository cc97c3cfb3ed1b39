"""The learning rate of the paper's MetaMath and MAmmoTH runs: warm-up, cosine, and a straight line to 0."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


def factor(step: int, *, warmup_steps: int, steps: int, min_ratio: float, cosine_share: float) -> float:
    """Return the factor of the peak learning rate after ``step`` finished optimizer steps, of ``steps`` in all.

    A line from 0 to 1 over the warm-up, a cosine from 1 to ``min_ratio`` that ends at ``cosine_share`` of the steps,
    a line from there to 0 at the last step.
    """
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    cosine_end = steps * cosine_share
    if step > cosine_end:
        return max(0.0, min_ratio * (steps - step) / max(1.0, steps * (1 - cosine_share)))
    progress = (step - warmup_steps) / max(1.0, cosine_end - warmup_steps)
    return min_ratio + (1 - min_ratio) * max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))


def scheduler(
    optimizer: Optimizer, *, warmup_steps: int, steps: int, min_ratio: float, cosine_share: float
) -> LambdaLR:
    """Return the scheduler of `factor`, for every parameter group on its own peak."""
    from torch.optim.lr_scheduler import LambdaLR

    curve = partial(factor, warmup_steps=warmup_steps, steps=steps, min_ratio=min_ratio, cosine_share=cosine_share)
    return LambdaLR(optimizer, curve)
