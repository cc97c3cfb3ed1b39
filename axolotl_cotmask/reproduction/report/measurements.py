"""The measurements: a table per group, and the values behind the curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from axolotl_cotmask.evaluation.stats.estimates import over_seeds
from axolotl_cotmask.reproduction.report.cells import NONE, estimate_cell, row_labels, rows_by_group, share_cell
from axolotl_cotmask.reproduction.report.content import Block, Column, Details, Paragraph, Section, Table, TableCell
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
            "All in percent: the mean over seeds, its 95 % interval (Student's t; a single seed has none) and the "
            "standard deviation over seeds (sd)."
        )
        rows = [[TableCell(measure), TableCell(meaning)] for measure, meaning in outcome.measures.items()]
        yield Section("Measures", [Paragraph(text), Table([Column("measure"), Column("what it is")], rows)])
    for group, rows_of_group in rows_by_group(outcome).items():
        yield Section(group or "Results", list(_group_blocks(rows_of_group, tuple(outcome.measures))))


def _group_blocks(rows: Sequence[RowOutcome], measures: Sequence[str]) -> Iterator[Block]:
    columns = [Column("row"), Column("seeds", numeric=True)]
    fields: list[Callable[[RowOutcome], TableCell]] = [lambda row: TableCell(row.label), _seeds]
    for measure in measures:
        parts: tuple[tuple[str, bool, Callable[[RowOutcome], TableCell]], ...] = (
            ("paper", any(measure in row.published for row in rows), _published(measure)),
            ("here", any(measure in row.published or measure in row.estimates for row in rows), _estimate(measure)),
            ("sd", any(measure in row.deviations for row in rows), _deviation(measure)),
        )
        for title, known, field in parts:
            if known:
                columns.append(Column(title, numeric=True, above=measure))
                fields.append(field)
    yield Table(columns, [[field(row) for field in fields] for row in rows])
    yield Details("Each seed", [_each_seed(rows, measures)])
    rules = _rules(rows, measures)
    if rules is not None:
        yield Details("By the robust rule, and answers that could not be read", [rules])


def _seeds(row: RowOutcome) -> TableCell:
    done = sum(run.status is RunStatus.DONE for run in row.runs)
    return TableCell(str(done), "" if done == len(row.runs) else f"of {len(row.runs)}")


def _published(measure: str) -> Callable[[RowOutcome], TableCell]:
    return lambda row: share_cell(row.published.get(measure))


def _estimate(measure: str) -> Callable[[RowOutcome], TableCell]:
    return lambda row: estimate_cell(row.estimates.get(measure))


def _deviation(measure: str) -> Callable[[RowOutcome], TableCell]:
    return lambda row: share_cell(row.deviations.get(measure))


def _kinds(run: RunOutcome) -> Mapping[str, Mapping[str, float]]:
    return {"accuracy": run.values, "robust": run.robust, "unreadable": run.invalid}


def _each_seed(rows: Sequence[RowOutcome], measures: Sequence[str]) -> Table:
    runs = [(row, run) for row in rows for run in row.runs]
    parts = [
        (measure, kind)
        for measure in measures
        for kind in ("accuracy", "robust", "unreadable")
        if any(measure in _kinds(run)[kind] for _, run in runs)
    ]
    titles = {"accuracy": "here"}
    columns = [Column("row"), Column("seed", numeric=True), Column("status")]
    columns += [Column(titles.get(kind, kind), numeric=True, above=measure) for measure, kind in parts]
    cells = [
        [
            TableCell(row.label, below=run.name),
            TableCell(str(run.seed)),
            TableCell(run.status, chip=True),
            *(share_cell(_kinds(run)[kind].get(measure)) for measure, kind in parts),
        ]
        for row, run in runs
    ]
    return Table(columns, cells)


def _rules(rows: Sequence[RowOutcome], measures: Sequence[str]) -> Table | None:
    """Return the robust accuracy and the share of unreadable answers by row, over seeds."""
    shares = {
        (row.name, measure, kind): [_kinds(run)[kind][measure] for run in row.runs if measure in _kinds(run)[kind]]
        for row in rows
        for measure in measures
        for kind in ("robust", "unreadable")
    }
    parts = [
        (measure, kind)
        for measure in measures
        for kind in ("robust", "unreadable")
        if any(shares[row.name, measure, kind] for row in rows)
    ]
    if not parts:
        return None
    columns = [Column("row"), *(Column(kind, numeric=True, above=measure) for measure, kind in parts)]
    cells = [
        [TableCell(row.label), *(_mean(shares[row.name, measure, kind]) for measure, kind in parts)] for row in rows
    ]
    return Table(columns, cells)


def _mean(values: Sequence[float]) -> TableCell:
    return estimate_cell(over_seeds(values)) if values else NONE


def last_logged(outcome: PlanOutcome) -> Table:
    """Return what the trainer logged last, by run."""
    names = row_labels(outcome)
    last = {run.name: _last(run) for row in outcome.rows for run in row.runs if run.history}
    # The loss of all positions comes first.
    curves = sorted(LOGGED_CURVES, key=lambda curve: curve != LOSS)
    logged = [curve for curve in curves if any(curve.key in values for values in last.values())]
    titles = ("seed", "step", *(curve.title for curve in logged))
    columns = [Column("row"), *(Column(title, numeric=True) for title in titles)]
    cells = [
        [
            TableCell(names[row.name]),
            TableCell(str(run.seed)),
            TableCell(f"{last[run.name].get('step', 0):.0f}"),
            *(_logged_cell(last[run.name].get(curve.key)) for curve in logged),
        ]
        for row in outcome.rows
        for run in row.runs
        if run.history
    ]
    return Table(columns, cells)


def _last(run: RunOutcome) -> Mapping[str, float]:
    keys = ("step", *(curve.key for curve in LOGGED_CURVES))
    return {key: entry[key] for entry in run.history for key in keys if key in entry}


def _logged_cell(value: float | None) -> TableCell:
    return NONE if value is None else TableCell(f"{value:.3f}")


def curve_values(row: RowOutcome) -> Mapping[int, Sequence[float]]:
    """Return a row's accuracies by training samples seen, one per seed that has this checkpoint."""
    curve: dict[int, list[float]] = {}
    for run in row.runs:
        for samples, accuracy in run.curve:
            curve.setdefault(samples, []).append(accuracy)
    return dict(sorted(curve.items()))


def curve_table(rows: Sequence[RowOutcome]) -> Table:
    """Return the accuracy by row and samples seen."""
    curves = {row.label: curve_values(row) for row in rows}
    points = sorted({samples for curve in curves.values() for samples in curve})
    columns = [Column("row"), *(Column(f"{samples:,}", numeric=True, above="samples seen") for samples in points)]
    cells = [[TableCell(label), *(_mean(curve.get(point, ())) for point in points)] for label, curve in curves.items()]
    return Table(columns, cells)


def dependency_table(outcome: PlanOutcome, group: str) -> Table:
    """Return the share of predictions that change, by row, source and distance."""
    names, by_row = {row.name: row.label for row in outcome.rows}, outcome.dependency[group]
    sources = [(source, shares) for by_source in by_row.values() for source, shares in by_source.items()]
    parts = dict.fromkeys((source, bucket) for source, shares in sources for bucket in shares)
    columns = [Column("row"), *(Column(bucket, numeric=True, above=source) for source, bucket in parts)]
    cells = [
        [TableCell(names.get(row, row)), *(_mean(shares.get(source, {}).get(bucket, ())) for source, bucket in parts)]
        for row, shares in by_row.items()
    ]
    return Table(columns, cells)
