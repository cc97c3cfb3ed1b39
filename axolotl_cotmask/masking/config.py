"""The ``cotmask:`` block of an Axolotl config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from axolotl_cotmask.common.errors import CoTMaskError, Fault, closest, key_name, reason, shown

#: The token that ``noise: mask`` adds when ``mask_token`` names none (paper section 3.1).
DEFAULT_MASK_TOKEN = "<mask>"


_NOISE_FORMS = (
    "give a name such as mask or random, a mixture {mask: 0.8, random: 0.2}, or a name with options {dropout: {q: 0.9}}"
)


#: p rises from 0 over this share of the steps (paper section 3.2).
MASK_WARMUP = 2 / 3
#: The paper's learning rate with ``lr_tail: linear``: from this share of the peak, at this share of the steps, to 0.
TAIL_START_LR, TAIL_START_STEP = 0.05, 0.6

#: What a data set's ``protect:`` may name.
PROTECTABLE = ("final_answer", "eos")

#: Keys that this package adds to an entry of ``datasets:``, with what they mean.
DATASET_KEYS = {
    "mask_ratio": "This data set's own, instead of that of `cotmask:`.",
    "noise": "This data set's own.",
    "select": "This data set's own.",
    "protect": "Our own types: never mask `[final_answer, eos]`, or one of them. The paper masks all target tokens.",
}


@dataclass(frozen=True)
class NoiseSpec:
    """What ``noise:`` says: a noise by name with its options, or a mixture of mask and random, which has no name.

    ``mask_share`` is the paper's m, the probability that a noised token becomes the mask token; 0 for other noises.
    """

    name: str | None
    options: Mapping[str, Any]
    mask_share: float


def parse_noise(value: Any) -> NoiseSpec:
    """Return what the value of a ``noise:`` key means.

    Raises:
        ValueError: it has none of the three forms; the text says which they are.
    """
    if isinstance(value, str):
        return NoiseSpec(value, {}, float(value == "mask"))
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, options),) = value.items()
        if isinstance(name, str) and isinstance(options, Mapping):
            return NoiseSpec(name, dict(options), float(name == "mask"))
    if not isinstance(value, Mapping) or not value or not set(value) <= {"mask", "random"}:
        raise ValueError(_NOISE_FORMS)
    shares = list(value.values())
    if any(isinstance(share, bool) or not isinstance(share, int | float) for share in shares):
        raise ValueError(_NOISE_FORMS)
    if any(not 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError("the shares of mask and random are probabilities, and have to add up to 1")
    return NoiseSpec(None, {}, float(value.get("mask", 0)))


#: Type of the error of pydantic about a boolean where something else belongs, which it would take for 1 or 0.
_BOOLEAN = "no_boolean"


class CoTMaskConfig(BaseModel):
    """Options of Masked Thought fine-tuning: no key is dropped, and yes is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mask_ratio: float = Field(
        ge=0,
        le=1,
        description="p_max: share of the target tokens whose input is masked, after the warm-up. 0 is plain SFT, bit "
        "for bit (packed: with whole epochs).",
    )
    schedule: Literal["linear", "cosine", "constant", "random"] = Field(
        default="linear",
        description="How p rises in the warm-up: `linear`, `cosine`; `constant`: not at all; `random`: a draw from "
        "U(0, p_max) for each micro-batch.",
    )
    warmup_ratio: float = Field(
        default=MASK_WARMUP,
        ge=0,
        le=1,
        description="p rises from 0 over this share of the optimizer steps; 0: it is constant.",
    )
    warmup_steps: int | None = Field(
        default=None, ge=0, description="The warm-up as a number of optimizer steps, instead of `warmup_ratio`."
    )
    start_ratio: float = Field(
        default=0, ge=0, le=1, description="Nothing is masked in this first share of the optimizer steps."
    )
    start_steps: int | None = Field(
        default=None, ge=0, description="The same as a number of optimizer steps, instead of `start_ratio`."
    )
    noise: str | dict[str, Any] = Field(
        default="mask",
        description="What a masked token becomes: `mask`, `random` (base vocabulary without special tokens), a mixture "
        "`{mask: 0.8, random: 0.2}`, `{dropout: {q: 0.9}}`, `{uniform: {alpha: 5}}`, `{scheduled_sampling: {tau: 5}}`, "
        "or one of your own.",
    )
    scope: Literal["target", "source", "all", "thinking", "answer", "message"] = Field(
        default="target",
        description="Where: `target`, the tokens with a label (the paper); `source`, the prompt; `all`, both. In "
        "chats, an experiment: the assistant's `thinking`, its `answer`, or `message`, both, without tags, tool calls "
        "and special tokens.",
    )
    select: str = Field(
        default="tokens",
        description="Which tokens there: all `tokens`; an experiment: `numbers`, `operators`, `equations`, `words`, "
        "whole `steps`, or a selector of your own.",
    )
    hide_from_attention: bool = Field(
        default=False, description="Masked positions are hidden from attention in every layer, too."
    )
    loss_on: Literal["all", "clean", "noised"] = Field(
        default="all",
        description="Which predictions the loss counts: `all` (the paper), or those made at `clean` or at `noised` "
        "positions.",
    )
    mask_token: str | None = Field(
        default=None,
        description="An existing or reserved token to mask with. Without it a new `<mask>` is added, which starts at "
        "the mean of the embeddings.",
    )
    strip_mask_token: bool = Field(
        default=False,
        description="Save the trained model without the new `<mask>`: the base model's exact vocabulary.",
    )
    seed: int | None = Field(default=None, description="Seed of the masks. Without it the config's `seed`.")
    parts_by_length: int = Field(
        default=1,
        ge=1,
        description="A micro-batch is computed in so many parts of rows of like length, without the padding of longer "
        "ones: the same rows and masks and, up to rounding, the same loss; faster on a CPU, for one process.",
    )
    lr_tail: Literal["linear"] | None = Field(
        default=None,
        description="The paper's learning rate for MetaMath and MAmmoTH: "
        f"after {TAIL_START_STEP:.0%} of the steps the cosine stands at {TAIL_START_LR:g} of the learning rate, and "
        "from there a straight line goes to 0.",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise PydanticCustomError(_BOOLEAN, "it is neither true nor false")
        return value

    @field_validator("noise")
    @classmethod
    def _has_a_known_form(cls, noise: Any) -> Any:
        parse_noise(noise)
        return noise

    @model_validator(mode="after")
    def _one_length_of_each(self) -> CoTMaskConfig:
        # Axolotl hands the block on with all its defaults: a default is none that somebody chose.
        fields = type(self).model_fields
        chosen = {name for name in fields if getattr(self, name) != fields[name].default}
        for steps, ratio in (("warmup_steps", "warmup_ratio"), ("start_steps", "start_ratio")):
            if {steps, ratio} <= chosen:
                raise ValueError(f"{steps} and {ratio} say the same in two ways: take out one of them")
        if self.schedule in ("constant", "random") and {"warmup_steps", "warmup_ratio"} & chosen:
            raise ValueError(f"schedule: {self.schedule} has no warm-up: take out warmup_ratio and warmup_steps")
        return self

    @model_validator(mode="after")
    def _strips_only_what_it_adds(self) -> CoTMaskConfig:
        if self.strip_mask_token and self.mask_token is not None:
            raise ValueError("only noise with a new <mask> token leaves something to strip: take strip_mask_token out")
        return self

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


class CoTMaskArgs(BaseModel):
    """What the plugin adds to Axolotl's config schema."""

    cotmask: CoTMaskConfig | None = Field(default=None, description="Masked Thought fine-tuning.")


def parse_config(block: Any) -> CoTMaskConfig:
    """Return the validated ``cotmask:`` block.

    Raises:
        CoTMaskError: one sentence that names the first wrong key, its value and the mend.
    """
    for fault in config_faults(block):
        raise CoTMaskError(fault.sentence)
    return CoTMaskConfig.model_validate(dict(block))


def config_faults(block: Any) -> list[Fault]:
    """Return what is wrong in the ``cotmask:`` block, each key once."""
    if block is None:
        return [
            Fault(
                (),
                "the config names the plugin axolotl_cotmask.CoTMaskPlugin and has no `cotmask:` block: add "
                "`cotmask: {mask_ratio: 0.4}`, or mask_ratio: 0 for plain SFT",
            )
        ]
    if not isinstance(block, Mapping):
        return [Fault(("cotmask",), f"cotmask is {shown(block)}: give a block of options, such as {{mask_ratio: 0.4}}")]
    try:
        CoTMaskConfig.model_validate(dict(block))
    except ValidationError as error:
        faults = [_fault(detail) for detail in error.errors()]
        return list({fault.key: fault for fault in reversed(faults)}.values())[::-1]
    return []


def _fault(detail: Any) -> Fault:
    # Of the alternatives of a key pydantic tells each.
    key = ("cotmask", *detail["loc"][:1])
    if detail["type"] == "invalid_key":
        name = shown(detail["input"])
        return Fault(("cotmask", name), f"cotmask has the key {name}, and keys are texts: mend or remove it")
    return Fault(key, _sentence(key_name(key), key, detail))


def _sentence(name: str, key: tuple[str | int, ...], detail: Any) -> str:
    value, last = shown(detail["input"]), str(key[-1])
    match detail["type"]:
        case "value_error" if len(key) == 1:
            return f"cotmask: {detail['ctx']['error']}"
        case "missing":
            return f"{name} is missing: give the share of target tokens to mask, a number from 0 to 1 (0 is plain SFT)"
        case "extra_forbidden" if last in DATASET_KEYS:
            return f"{name} is a key of a data set: move {last} into an entry of `datasets:`"
        case "extra_forbidden":
            return f"{name} is not an option{closest(last, CoTMaskConfig.model_fields)}"
        case _ if last.endswith("_ratio"):
            return f"{name} is {value}: it is a ratio, give a number from 0 to 1"
        case "value_error":
            return f"{name} is {value}: {detail['ctx']['error']}"
        case _ if last == "noise":
            return f"{name} is {value}: {_NOISE_FORMS}"
        case str(kind) if kind == _BOOLEAN and last in _NUMBERS:
            return f"{name} is {value}: give a number"
    return f"{name} is {value}: {reason(detail)}"


#: Options that are numbers, and no ratios.
_NUMBERS = ("warmup_steps", "start_steps", "seed", "parts_by_length")
