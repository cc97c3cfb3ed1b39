"""When to mask: the mask ratio p as a function of the optimizer step (paper section 3.2)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

from axolotl_cotmask.common.errors import CoTMaskError

ScheduleKind = Literal["linear", "constant", "cosine", "random"]


@dataclass(frozen=True)
class MaskSchedule:
    """The ratio of every update: 0 before the start, then up to ``max_ratio`` (the paper's p_max) in one of four ways.

    With x the share of the warm-up that is done, ``(step - start) / (warmup + 1)`` and at most 1, the ratio is

    - ``linear``: ``max_ratio * x``, the paper's,
    - ``cosine``: ``max_ratio * (1 - cos(pi * x)) / 2``,
    - ``constant``: ``max_ratio``, without a warm-up,
    - ``random``: a draw from U(0, max_ratio) for every micro-batch, without a warm-up.

    Args:
        max_ratio: probability, from 0 to 1.
        warmup_ratio: length of the warm-up as a share of all optimizer steps, from 0 to 1; 0 is constant.
        kind: one of the four ways.
        warmup_steps: length of the warm-up as a number of optimizer steps, instead of ``warmup_ratio``.
        start_ratio: steps before the start as a share of all optimizer steps, to the nearest whole step.
        start_steps: steps before the start as a number, instead of ``start_ratio``.
    """

    max_ratio: float
    warmup_ratio: float
    kind: ScheduleKind = "linear"
    warmup_steps: int | None = None
    start_ratio: float = 0.0
    start_steps: int | None = None

    def ratio(self, step: int, max_steps: int, *, seed: int = 0, micro_batch: int = 0) -> float:
        """Return p for a micro-batch of the update that follows ``step`` finished updates, of ``max_steps`` in all.

        Seed and micro-batch count only for ``random``.

        Args:
            step: optimizer steps done.
            max_steps: optimizer steps of the whole run.
            seed: seed of the masks.
            micro_batch: its number within the update over all processes: ``accumulated * processes + process``. So the
                draws do not depend on how an update is divided into processes and accumulation; processes that get the
                same batch (sequence parallelism) count as one.

        Raises:
            CoTMaskError: start or warm-up is a share of the run, and its length is not known (``max_steps <= 0``).
        """
        ratio = self.max_ratio * self.share(step, max_steps)
        return ratio * _uniform(seed, step, micro_batch) if self.kind == "random" else ratio

    def share(self, step: int, max_steps: int) -> float:
        """Return the greatest p that the update can have as a share of ``max_ratio``, from 0 to 1; else as `ratio`."""
        after_start = step - self._start(max_steps)
        if after_start < 0:
            return 0.0
        if self.kind in ("constant", "random"):
            return 1.0
        warmup = self._warmup(max_steps)
        if warmup == 0:
            return 1.0
        done = min(1.0, after_start / (warmup + 1))
        return done if self.kind == "linear" else (1 - math.cos(math.pi * done)) / 2

    def starts_too_late(self, max_steps: int) -> bool:
        """Return whether a run of ``max_steps`` updates ends before the start; False when their number is unknown."""
        return max_steps > 0 and self._start(max_steps) >= max_steps

    def _start(self, max_steps: int) -> int:
        if self.start_steps is not None:
            return self.start_steps
        # The nearest step: 0.1 * 30 is a little more than 3.
        return round(_of_run("start", self.start_ratio, max_steps))

    def _warmup(self, max_steps: int) -> float:
        if self.warmup_steps is not None:
            return self.warmup_steps
        return _of_run("warmup", self.warmup_ratio, max_steps)


def _of_run(name: str, share: float, max_steps: int) -> float:
    if share > 0 and max_steps <= 0:
        raise CoTMaskError(
            f"cotmask.{name}_ratio is {share:g}, a share of the run, and the run's number of steps is not known "
            f"(max_steps is {max_steps}): set max_steps, or give cotmask.{name}_steps instead"
        )
    return share * max_steps


def _uniform(*key: int) -> float:
    """Return a draw from [0, 1) that depends on ``key`` alone, a multiple of 2**-53."""
    word = hashlib.blake2b(",".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(word) >> 11) * 2.0**-53
