"""The claims: counts at one look, verdicts on the claims, calibration, and what others published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from axolotl_cotmask.evaluation.stats.claims import CALIBRATION_RULE, VERDICT_RULE, Verdict
from axolotl_cotmask.reproduction.report.cells import NONE, counted, estimate_cell, points, row_labels, share_cell
from axolotl_cotmask.reproduction.report.content import (
    Block,
    Column,
    Details,
    Markdown,
    Paragraph,
    Section,
    Table,
    TableCell,
    Tile,
    Tiles,
)
from axolotl_cotmask.reproduction.report.outcome import JudgedClaim, PlanOutcome, RunStatus


def summary_blocks(outcome: PlanOutcome) -> Iterator[Block]:
    """Yield the counts of runs by status and of claims by verdict, and the time."""
    statuses = Counter(run.status for row in outcome.rows for run in row.runs)
    verdicts = Counter(claim.verdict for claim in outcome.claims)
    if statuses:
        tiles = [Tile(str(statuses[kind]), kind, chip=True) for kind in RunStatus]
        yield Tiles(counted(statuses.total(), "run"), tiles)
    if verdicts:
        tiles = [Tile(str(verdicts[kind]), kind, chip=True) for kind in Verdict]
        yield Tiles(counted(verdicts.total(), "claim"), tiles)
    if outcome.minutes:
        yield Tiles("All stages", [Tile(f"{outcome.minutes:,.0f}", "minutes")])


def claim_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the claimed differences beside the measured ones, and the rule."""
    if not outcome.claims:
        return
    names = row_labels(outcome)
    rows = [
        [
            _claim(claim, names),
            _measured(claim),
            TableCell(points(claim.claimed, "+"), below=claim.source),
            TableCell(claim.verdict, chip=True),
        ]
        for claim in outcome.claims
    ]
    columns = [Column("claim"), Column("measured here", numeric=True), Column("claimed", numeric=True)]
    blocks: list[Block] = [
        Paragraph("Differences in percentage points, with their 95 % intervals."),
        Table([*columns, Column("verdict")], rows, cards=True),
        Markdown(VERDICT_RULE),
    ]
    together = Counter({claim.measure: claim.comparisons for claim in outcome.claims if claim.comparisons > 1})
    blocks += [Paragraph(f"{claim.treated}: {claim.note}.") for claim in outcome.claims if claim.note]
    if together:
        listed = ", ".join(f"{measure} ({count} claims)" for measure, count in together.items())
        blocks.append(Paragraph(f"The intervals of a measure hold together for all its claims (Bonferroni): {listed}."))
    if any(claim.per_seed for claim in outcome.claims):
        blocks.append(Details("Each seed, paired by question", [_per_seed(outcome.claims, names)]))
    yield Section("Verdicts", blocks)


def _claim(claim: JudgedClaim, names: Mapping[str, str]) -> TableCell:
    treated, baseline = (names.get(name, name) for name in (claim.treated, claim.baseline))
    return TableCell(claim.measure, below=f"{treated} against {baseline}")


def _measured(claim: JudgedClaim) -> TableCell:
    if claim.measured is not None:
        return estimate_cell(claim.measured, "+")
    return TableCell(NONE.text, below=f"missing: {claim.missing}") if claim.missing else NONE


def _per_seed(claims: Sequence[JudgedClaim], names: Mapping[str, str]) -> Table:
    rows = [
        [
            _claim(claim, names),
            TableCell(str(seed)),
            estimate_cell(pair.a),
            estimate_cell(pair.b),
            estimate_cell(pair.difference, "+"),
            TableCell(str(pair.only_a)),
            TableCell(str(pair.only_b)),
            TableCell(f"{pair.p:.2g}"),
            TableCell(str(pair.n), "" if pair.clusters == pair.n else f"in {pair.clusters} clusters"),
        ]
        for claim in claims
        for seed, pair in claim.per_seed.items()
    ]
    shares = [Column(side, numeric=True, above="right, %") for side in ("baseline", "treated")]
    flips = [Column(side, numeric=True, above="only one right") for side in ("baseline", "treated")]
    others = [Column(title, numeric=True) for title in ("p, exact test", "questions")]
    columns = [Column("claim"), Column("seed", True), *shares, Column("difference", True), *flips, *others]
    return Table(columns, rows)


def calibration_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the released checkpoints' published accuracies beside ours."""
    if not outcome.calibrated:
        return
    rows = [
        [
            TableCell(released.model),
            TableCell(released.measure),
            share_cell(released.published),
            share_cell(released.measured),
            share_cell(None if released.measured is None else released.measured - released.published, "+"),
            TableCell(released.verdict, chip=True),
        ]
        for released in outcome.calibrated
    ]
    numeric = [Column(title, numeric=True) for title in ("published", "measured here", "difference")]
    table = Table([Column("released model"), Column("measure"), *numeric, Column("verdict")], rows, cards=True)
    text = "Checkpoints that the authors released, scored by the tasks that score the runs: accuracy in percent."
    yield Section("Calibration", [Paragraph(text), table, Markdown(CALIBRATION_RULE)])


def external_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the results of others."""
    if not outcome.external:
        return
    rows = [
        [
            TableCell(result.source, below=result.setting),
            TableCell(result.measure),
            TableCell(", ".join(map(points, result.sft))),
            TableCell(", ".join(map(points, result.mft))),
            estimate_cell(result.difference, "+"),
            TableCell(points(result.claimed, "+"), below=result.claim_source),
            TableCell(result.verdict, chip=True),
            TableCell(result.note),
        ]
        for result in outcome.external
    ]
    numeric = [Column(title, numeric=True) for title in ("SFT", "MFT", "difference", "claimed")]
    columns = [Column("source"), Column("measure"), *numeric, Column("verdict"), Column("note")]
    text = "Nothing in this section was run here: others published these numbers, and the same rule judges them."
    table = Table(columns, rows, cards=True)
    yield Section("Published elsewhere, not measured here", [Paragraph(text), table])
