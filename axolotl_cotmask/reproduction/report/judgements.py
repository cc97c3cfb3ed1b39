"""The judgements: counts at one look, verdicts on the claims, calibration, and what others published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from axolotl_cotmask.evaluation.stats.claims import CALIBRATION_RULE, VERDICT_RULE, Verdict
from axolotl_cotmask.reproduction.report.cells import NONE, counted, estimate, labels, number, percent
from axolotl_cotmask.reproduction.report.content import (
    Block,
    Cell,
    Column,
    Details,
    Markdown,
    Paragraph,
    Section,
    Table,
    Tile,
    Tiles,
)
from axolotl_cotmask.reproduction.report.outcome import Judged, Outcome, Status


def summary(outcome: Outcome) -> Iterator[Block]:
    """Yield the counts of runs by status and of claims by verdict, and the time."""
    statuses = Counter(run.status for row in outcome.rows for run in row.runs)
    verdicts = Counter(claim.verdict for claim in outcome.claims)
    if statuses:
        tiles = [Tile(str(statuses[kind]), kind, chip=True) for kind in Status]
        yield Tiles(counted(statuses.total(), "run"), tiles)
    if verdicts:
        tiles = [Tile(str(verdicts[kind]), kind, chip=True) for kind in Verdict]
        yield Tiles(counted(verdicts.total(), "claim"), tiles)
    if outcome.minutes:
        yield Tiles("All stages", [Tile(f"{outcome.minutes:,.0f}", "minutes")])


def verdicts(outcome: Outcome) -> Iterator[Section]:
    """Yield the claimed differences beside the measured ones, and the rule."""
    if not outcome.claims:
        return
    names = labels(outcome)
    rows = [
        [
            _claim(claim, names),
            _measured(claim),
            Cell(f"{claim.claimed:+.1f}", below=claim.source),
            Cell(claim.verdict, chip=True),
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


def _claim(claim: Judged, names: Mapping[str, str]) -> Cell:
    treated, baseline = (names.get(name, name) for name in (claim.treated, claim.baseline))
    return Cell(claim.measure, below=f"{treated} against {baseline}")


def _measured(claim: Judged) -> Cell:
    if claim.measured is not None:
        return estimate(claim.measured, "+")
    return Cell(NONE.text, below=f"missing: {claim.missing}") if claim.missing else NONE


def _per_seed(claims: Sequence[Judged], names: Mapping[str, str]) -> Table:
    rows = [
        [
            _claim(claim, names),
            Cell(str(seed)),
            estimate(percent(found.a)),
            estimate(percent(found.b)),
            estimate(percent(found.difference), "+"),
            Cell(str(found.only_a)),
            Cell(str(found.only_b)),
            Cell(f"{found.p:.2g}"),
            Cell(str(found.n), "" if found.clusters == found.n else f"in {found.clusters} clusters"),
        ]
        for claim in claims
        for seed, found in claim.per_seed.items()
    ]
    shares = [Column(side, numeric=True, above="right, %") for side in ("baseline", "treated")]
    flips = [Column(side, numeric=True, above="only one right") for side in ("baseline", "treated")]
    others = [Column(title, numeric=True) for title in ("p, exact test", "questions")]
    columns = [Column("claim"), Column("seed", True), *shares, Column("difference", True), *flips, *others]
    return Table(columns, rows)


def calibration(outcome: Outcome) -> Iterator[Section]:
    """Yield the released checkpoints' published accuracies beside ours."""
    if not outcome.calibrated:
        return
    rows = [
        [
            Cell(found.model),
            Cell(found.measure),
            number(found.published),
            number(found.measured),
            number(None if found.measured is None else found.measured - found.published, "+"),
            Cell(found.verdict, chip=True),
        ]
        for found in outcome.calibrated
    ]
    numeric = [Column(title, numeric=True) for title in ("published", "measured here", "difference")]
    table = Table([Column("released model"), Column("measure"), *numeric, Column("verdict")], rows, cards=True)
    text = "Checkpoints that the authors released, scored by the tasks that score the runs: accuracy in percent."
    yield Section("Calibration", [Paragraph(text), table, Markdown(CALIBRATION_RULE)])


def external(outcome: Outcome) -> Iterator[Section]:
    """Yield the results of others."""
    if not outcome.external:
        return
    rows = [
        [
            Cell(found.source, below=found.setting),
            Cell(found.measure),
            Cell(", ".join(f"{value:.1f}" for value in found.sft)),
            Cell(", ".join(f"{value:.1f}" for value in found.mft)),
            estimate(found.difference, "+"),
            Cell(f"{found.claimed:+.1f}", below=found.claim_source),
            Cell(found.verdict, chip=True),
            Cell(found.note),
        ]
        for found in outcome.external
    ]
    numeric = [Column(title, numeric=True) for title in ("SFT", "MFT", "difference", "claimed")]
    columns = [Column("source"), Column("measure"), *numeric, Column("verdict"), Column("note")]
    text = "Nothing in this section was run here: others published these numbers, and the same rule judges them."
    table = Table(columns, rows, cards=True)
    yield Section("Published elsewhere, not measured here", [Paragraph(text), table])
