"""Options of the experiments."""

from __future__ import annotations

from pydantic import Field, model_validator

from axolotl_cotmask.masking.options import Options


class AdaptiveConfig(Options):
    """Options of the adaptive ratio: ``adaptive:`` in the ``cotmask:`` block."""

    target_gap: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="How much greater the loss at noised positions shall be than at clean ones, in nats per token.",
    )
    rate: float = Field(
        default=0.02,
        gt=0,
        le=0.25,
        description="Greatest relative change of a ratio per optimizer step; losses are averaged over 1 / (4 * rate).",
    )
    min_ratio: float = Field(default=0.1, gt=0, lt=1, description="No data set's ratio falls below it.")
    max_ratio: float = Field(default=0.8, gt=0, lt=1, description="No data set's ratio rises above it.")

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> AdaptiveConfig:
        if self.min_ratio >= self.max_ratio:
            raise ValueError(f"min_ratio {self.min_ratio:g} is not below max_ratio {self.max_ratio:g}: make it smaller")
        return self
