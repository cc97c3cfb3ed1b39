"""The measurements: a table per group, and the values behind the curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from axolotl_cotmask.evaluation.stats.estimates import over_seeds
from axolotl_cotmask.reproduction.report.cells import NONE, estimate, groups, labels, number
from axolotl_cotmask.reproduction.report.content import Block, Cell, Column, Details, Paragraph, Section, Table
from axolotl_cotmask.reproduction.report.outcome import Outcome, Row, Run, Status

#: The keys of the trainer's log that are drawn and listed, and their names.
HISTORY = {
    "loss": "loss",
    "cotmask/scheduled_ratio": "scheduled ratio",
    "cotmask/realised_ratio": "realised ratio",
    "cotmask/loss_noised": "loss on noised",
    "cotmask/loss_clean": "loss on clean",
}


def results(outcome: Outcome) -> Iterator[Section]:
    """Yield what the measures are, and a table per group."""
    if outcome.measures and outcome.rows:
        text = (
            "All in percent: the mean over seeds, its 95 % interval (Student's t; a single seed has none) and the "
            "standard deviation over seeds (sd)."
        )
        rows = [[Cell(measure), Cell(meaning)] for measure, meaning in outcome.measures.items()]
        yield Section("Measures", [Paragraph(text), Table([Column("measure"), Column("what it is")], rows)])
    for group, rows_of_group in groups(outcome).items():
        yield Section(group or "Results", list(_group(rows_of_group, tuple(outcome.measures))))


def _group(rows: Sequence[Row], measures: Sequence[str]) -> Iterator[Block]:
    columns = [Column("row"), Column("seeds", numeric=True)]
    fields: list[Callable[[Row], Cell]] = [lambda row: Cell(row.label), _seeds]
    for measure in measures:
        parts: tuple[tuple[str, bool, Callable[[Row], Cell]], ...] = (
            ("paper", any(measure in row.published for row in rows), _published(measure)),
            ("here", any(measure in row.published or measure in row.estimates for row in rows), _estimate(measure)),
            ("sd", any(measure in row.deviations for row in rows), _deviation(measure)),
        )
        for title, there, field in parts:
            if there:
                columns.append(Column(title, numeric=True, above=measure))
                fields.append(field)
    yield Table(columns, [[field(row) for field in fields] for row in rows])
    yield Details("Each seed", [_each_seed(rows, measures)])
    rules = _rules(rows, measures)
    if rules is not None:
        yield Details("By the robust rule, and answers that could not be read", [rules])


def _seeds(row: Row) -> Cell:
    done = sum(run.status is Status.DONE for run in row.runs)
    return Cell(str(done), "" if done == len(row.runs) else f"of {len(row.runs)}")


def _published(measure: str) -> Callable[[Row], Cell]:
    return lambda row: number(row.published.get(measure))


def _estimate(measure: str) -> Callable[[Row], Cell]:
    return lambda row: estimate(row.estimates.get(measure))


def _deviation(measure: str) -> Callable[[Row], Cell]:
    return lambda row: number(row.deviations.get(measure))


def _kinds(run: Run) -> Mapping[str, Mapping[str, float]]:
    return {"accuracy": run.values, "robust": run.robust, "unreadable": run.invalid}


def _each_seed(rows: Sequence[Row], measures: Sequence[str]) -> Table:
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
            Cell(row.label, below=run.name),
            Cell(str(run.seed)),
            Cell(run.status, chip=True),
            *(number(_kinds(run)[kind].get(measure)) for measure, kind in parts),
        ]
        for row, run in runs
    ]
    return Table(columns, cells)


def _rules(rows: Sequence[Row], measures: Sequence[str]) -> Table | None:
    """Return the robust accuracy and the share of unreadable answers by row, over seeds."""
    found = {
        (row.name, measure, kind): [_kinds(run)[kind][measure] for run in row.runs if measure in _kinds(run)[kind]]
        for row in rows
        for measure in measures
        for kind in ("robust", "unreadable")
    }
    parts = [
        (measure, kind)
        for measure in measures
        for kind in ("robust", "unreadable")
        if any(found[row.name, measure, kind] for row in rows)
    ]
    if not parts:
        return None
    columns = [Column("row"), *(Column(kind, numeric=True, above=measure) for measure, kind in parts)]
    cells = [[Cell(row.label), *(_mean(found[row.name, measure, kind]) for measure, kind in parts)] for row in rows]
    return Table(columns, cells)


def _mean(values: Sequence[float]) -> Cell:
    return estimate(over_seeds(values)) if values else NONE


def last_logged(outcome: Outcome) -> Table:
    """Return what the trainer logged last, by run."""
    names = labels(outcome)
    last = {run.name: _last(run) for row in outcome.rows for run in row.runs if run.history}
    keys = [key for key in HISTORY if any(key in values for values in last.values())]
    titles = ("seed", "step", *(HISTORY[key] for key in keys))
    columns = [Column("row"), *(Column(title, numeric=True) for title in titles)]
    cells = [
        [
            Cell(names[row.name]),
            Cell(str(run.seed)),
            Cell(f"{last[run.name].get('step', 0):.0f}"),
            *(Cell(f"{last[run.name][key]:.3f}") if key in last[run.name] else NONE for key in keys),
        ]
        for row in outcome.rows
        for run in row.runs
        if run.history
    ]
    return Table(columns, cells)


def _last(run: Run) -> Mapping[str, float]:
    return {key: entry[key] for entry in run.history for key in ("step", *HISTORY) if key in entry}


def curve_values(row: Row) -> Mapping[int, Sequence[float]]:
    """Return a row's accuracies by training samples seen, one per seed that has this checkpoint."""
    found: dict[int, list[float]] = {}
    for run in row.runs:
        for samples, accuracy in run.curve:
            found.setdefault(samples, []).append(accuracy)
    return dict(sorted(found.items()))


def curve_table(rows: Sequence[Row]) -> Table:
    """Return the accuracy by row and samples seen."""
    curves = {row.label: curve_values(row) for row in rows}
    points = sorted({samples for curve in curves.values() for samples in curve})
    columns = [Column("row"), *(Column(f"{samples:,}", numeric=True, above="samples seen") for samples in points)]
    cells = [[Cell(label), *(_mean(curve.get(point, ())) for point in points)] for label, curve in curves.items()]
    return Table(columns, cells)


def dependency_table(outcome: Outcome, group: str) -> Table:
    """Return the share of predictions that change, by row, source and distance."""
    names, found = {row.name: row.label for row in outcome.rows}, outcome.dependency[group]
    parts = dict.fromkeys((source, bucket) for by in found.values() for source in by for bucket in by[source])
    columns = [Column("row"), *(Column(bucket, numeric=True, above=source) for source, bucket in parts)]
    cells = [
        [Cell(names.get(row, row)), *(_mean(by.get(source, {}).get(bucket, ())) for source, bucket in parts)]
        for row, by in found.items()
    ]
    return Table(columns, cells)
