"""Results that others published: entered by hand from a YAML file, shown as such, and judged by the same rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.stats.claims import verdict
from axolotl_cotmask.evaluation.stats.estimates import over_seeds
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.report.outcome import ExternalResult

_NUMBERS = ("difference", "sft", "mft")
_NEEDED = ("source", "base", "data", "benchmark", "setting")
_KEYS = {*_NEEDED, *_NUMBERS, "note"}


def read_external(path: Path) -> list[ExternalResult]:
    """Read a list of published results.

    Each has ``source``, ``base``, ``data`` and ``benchmark`` (which name the paper's claim), ``setting``, and either
    ``sft`` and ``mft``, lists of accuracies in percent by seed, or ``difference``, a list of MFT minus SFT in points by
    seed; and maybe a ``note``. A single seed has no interval, so its verdict is under-powered.

    Raises:
        CoTMaskError: the file cannot be read, or an entry lacks something, holds something of another kind, or names no
            claim of the paper.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Also a date or a number that is none.
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise CoTMaskError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise CoTMaskError(f"{path}: give a list of results, each with source, base, data, benchmark and setting")
    return [_external_result(f"{path}, result {number}", entry) for number, entry in enumerate(entries, start=1)]


def _external_result(place: str, entry: Any) -> ExternalResult:
    texts = _texts(place, entry)
    sft, mft, differences = _shares(place, entry)
    try:
        claim = paper.find_claim(texts["base"], texts["data"], texts["benchmark"])
    except KeyError as error:
        raise CoTMaskError(
            f"{place}: the paper has no claim on {error}: name a base, data and benchmark of it"
        ) from error
    estimate, claimed = over_seeds(differences), paper.as_share(claim.difference)
    return ExternalResult(
        texts["source"],
        texts["setting"],
        paper.BENCHMARKS[texts["benchmark"]],
        sft,
        mft,
        estimate,
        texts["note"],
        claimed,
        claim.source,
        verdict(claimed, estimate),
    )


def _texts(place: str, entry: Any) -> dict[str, str]:
    """Return what an entry says in words; only its numbers are left to be looked at."""
    if not isinstance(entry, dict):
        raise CoTMaskError(f"{place}: holds {entry!r}, not keys with values: give {', '.join(sorted(_KEYS))}")
    unknown = {str(key) for key in entry} - _KEYS
    if unknown:
        raise CoTMaskError(f"{place}: unknown keys {', '.join(sorted(unknown))}: give {', '.join(sorted(_KEYS))}")
    missing = sorted(set(_NEEDED) - set(entry))
    if missing:
        raise CoTMaskError(f"{place}: {', '.join(missing)} is missing")
    texts = {"note": "", **{key: value for key, value in entry.items() if key not in _NUMBERS}}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise CoTMaskError(f"{place}: {key} is {value!r}: give a text")
    return texts


def _shares(place: str, entry: Mapping[str, Any]) -> tuple[list[float], list[float], list[float]]:
    """Return the accuracies of SFT and of MFT, if they are given, and the differences, as shares."""
    for key in _NUMBERS:
        if key in entry and not _are_numbers(entry[key]):
            raise CoTMaskError(
                f"{place}: {key} is {entry[key]!r}: give a list of numbers, one per seed, such as [41.6]"
            )
    sft, mft, differences = (
        [paper.as_share(percent) for percent in entry.get(key, ())] for key in ("sft", "mft", "difference")
    )
    if not differences and (not sft or len(sft) != len(mft)):
        raise CoTMaskError(f"{place}: difference, or sft and mft with a number per seed each is missing")
    return sft, mft, differences or [treated - plain for plain, treated in zip(sft, mft, strict=True)]


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )
