"""When to mask: the mask ratio p as a function of the optimizer step (paper section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from axolotl_cotmask.errors import CoTMaskError


@dataclass(frozen=True)
class MaskSchedule:
    """Linear warm-up from 0 to ``mask_ratio`` over the first ``warmup_ratio`` of the optimizer steps, then constant.

    ``p(step) = min(p_max, p_max * step / (warmup_ratio * max_steps + 1))``; ``warmup_ratio = 0`` is constant from the
    first step.
    """

    mask_ratio: float
    warmup_ratio: float

    def ratio(self, step: int, max_steps: int) -> float:
        """Return p for the update that follows ``step`` finished optimizer steps, of ``max_steps`` in all.

        Raises:
            CoTMaskError: there is a warm-up, and the number of steps is not known (``max_steps <= 0``).
        """
        if self.warmup_ratio == 0:
            return self.mask_ratio
        if max_steps <= 0:
            raise CoTMaskError(
                f"cotmask.warmup_ratio is {self.warmup_ratio:g}, a share of the run, and the run's number of steps is "
                f"not known (max_steps is {max_steps}): set max_steps, or cotmask.warmup_ratio: 0 for a constant ratio"
            )
        return self.mask_ratio * min(1.0, step / (self.warmup_ratio * max_steps + 1))
