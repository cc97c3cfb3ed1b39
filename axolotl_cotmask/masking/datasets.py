"""What a config masks in each of its data sets: the `cotmask:` block, and what an entry of `datasets:` says instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from axolotl_cotmask.masking import selectors
from axolotl_cotmask.masking.config import TOKENS, CoTMaskConfig, NoiseSpec, parse_noise
from axolotl_cotmask.masking.mask_token import base_token_ids, mask_token_id
from axolotl_cotmask.masking.noise import Noise, NoiseContext, build
from axolotl_cotmask.masking.noise.tokens import TokenNoise
from axolotl_cotmask.masking.schedule import MaskSchedule

#: Key of a data set entry that holds what preparation needs and the cache hash has to cover.
PREPARED_AS = "cotmask"


def dataset_entries(cfg: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return (name in the config, entry) for every data set, such as ``("datasets[0]", {...})``."""
    return [
        (f"{key}[{index}]", entry)
        for key in ("datasets", "test_datasets")
        for index, entry in enumerate(cfg.get(key) or [])
        if isinstance(entry, Mapping)
    ]


@dataclass(frozen=True)
class Group:
    """The masking of one data set: its p_max, which of its tokens, and with what. ``name`` is unique in the run."""

    name: str
    ratio: float
    select: str
    noise: NoiseSpec


def groups(entries: list[Mapping[str, Any]], config: CoTMaskConfig) -> list[Group]:
    """Return the masking of each entry of ``datasets:``, in their order."""
    found: list[Group] = []
    for entry in entries:
        name = str(entry.get("path"))
        if any(group.name == name for group in found):
            name = f"{name}#{len(found)}"
        ratio, own_noise = entry.get("mask_ratio"), entry.get("noise")
        found.append(
            Group(
                name=name,
                ratio=config.mask_ratio if ratio is None or config.mask_ratio == 0 else float(ratio),
                select=entry.get("select") or config.select,
                noise=parse_noise(config.noise if own_noise is None else own_noise),
            )
        )
    return found


def uses_mask_token(entries: list[Mapping[str, Any]], config: CoTMaskConfig) -> bool:
    """Return whether any noise of the run masks with a token; not when ``mask_ratio`` is 0."""
    noises = [group.noise for group in groups(entries, config)] or [parse_noise(config.noise)]
    return config.mask_ratio > 0 and any(noise.mask_share > 0 for noise in noises)


def has_units(entries: list[Mapping[str, Any]], config: CoTMaskConfig) -> bool:
    """Return whether some tokens share their draw, so that the prepared data needs the column ``mask_unit``."""
    return any(group.select != selectors.TOKENS for group in groups(entries, config))


def tells_datasets_apart(entries: list[Mapping[str, Any]], config: CoTMaskConfig) -> bool:
    """Return whether the step has to know a token's data set, so that it needs the column ``mask_group``."""
    found = groups(entries, config)
    return config.adaptive is not None or any(group.noise != found[0].noise for group in found)


def noises(entries: list[Mapping[str, Any]], config: CoTMaskConfig, tokenizer: Any) -> list[Noise]:
    """Return the noise of each group, in the ids of ``tokenizer``; the same object for groups with the same noise.

    Raises:
        CoTMaskError: a noise is not known or has wrong options, or the tokenizer lacks the mask token.
    """
    has_token = uses_mask_token(entries, config) or config.mask_token is not None
    context = NoiseContext(
        mask_token_id=mask_token_id(tokenizer, config) if has_token else None,
        random_ids=base_token_ids(tokenizer),
    )
    built: list[tuple[NoiseSpec, Noise]] = []
    found: list[Noise] = []
    for group in groups(entries, config):
        if config.mask_ratio == 0:
            # Plain SFT: whatever the noise is, it has nothing to do, and maybe no token.
            found.append(TokenNoise(0.0, None, context.random_ids))
            continue
        noise = next((noise for spec, noise in built if spec == group.noise), None)
        if noise is None:
            noise = _built(group.noise, context)
            built.append((group.noise, noise))
        found.append(noise)
    return found


def _built(spec: NoiseSpec, context: NoiseContext) -> Noise:
    if spec.name == TOKENS:
        return TokenNoise(spec.mask_share, context.mask_token_id, context.random_ids)
    return build(spec.name, spec.options, context)


def schedule(config: CoTMaskConfig) -> MaskSchedule:
    """Return the schedule that the block describes."""
    return MaskSchedule(
        config.mask_ratio,
        config.warmup_ratio,
        kind=config.schedule,
        warmup_steps=config.warmup_steps,
        start_ratio=config.start_ratio,
        start_steps=config.start_steps,
    )
