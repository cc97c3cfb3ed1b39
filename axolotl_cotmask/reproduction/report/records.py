"""What happened and can be done again: failures, provenance, commands, signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from axolotl_cotmask.reproduction.report.cells import NONE, counted, labels, seeds
from axolotl_cotmask.reproduction.report.content import (
    Block,
    Cell,
    Column,
    Details,
    Listing,
    Paragraph,
    Section,
    Subheading,
    Table,
)
from axolotl_cotmask.reproduction.report.outcome import Outcome, Row, Run


def failures(outcome: Outcome) -> Iterator[Section]:
    """Yield the failed runs, each with the end of its log."""
    blocks: list[Block] = []
    for failed in outcome.failures:
        blocks.append(Subheading(failed.stage))
        blocks.append(Listing(failed.log, "\n".join(failed.last_lines)))
    names = labels(outcome)
    for row in outcome.rows:
        for run in row.runs:
            if run.failure is not None:
                found = run.failure
                blocks.append(Subheading(f"{names[row.name]}, seed {run.seed}"))
                blocks.append(Paragraph(f"Run {run.name} failed in stage {found.stage}. The end of its log:"))
                blocks.append(Listing(found.log, "\n".join(found.last_lines)))
    if blocks:
        yield Section("Failures", blocks)


def provenance(outcome: Outcome) -> Iterator[Section]:
    """Yield the runs' records: what is common to all once, the rest by row, with a column per seed."""
    flat = {run.name: _flat(run.records) for row in outcome.rows for run in row.runs if run.records}
    if not flat:
        return
    first, *others = flat.values()
    common = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    blocks: list[Block] = []
    if common:
        rows = [[Cell(key), Cell(value)] for key, value in common.items()]
        summary = f"The same in {'all ' if others else ''}{counted(len(flat), 'run')} with records"
        blocks.append(Details(summary, [Table([Column("record"), Column("value")], rows)]))
    names = labels(outcome)
    for row in outcome.rows:
        runs = [run for run in row.runs if run.name in flat]
        keys = dict.fromkeys(key for run in runs for key in flat[run.name] if key not in common)
        if keys:
            columns = [Column("record"), *(Column(f"seed {run.seed}") for run in runs)]
            cells = [[Cell(key), *(_value(flat[run.name].get(key)) for run in runs)] for key in keys]
            blocks.append(Details(f"{names[row.name]}: {seeds(run.seed for run in runs)}", [Table(columns, cells)]))
    yield Section("Provenance", blocks)


def _value(value: str | None) -> Cell:
    return NONE if value is None else Cell(value)


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested record as text by ``stage: key.key``."""
    found: dict[str, str] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}{'.' if prefix else ': '}")
        else:
            found[f"{prefix}{key}"] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def commands(outcome: Outcome) -> Iterator[Section]:
    """Yield the commands by stage."""
    if outcome.commands:
        yield Section("Commands", [Listing(stage, command) for stage, command in outcome.commands.items()])


def signatures(outcome: Outcome) -> Iterator[Section]:
    """Yield each distinct signature once, with the runs that have it."""
    found: dict[tuple[str, str], dict[str, tuple[Row, list[Run]]]] = {}
    for row in outcome.rows:
        for run in row.runs:
            for task, line in run.signatures.items():
                found.setdefault((task, line), {}).setdefault(row.name, (row, []))[1].append(run)
    blocks: list[Block] = []
    for (task, line), by_row in sorted(found.items(), key=lambda item: item[0][0]):
        count = sum(len(runs) for _, runs in by_row.values())
        blocks += [Listing(task, line), Details(f"in {counted(count, 'run')}", [_runs(list(by_row.values()))])]
    if blocks:
        yield Section("Signatures", blocks)


def _runs(found: Sequence[tuple[Row, Sequence[Run]]]) -> Table:
    rows = [[Cell(row.label, below=row.name), Cell(", ".join(str(run.seed) for run in runs))] for row, runs in found]
    return Table([Column("row"), Column("seeds")], rows)
