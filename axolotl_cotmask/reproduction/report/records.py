"""What happened and can be done again: failures, provenance, commands, signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from axolotl_cotmask.reproduction.report.cells import counted, listed_seeds, row_labels
from axolotl_cotmask.reproduction.report.content import (
    Block,
    Details,
    Listing,
    Paragraph,
    Section,
    Subheading,
    TableCell,
    table,
)
from axolotl_cotmask.reproduction.report.outcome import PlanOutcome


def failure_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the failed runs, each with the end of its log."""
    blocks: list[Block] = []
    for failed in outcome.failures:
        blocks += [Subheading(failed.stage), Listing(failed.log, "\n".join(failed.last_lines))]
    names = row_labels(outcome)
    for row in outcome.rows:
        for run in row.runs:
            if (failure := run.failure) is not None:
                blocks += [
                    Subheading(f"{names[row.name]}, seed {run.seed}"),
                    Paragraph(f"Run {run.name} failed in stage {failure.stage}. The end of its log:"),
                    Listing(failure.log, "\n".join(failure.last_lines)),
                ]
    if blocks:
        yield Section("Failures", blocks)


def provenance_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the runs' records: what is common to all once, the rest by row, with a column per seed."""
    flat = {run.name: _flat(run.records) for row in outcome.rows for run in row.runs if run.records}
    if not flat:
        return
    first, *others = flat.values()
    common = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    blocks: list[Block] = []
    if common:
        summary = f"The same in {'all ' if others else ''}{counted(len(flat), 'run')} with records"
        blocks.append(Details(summary, [table({"record": key, "value": value} for key, value in common.items())]))
    names = row_labels(outcome)
    for row in outcome.rows:
        runs = [run for run in row.runs if run.name in flat]
        keys = dict.fromkeys(key for run in runs for key in flat[run.name] if key not in common)
        if keys:
            by_seed = table(
                {"record": key, **{f"seed {run.seed}": flat[run.name].get(key) for run in runs}} for key in keys
            )
            blocks.append(Details(f"{names[row.name]}: {listed_seeds(run.seed for run in runs)}", [by_seed]))
    yield Section("Provenance", blocks)


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested record as text by ``stage: key.key``."""
    texts: dict[str, str] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            texts |= _flat(value, f"{prefix}{key}{'.' if prefix else ': '}")
        else:
            texts[f"{prefix}{key}"] = _text(value)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def command_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the commands by stage."""
    if outcome.commands:
        text = (
            "As they ran. Directories of work are gone when a stage is done: its config is kept beside its result, as "
            "data/config.yaml and train/recipe.yaml of a run."
        )
        listed = [Listing(stage, command) for stage, command in outcome.commands.items()]
        yield Section("Commands", [Paragraph(text), *listed])


def signature_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield each distinct signature once, with the runs that have it."""
    seeds: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in outcome.rows:
        for run in row.runs:
            for task_and_line in run.signatures.items():
                seeds.setdefault(task_and_line, {}).setdefault(row.name, []).append(str(run.seed))
    labels = {row.name: row.label for row in outcome.rows}
    blocks: list[Block] = []
    for (task, line), by_row in sorted(seeds.items(), key=lambda item: item[0][0]):
        rows = table(
            {"row": TableCell(labels[name], below=name), "seeds": ", ".join(of_row)} for name, of_row in by_row.items()
        )
        count = sum(map(len, by_row.values()))
        blocks += [Listing(task, line), Details(f"in {counted(count, 'run')}", [rows])]
    if blocks:
        yield Section("Signatures", blocks)
