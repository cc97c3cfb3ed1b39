"""Noises by name: the built-in ones, and those that other packages bring."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from axolotl_cotmask.common.entry_points import Registry
from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.noise.protocol import Noise, NoiseContext
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.noise.tokens import TokenNoise

Factory = Callable[[Mapping[str, Any], NoiseContext], Noise]


def build(name: str, options: Mapping[str, Any], context: NoiseContext) -> Noise:
    """Return the noise that ``cotmask.noise`` names.

    Args:
        name: mask, random, dropout (option q), uniform (option alpha), scheduled_sampling (option tau), or the name of
            an entry point of the group ``axolotl_cotmask.noises``.
        options: of the noise, by name.
        context: of the run.

    Raises:
        CoTMaskError: the noise cannot be had, or an option is missing, unknown or out of range.
    """
    return _NOISES.get(name)(options, context)


def check(name: str, options: Mapping[str, Any]) -> None:
    """Check what can be checked before there is a run: of another package's noise that it is there.

    Raises:
        CoTMaskError: as `build`.
    """
    _NOISES.get(name)
    if name in _NUMBERS:
        _number(name, options)
    elif name in BUILT_IN:
        _check_none(name, options)


def _mask(options: Mapping[str, Any], context: NoiseContext) -> Noise:
    _check_none("mask", options)
    return TokenNoise(1.0, context.mask_token_id, context.random_ids)


def _random(options: Mapping[str, Any], context: NoiseContext) -> Noise:
    _check_none("random", options)
    return TokenNoise(0.0, None, context.random_ids)


def _dropout(options: Mapping[str, Any], context: NoiseContext) -> Noise:
    return EmbeddingDropout(_number("dropout", options))


def _uniform(options: Mapping[str, Any], context: NoiseContext) -> Noise:
    return UniformNoise(_number("uniform", options))


def _scheduled_sampling(options: Mapping[str, Any], context: NoiseContext) -> Noise:
    return ScheduledSampling(_number("scheduled_sampling", options))


BUILT_IN: dict[str, Factory] = {
    "mask": _mask,
    "random": _random,
    "dropout": _dropout,
    "uniform": _uniform,
    "scheduled_sampling": _scheduled_sampling,
}
_NOISES = Registry("noise", "cotmask.noise is {}", "axolotl_cotmask.noises", BUILT_IN, lambda _, factory: factory)


#: The number that a noise takes: its name, what it means, and the largest.
_NUMBERS = {
    "dropout": ("q", "the probability that a component is dropped", 1.0),
    "uniform": ("alpha", "the magnitude of the noise", math.inf),
    "scheduled_sampling": ("tau", "the temperature of the sampling", math.inf),
}


def _check_none(noise: str, options: Mapping[str, Any]) -> None:
    for option in options:
        raise CoTMaskError(f"cotmask.noise.{noise}.{option} is not an option: {noise} takes none, leave it out")


def _number(noise: str, options: Mapping[str, Any]) -> float:
    name, meaning, most = _NUMBERS[noise]
    # 0 is refused everywhere: no noise would be plain SFT, and no temperature divides by 0.
    wanted = "a number above 0" if most == math.inf else f"a number above 0 and up to {most:g}"
    if not options:
        raise CoTMaskError(f"cotmask.noise.{noise}.{name} is missing: it is {meaning}, give {wanted}")
    for option in options:
        if option != name:
            raise CoTMaskError(f"cotmask.noise.{noise}.{option} is not an option{closest(option, [name])}")
    value = options[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not (number and 0 < value <= most):
        raise CoTMaskError(f"cotmask.noise.{noise}.{name} is {value}: it is {meaning}, give {wanted}")
    return float(value)
