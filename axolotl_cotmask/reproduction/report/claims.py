"""The claims: counts at one look, verdicts on the claims, calibration, and what others published."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from axolotl_cotmask.evaluation.stats.claims import CALIBRATION_RULE, ON_PAR_RULE, VERDICT_RULE, Verdict
from axolotl_cotmask.reproduction.report.cells import counted, estimate_cell, points, row_labels, share_cell
from axolotl_cotmask.reproduction.report.content import (
    NONE,
    Block,
    Details,
    Lead,
    Markdown,
    Paragraph,
    Plots,
    Row,
    Section,
    Solutions,
    Table,
    TableCell,
    Tile,
    Tiles,
    number,
    table,
)
from axolotl_cotmask.reproduction.report.lines import EstimateLine, line_legend, line_plot
from axolotl_cotmask.reproduction.report.outcome import JudgedClaim, PlanOutcome, RunStatus

#: An exact test's p-value above it is no difference to speak of.
_CHANCE = 0.05


def told_in_a_sentence(outcome: PlanOutcome) -> str:
    """Return what happened to whom; nothing where there is no comparison that matters most."""
    if outcome.opening is None:
        return ""
    claim, names = outcome.opening.claim, row_labels(outcome)
    return _what_happened(claim, outcome.opening.rows, names[claim.baseline], names[claim.treated])


def opening_blocks(outcome: PlanOutcome) -> Iterator[Block]:
    """Yield in one sentence what happened to whom, and a question that shows it."""
    if outcome.opening is not None:
        yield Lead(told_in_a_sentence(outcome))
        if outcome.opening.example is not None:
            yield Solutions(outcome.opening.example)


def _what_happened(claim: JudgedClaim, rows: int, baseline: str, treated: str) -> str:
    pairs = list(claim.per_seed.values())
    a, b = (fmean(shares) for shares in ([pair.a.value for pair in pairs], [pair.b.value for pair in pairs]))
    told = f"From {rows} problems {baseline} learnt to solve {points(a)} % of new ones, {treated} {points(b)} %"
    if len(pairs) == 1:
        (pair,) = pairs
        told += f": {pair.only_b} more, {pair.only_a} fewer; p = {pair.p:.1g}"
        if pair.p >= _CHANCE:
            told += ", which chance explains"
        return f"{told}. (Exact paired test on the {pair.n} questions, for this one pair of models.)"
    ahead = sum(pair.b.value > pair.a.value for pair in pairs)
    difference = estimate_cell(claim.measured, "+")
    assert difference is not None
    return f"{told}: {difference.text} points {difference.note}, and ahead in {ahead} of {len(pairs)} pairs of models."


def summary_blocks(outcome: PlanOutcome) -> Iterator[Block]:
    """Yield the counts of runs by status and of claims by verdict, and the time."""
    statuses = Counter(run.status for row in outcome.rows for run in row.runs)
    verdicts = Counter(claim.verdict for claim in outcome.claims)
    if statuses:
        tiles = [Tile(str(statuses[kind]), kind, chip=True) for kind in RunStatus]
        yield Tiles(counted(statuses.total(), "run"), tiles)
    # Of single runs no verdict says more than that they are single.
    if verdicts and not all(map(_single, outcome.claims)):
        tiles = [Tile(str(verdicts[kind]), kind, chip=True) for kind in Verdict]
        yield Tiles(counted(verdicts.total(), "claim"), tiles)
    if outcome.minutes:
        yield Tiles("All stages, one after the other", [Tile(f"{outcome.minutes:,.0f}", "minutes")])


def _single(claim: JudgedClaim) -> bool:
    return claim.measured is not None and not math.isfinite(claim.measured.high)


def claim_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the claimed differences beside the measured ones, and the rule."""
    if not outcome.claims:
        return
    names, single = row_labels(outcome), all(map(_single, outcome.claims))
    judged: Iterator[Row] = (
        {
            "claim": _claim(claim, names),
            number("measured here"): _measured(claim),
            number("claimed"): TableCell(points(claim.claimed, "+"), below=claim.source),
            "verdict": TableCell("one run, no verdict") if _single(claim) else TableCell(claim.verdict, chip=True),
        }
        for claim in outcome.claims
    )
    blocks: list[Block] = [
        Paragraph(f"Differences in percentage points{'' if single else ', with their 95 % intervals'}."),
        table(judged, cards=True),
        *_difference_plots(outcome.claims, names),
        *([] if single else [Markdown(VERDICT_RULE)]),
        *([Markdown(ON_PAR_RULE)] if any(claim.on_par for claim in outcome.claims) else []),
    ]
    if any(map(_single, outcome.claims)):
        needs = "One run a side has no interval over runs, so a verdict has nothing to go by: it takes more runs."
        blocks.append(Paragraph(needs))
    blocks += [Paragraph(f"{claim.treated}: {claim.note}.") for claim in outcome.claims if claim.note]
    if any(claim.comparisons > 1 for claim in outcome.claims):
        text = "Intervals of k claims that are read together hold at once: each covers 1 - 0.05 / k (Bonferroni)."
        blocks.append(Paragraph(text))
    if any(claim.per_seed for claim in outcome.claims):
        blocks.append(Details("Each seed, paired by question", [_per_seed(outcome.claims, names)]))
    yield Section("Verdicts", blocks)


def _claim(claim: JudgedClaim, names: Mapping[str, str]) -> TableCell:
    treated, baseline = (names.get(name, name) for name in (claim.treated, claim.baseline))
    return TableCell(claim.measure, below=f"{treated} against {baseline}")


def _measured(claim: JudgedClaim) -> TableCell:
    cell = estimate_cell(claim.measured, "+")
    if cell is None or claim.comparisons == 1:
        return cell or _missing(claim)
    return replace(cell, below=f"one of {claim.comparisons} read together")


def _missing(claim: JudgedClaim) -> TableCell:
    return replace(NONE, below=f"missing: {claim.missing}") if claim.missing else NONE


def _difference_plots(claims: Sequence[JudgedClaim], names: Mapping[str, str]) -> Iterator[Block]:
    """Yield each difference between several pairs of runs as a line, with those of the pairs, by measure."""
    drawn = [claim for claim in claims if claim.measured is not None and len(claim.per_seed) > 1]
    lines = {
        measure: [
            EstimateLine(
                f"{names.get(claim.treated, claim.treated)} minus {names.get(claim.baseline, claim.baseline)}",
                claim.measured,
                [pair.difference.value for pair in claim.per_seed.values()],
                claim.claimed,
            )
            for claim in drawn
            if claim.measure == measure
        ]
        for measure in dict.fromkeys(claim.measure for claim in drawn)
    }
    if lines:
        legend = line_legend("difference, with the interval that decides", "of each pair of runs", "claimed")
        yield Plots([line_plot(measure, "points", of, "+") for measure, of in lines.items()], legend)


def _per_seed(claims: Sequence[JudgedClaim], names: Mapping[str, str]) -> Table:
    return table(
        {
            "claim": _claim(claim, names),
            number("seed"): str(seed),
            number("baseline", above="right, %"): estimate_cell(pair.a),
            number("treated", above="right, %"): estimate_cell(pair.b),
            number("difference"): estimate_cell(pair.difference, "+"),
            number("baseline", above="only one right"): str(pair.only_a),
            number("treated", above="only one right"): str(pair.only_b),
            number("p, exact test"): f"{pair.p:.2g}",
            number("questions"): TableCell(
                str(pair.n), "" if pair.clusters == pair.n else f"in {pair.clusters} clusters"
            ),
        }
        for claim in claims
        for seed, pair in claim.per_seed.items()
    )


def calibration_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the released checkpoints' published accuracies beside ours."""
    if not outcome.calibrated:
        return
    calibrated: Iterator[Row] = (
        {
            "released model": model.model,
            "measure": model.measure,
            number("published"): share_cell(model.published),
            number("measured here"): share_cell(model.measured) or NONE,
            number("difference"): NONE if model.measured is None else share_cell(model.measured - model.published, "+"),
            "verdict": TableCell(model.verdict, chip=True),
        }
        for model in outcome.calibrated
    )
    text = "Checkpoints that the authors released, scored by the tasks that score the runs: accuracy in percent."
    yield Section("Calibration", [Paragraph(text), table(calibrated, cards=True), Markdown(CALIBRATION_RULE)])


def external_sections(outcome: PlanOutcome) -> Iterator[Section]:
    """Yield the results of others."""
    if not outcome.external:
        return
    published: Iterator[Row] = (
        {
            "source": TableCell(result.source, below=result.setting),
            "measure": result.measure,
            number("SFT"): ", ".join(map(points, result.sft)),
            number("MFT"): ", ".join(map(points, result.mft)),
            number("difference"): estimate_cell(result.difference, "+"),
            number("claimed"): TableCell(points(result.claimed, "+"), below=result.claim_source),
            "verdict": TableCell(result.verdict, chip=True),
            "note": result.note,
        }
        for result in outcome.external
    )
    text = "Nothing in this section was run here: others published these numbers, and the same rule judges them."
    yield Section("Published elsewhere, not measured here", [Paragraph(text), table(published, cards=True)])
