"""The measurements: a table per group, and the values behind the curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from axolotl_cotmask.reproduction.report.cells import estimate_cell, row_labels, rows_by_group, share_cell
from axolotl_cotmask.reproduction.report.content import (
    NONE,
    Block,
    Column,
    Details,
    Paragraph,
    Row,
    Section,
    Table,
    TableCell,
    number,
    table,
)
from axolotl_cotmask.reproduction.report.outcome import PlanOutcome, RowOutcome, RunOutcome, RunStatus


@dataclass(frozen=True)
class LoggedCurve:
    """What the trainer logs under ``key``: its title in a table, and how it is drawn.

    ``panel`` is the plot that it stands in, ``series`` the colour there (0: that of text); ``legend`` is its title
    beside the plot.
    """

    key: str
    title: str
    panel: str
    series: int
    legend: str
    dashed: bool = False


#: The curves that are drawn and listed.
LOSS_CLEAN = LoggedCurve("cotmask/loss_clean", "loss on clean", "loss", 3, "loss on clean positions")
LOSS = LoggedCurve("loss", "loss", "loss", 4, "loss")
LOGGED_CURVES = (
    LoggedCurve("cotmask/scheduled_ratio", "scheduled ratio", "ratio", 0, "scheduled ratio", dashed=True),
    LoggedCurve("cotmask/realised_ratio", "realised ratio", "ratio", 1, "realised ratio"),
    LoggedCurve("cotmask/loss_noised", "loss on noised", "loss", 2, "loss on noised positions"),
    LOSS_CLEAN,
    LOSS,
)


def measurement_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield what the measures are, and a table per group."""
    if outcome.measures and outcome.rows:
        text = (
            "All in percent: the mean over seeds, its 95 % interval (over base models and sets of problems "
            "where a seed stands for those; a single seed has none) and the standard deviation over seeds (sd)."
        )
        measures = table({"measure": measure, "what it is": meaning} for measure, meaning in outcome.measures.items())
        yield Section("Measures", [Paragraph(text), measures])
    for group, rows_of_group in rows_by_group(outcome).items():
        yield Section(group or "Results", list(_group_blocks(rows_of_group, tuple(outcome.measures))))


def _group_blocks(rows: Sequence[RowOutcome], measures: Sequence[str]) -> Iterator[Block]:
    yield table(
        {
            "row": row.label,
            number("seeds"): _seeds(row),
            **{column: cell for measure in measures for column, cell in _over_seeds(row, measure).items()},
        }
        for row in rows
    )
    each_seed = table(
        {
            "row": TableCell(row.label, below=run.name),
            number("seed"): str(run.seed),
            "made of": run.made_of or None,
            "status": TableCell(run.status, chip=True),
            **{
                number(kind, measure): share_cell(shares.get(measure))
                for measure in measures
                for kind, shares in {"here": run.values, **_by_other_rules(run)}.items()
            },
        }
        for row in rows
        for run in row.runs
    )
    yield Details("Each seed", [each_seed])
    rules = table({"row": row.label, **_rules(row, measures)} for row in rows)
    if len(rules.columns) > 1:
        yield Details("By the robust rule, and answers that could not be read", [rules])


def _seeds(row: RowOutcome) -> TableCell:
    done = sum(run.status is RunStatus.DONE for run in row.runs)
    return TableCell(str(done), "" if done == len(row.runs) else f"of {len(row.runs)}")


def _over_seeds(row: RowOutcome, measure: str) -> Row:
    here = estimate_cell(row.estimates.get(measure))
    return {
        number("paper", measure): share_cell(row.published.get(measure)),
        # What the paper has a number for is expected here, too.
        number("here", measure): here or (NONE if measure in row.published else None),
        number("sd", measure): share_cell(row.deviations.get(measure)),
    }


def _by_other_rules(run: RunOutcome) -> Mapping[str, Mapping[str, float]]:
    return {"robust": run.robust, "unreadable": run.invalid}


def _rules(row: RowOutcome, measures: Sequence[str]) -> Row:
    """Return the robust accuracy and the share of unreadable answers, in the mean over seeds."""
    shares: dict[Column, list[float]] = {}
    for measure in measures:
        for run in row.runs:
            for kind, by_measure in _by_other_rules(run).items():
                of_kind = shares.setdefault(number(kind, measure), [])
                of_kind += [by_measure[measure]] if measure in by_measure else []
    return {column: share_cell(fmean(values)) if values else None for column, values in shares.items()}


def last_logged(outcome: PlanOutcome) -> Table:
    """Return what the trainer logged last, by run."""
    names = row_labels(outcome)
    # The loss of all positions comes first.
    curves = sorted(LOGGED_CURVES, key=lambda curve: curve != LOSS)
    return table(
        {
            "row": names[row.name],
            number("seed"): str(run.seed),
            number("step"): f"{last.get('step', 0):.0f}",
            **{number(curve.title): f"{last[curve.key]:.3f}" if curve.key in last else None for curve in curves},
        }
        for row in outcome.rows
        for run in row.runs
        if (last := {key: value for entry in run.history for key, value in entry.items()})
    )
