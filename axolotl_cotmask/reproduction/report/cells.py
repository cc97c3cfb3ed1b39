"""Numbers and names as the report writes them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds
from axolotl_cotmask.reproduction.report.content import TableCell
from axolotl_cotmask.reproduction.report.outcome import PlanOutcome, RowOutcome


def percent(share: float) -> float:
    """Return a share from 0 to 1, or a difference of shares, in percent: the report shows nothing else."""
    return 100 * share


def points(share: float, sign: str = "") -> str:
    """Return a share, or a difference (``sign="+"``), in percent to one decimal."""
    return f"{percent(share):{sign}.1f}"


def share_cell(share: float | None, sign: str = "") -> TableCell | None:
    """Return a share as `points`."""
    return None if share is None else TableCell(points(share, sign))


def estimate_cell(estimate: Estimate | None, sign: str = "") -> TableCell | None:
    """Return an estimate of a share, or of a difference (``sign="+"``), as ``51.0 [48.5, 53.5]``.

    An infinite interval is not shown, and no share below 0 or above 100.
    """
    if estimate is None:
        return None
    finite = math.isfinite(estimate.low) and math.isfinite(estimate.high)
    low, high = (estimate.low, estimate.high) if sign else (max(0.0, estimate.low), min(1.0, estimate.high))
    interval = f"[{points(low, sign)}, {points(high, sign)}]" if finite else ""
    return TableCell(points(estimate.value, sign), interval)


def mean_cell(shares: Sequence[float]) -> TableCell | None:
    """Return the mean of one share per seed as `estimate_cell`."""
    return estimate_cell(over_seeds(shares)) if shares else None


def row_labels(outcome: PlanOutcome) -> Mapping[str, str]:
    """Return the rows' labels by their names; with the group, where two rows have the same label."""
    same = Counter(row.label for row in outcome.rows)
    return {row.name: row.label if same[row.label] == 1 else f"{row.label} ({row.group})" for row in outcome.rows}


def rows_by_group(outcome: PlanOutcome) -> Mapping[str, list[RowOutcome]]:
    """Return the rows by group, both in the order of the plan."""
    groups: dict[str, list[RowOutcome]] = {}
    for row in outcome.rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def counted(count: int, noun: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed_seeds(seeds: Iterable[int]) -> str:
    """Return ``seed 1`` or ``seeds 1, 2, 3``."""
    names = [str(seed) for seed in seeds]
    return f"seed{'s' if len(names) > 1 else ''} {', '.join(names)}"
