"""Results that others published: entered by hand from a YAML file, shown as such, and judged by the same rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.stats.claims import verdict
from axolotl_cotmask.evaluation.stats.estimates import over_seeds
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.report.outcome import External

_KEYS = {"source", "base", "data", "benchmark", "setting", "difference", "sft", "mft", "note"}


def read_external(path: Path) -> list[External]:
    """Read a list of published results.

    Each has ``source``, ``base``, ``data`` and ``benchmark`` (which name the paper's claim), ``setting``, and either
    ``sft`` and ``mft``, lists of accuracies in percent by seed, or ``difference``, a list of MFT minus SFT in points by
    seed; and maybe a ``note``. A single seed has no interval, so its verdict is under-powered.

    Raises:
        CoTMaskError: the file cannot be read, or an entry lacks something or names no claim of the paper.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CoTMaskError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(entries, list):
        raise CoTMaskError(f"{path}: give a list of results, each with source, base, data, benchmark and setting")
    return [_external(f"{path}, result {number}", entry) for number, entry in enumerate(entries, start=1)]


def _external(place: str, entry: Any) -> External:
    if not isinstance(entry, dict) or (unknown := set(entry) - _KEYS):
        raise CoTMaskError(f"{place}: unknown keys {', '.join(sorted(unknown))}: give {', '.join(sorted(_KEYS))}")
    missing = {"source", "base", "data", "benchmark", "setting"} - set(entry)
    sft, mft = entry.get("sft") or [], entry.get("mft") or []
    differences = entry.get("difference") or [b - a for a, b in zip(sft, mft, strict=False)]
    if missing or not differences or ("difference" not in entry and len(sft) != len(mft)):
        what = ", ".join(sorted(missing)) or "difference, or sft and mft with a number per seed each"
        raise CoTMaskError(f"{place}: {what} is missing")
    try:
        claim = paper.claim(entry["base"], entry["data"], entry["benchmark"])
    except KeyError as error:
        raise CoTMaskError(
            f"{place}: the paper has no claim on {error}: name a base, data and benchmark of it"
        ) from error
    estimate = over_seeds(differences)
    return External(
        entry["source"],
        entry["setting"],
        paper.BENCHMARKS[entry["benchmark"]],
        sft,
        mft,
        estimate,
        entry.get("note", ""),
        claim.difference,
        claim.source,
        verdict(claim.difference, estimate),
    )
