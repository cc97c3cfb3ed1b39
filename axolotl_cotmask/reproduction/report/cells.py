"""Numbers and names as the report writes them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from axolotl_cotmask.evaluation.stats.estimates import Estimate
from axolotl_cotmask.reproduction.report.content import Cell
from axolotl_cotmask.reproduction.report.outcome import Outcome, Row

NONE = Cell("–")


def number(value: float | None, sign: str = "") -> Cell:
    """Return a percentage or a difference (``sign="+"``) to one decimal."""
    return NONE if value is None else Cell(f"{value:{sign}.1f}")


def estimate(found: Estimate | None, sign: str = "") -> Cell:
    """Return an estimate as ``51.0 [48.5, 53.5]``; an infinite interval is not shown."""
    if found is None:
        return NONE
    return Cell(f"{found.value:{sign}.1f}", interval(found, sign))


def interval(found: Estimate, sign: str = "") -> str:
    """Return ``[48.5, 53.5]``, or nothing where the interval is infinite."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return ""
    return f"[{found.low:{sign}.1f}, {found.high:{sign}.1f}]"


def percent(found: Estimate) -> Estimate:
    """Return an estimate of a share, from 0 to 1, in percent."""
    return Estimate(100 * found.value, 100 * found.low, 100 * found.high, found.n)


def labels(outcome: Outcome) -> Mapping[str, str]:
    """Return the rows' labels by their names; with the group, where two rows have the same label."""
    same = Counter(row.label for row in outcome.rows)
    return {row.name: row.label if same[row.label] == 1 else f"{row.label} ({row.group})" for row in outcome.rows}


def groups(outcome: Outcome) -> Mapping[str, list[Row]]:
    """Return the rows by group, both in the order of the plan."""
    found: dict[str, list[Row]] = {}
    for row in outcome.rows:
        found.setdefault(row.group, []).append(row)
    return found


def counted(count: int, noun: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def seeds(numbers: Iterable[int]) -> str:
    """Return ``seed 1`` or ``seeds 1, 2, 3``."""
    found = [str(seed) for seed in numbers]
    return f"seed{'s' if len(found) > 1 else ''} {', '.join(found)}"
