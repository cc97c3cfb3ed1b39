"""The ``cotmask:`` block of an Axolotl config."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from axolotl_cotmask.errors import CoTMaskError

#: The token that ``noise: mask`` adds when ``mask_token`` names none (paper section 3.1).
DEFAULT_MASK_TOKEN = "<mask>"


class CoTMaskConfig(BaseModel):
    """Options of Masked Thought fine-tuning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mask_ratio: float = Field(
        ge=0,
        le=1,
        description="p_max: share of the target tokens whose input is noised once the warm-up is over. 0 is plain SFT.",
    )
    warmup_ratio: float = Field(
        default=2 / 3,
        ge=0,
        le=1,
        description="The ratio rises linearly from 0 over this share of the optimizer steps; 0 = constant.",
    )
    noise: Literal["mask", "random"] | dict[Literal["mask", "random"], float] = Field(
        default="mask",
        description="What a noised token becomes: mask, random, or a mixture such as {mask: 0.8, random: 0.2}.",
    )
    mask_token: str | None = Field(
        default=None,
        description="An existing or reserved token to mask with; without it a new <mask> token is added.",
    )
    strip_mask_token: bool = Field(
        default=False,
        description="Save the trained model with the base model's exact vocabulary, without the new <mask> token.",
    )
    seed: int | None = Field(default=None, description="Seed of the masks; without it the config's `seed`.")
    lr_tail: Literal["linear"] | None = Field(
        default=None,
        description="linear: the constant tail of cosine_constant_lr_ratio becomes a straight line to 0.",
    )

    @field_validator("noise")
    @classmethod
    def _shares_sum_to_one(cls, noise: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(noise, dict) and (
            any(not 0 <= share <= 1 for share in noise.values()) or abs(sum(noise.values()) - 1) > 1e-6
        ):
            raise ValueError("the shares of mask and random are probabilities, and have to add up to 1")
        return noise

    @model_validator(mode="after")
    def _strips_only_what_it_adds(self) -> CoTMaskConfig:
        if self.strip_mask_token and (self._noise_share == 0 or self.mask_token is not None):
            raise ValueError("only noise with a new <mask> token leaves something to strip: take strip_mask_token out")
        return self

    @property
    def _noise_share(self) -> float:
        return float(self.noise == "mask") if isinstance(self.noise, str) else self.noise.get("mask", 0.0)

    @property
    def mask_share(self) -> float:
        """The paper's m: the probability that a noised token becomes the mask token; 0 when nothing is masked."""
        return self._noise_share if self.mask_ratio > 0 else 0.0

    def mask_seed(self, run_seed: int | None) -> int:
        """Return the seed of the masks, given the config's own ``seed``."""
        if self.seed is not None:
            return self.seed
        # What transformers trains with when the config gives no seed.
        return 42 if run_seed is None else run_seed

    @property
    def token(self) -> str:
        """The mask token."""
        return self.mask_token or DEFAULT_MASK_TOKEN

    @property
    def adds_mask_token(self) -> bool:
        """Whether masking needs a token of our own."""
        return self.mask_share > 0 and self.mask_token is None


class CoTMaskArgs(BaseModel):
    """What the plugin adds to Axolotl's config schema."""

    cotmask: CoTMaskConfig | None = Field(default=None, description="Masked Thought fine-tuning.")


def parse_config(block: Any) -> CoTMaskConfig:
    """Return the validated ``cotmask:`` block.

    Raises:
        CoTMaskError: one sentence that names the first wrong key, its value and the mend.
    """
    if not isinstance(block, Mapping):
        raise CoTMaskError(
            "the config names the plugin axolotl_cotmask.CoTMaskPlugin and has no `cotmask:` block: add "
            "`cotmask: {mask_ratio: 0.4}`, or mask_ratio: 0 for plain SFT"
        )
    try:
        return CoTMaskConfig.model_validate(dict(block))
    except ValidationError as error:
        raise CoTMaskError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    detail = error.errors()[0]
    if not detail["loc"]:
        return f"cotmask: {detail['ctx']['error']}"
    name = str(detail["loc"][0])
    key = f"cotmask.{name}"
    value = detail["input"]
    match detail["type"]:
        case "missing":
            return f"{key} is missing: give the share of target tokens to mask, a number from 0 to 1 (0 is plain SFT)"
        case "extra_forbidden":
            return f"{key} is not an option{closest(name, CoTMaskConfig.model_fields)}"
        case "greater_than_equal" | "less_than_equal" | "float_parsing" | "float_type" if name.endswith("_ratio"):
            return f"{key} is {value}: it is a ratio, give a number from 0 to 1"
        case "value_error":
            return f"{key} is {value}: {detail['ctx']['error']}"
    if name == "noise":
        return f"{key} is {value}: give mask, random, or a mixture such as {{mask: 0.8, random: 0.2}}"
    return f"{key} is {value}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def closest(name: str, known: Any) -> str:
    """Return the end of a sentence about ``name``: the nearest of the ``known`` names, or all of them."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {near[0]}?" if near else f": the options are {', '.join(known)}"
