"""Holds what runs scored against the plan's claims: differences, their intervals and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.evaluation.stats.claims import verdict, verdict_on_par
from axolotl_cotmask.evaluation.stats.crossed import over_draws, pooled, pooled_mean
from axolotl_cotmask.evaluation.stats.estimates import Estimate
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired
from axolotl_cotmask.reproduction.chain_stages import without_chained
from axolotl_cotmask.reproduction.integrity import read_sealed
from axolotl_cotmask.reproduction.layout import RECIPE, RunFiles
from axolotl_cotmask.reproduction.plan import AveragePlan, ClaimPlan, Draw, Measured, Plan, RowPlan, config_of, run_name
from axolotl_cotmask.reproduction.report.outcome import JudgedClaim
from axolotl_cotmask.reproduction.stages import without_own

#: What a stage wrote of a run's answers to one task.
Scores = Mapping[str, Any]
#: The scores of several rows' runs, by row and seed.
_Sides = Mapping[str, Mapping[int, Scores]]
_RESCORE = "scores on the same questions: remove runs/*/evaluate of one side, so that it is scored again"


def scores_of(plan: Plan, row: RowPlan, seed: int, measured: Measured, output: Path) -> Scores | None:
    """Return a run's scores, or None where there are none, or where they belong to a recipe that has changed since."""
    files = RunFiles(output, run_name(row, seed))
    path = files.scores(plan.setup.backend, measured.task.name)
    config = config_of(row, seed)
    if not path.is_file():
        return None
    if config is not None:
        trained = files.train / RECIPE
        recipe = yaml.safe_load(trained.read_text(encoding="utf-8")) if trained.is_file() else {}
        if _planned(recipe, row) != _planned(config, row):
            return None
    return read_sealed(path)


def _planned(config: Mapping[str, Any], row: RowPlan) -> dict[str, Any]:
    return without_own(without_chained(config, row.chain))


def judge(plan: Plan, claim: ClaimPlan, output: Path) -> JudgedClaim:
    """Return a claimed difference with what was measured of it."""
    rows = {row.name: row for row in (*plan.rows, *plan.others)}
    measured = rows[claim.treated].measures[claim.measure]
    # The baseline may stand in another plan: its runs are used when they lie in the same directory.
    sides = _sides(plan, (claim.baseline, claim.treated), claim.treated, claim.measure, output)
    draws = rows[claim.treated].draws
    paired = [seed for seed in plan.seeds[claim.treated] if all(seed in side for side in sides.values())]
    missing = _missing(sides)
    if draws and not missing and not paired:
        missing = "a seed that both sides have"
    # With draws, each seed has questions of its own.
    alike = [{name: {seed: side[seed]} for name, side in sides.items()} for seed in paired] if draws else [sides]
    if not all(map(_same_questions, alike)):
        missing = _RESCORE
    per_seed: dict[int, Comparison] = {}
    estimate: Estimate | None = None
    for these in alike if not missing else ():
        answers, clusters = _common_answers(these, measured.metric)
        baseline, treated = answers[claim.baseline], answers[claim.treated]
        per_seed |= {
            seed: compare_paired(baseline[seed], treated[seed], clusters) for seed in baseline if seed in treated
        }
        if not draws:
            estimate = pooled(list(baseline.values()), list(treated.values()), clusters, claim.comparisons)
    if draws and per_seed:
        differences = {seed: comparison.difference.value for seed, comparison in per_seed.items()}
        estimate = over_bases_and_problems(draws, differences, claim.comparisons)
    return JudgedClaim(
        claim.measure,
        claim.baseline,
        claim.treated,
        claim.difference,
        claim.source,
        per_seed,
        estimate,
        verdict_on_par(claim.margin, estimate) if claim.margin else verdict(claim.difference, estimate),
        missing,
        claim.comparisons,
        _scored_otherwise(alike),
        on_par=bool(claim.margin),
    )


def judge_average(plan: Plan, average: AveragePlan, output: Path) -> JudgedClaim:
    """Return a claimed mean over pairs of rows, whose tasks ask the same questions, with what was measured of it."""
    sides: dict[str, dict[int, Scores]] = {}
    for pair in average.pairs:
        sides |= _sides(plan, pair, pair[1], average.measure, output)
    missing, estimate = _missing(sides), None
    if not missing and not _same_questions(sides):
        missing = _RESCORE
    if not missing:
        answers, clusters = _common_answers(sides, "exact_match")
        runs = {name: list(by_seed.values()) for name, by_seed in answers.items()}
        estimate = pooled_mean([(runs[baseline], runs[treated]) for baseline, treated in average.pairs], clusters)
    return JudgedClaim(
        average.measure,
        "SFT",
        f"the mean over {len(average.pairs)} pairs of rows: MFT",
        average.difference,
        average.source,
        {},
        estimate,
        verdict(average.difference, estimate),
        missing,
    )


def _sides(plan: Plan, names: Iterable[str], treated: str, measure: str, output: Path) -> dict[str, dict[int, Scores]]:
    """Return what there is of rows' scores: of the seeds of ``treated``, on what that row is scored on."""
    rows = {row.name: row for row in (*plan.rows, *plan.others)}
    measured, seeds = rows[treated].measures[measure], plan.seeds[treated]
    found = {name: {seed: scores_of(plan, rows[name], seed, measured, output) for seed in seeds} for name in names}
    return {name: {seed: scores for seed, scores in side.items() if scores is not None} for name, side in found.items()}


def _missing(sides: _Sides) -> str:
    return " and ".join(name for name, side in sides.items() if not side)


def _same_questions(sides: _Sides) -> bool:
    return len({scores["documents"] for side in sides.values() for scores in side.values()}) < 2


def over_bases_and_problems(draws: Mapping[int, Draw], values: Mapping[int, float], comparisons: int = 1) -> Estimate:
    """Return the mean over bases and sets of problems, of the seeds that count."""
    counted = {(draws[seed].base, draws[seed].problems): values[seed] for seed in counted_seeds(draws, values)}
    return over_draws(counted, comparisons)


def counted_seeds(draws: Mapping[int, Draw], seeds: Iterable[int]) -> list[int]:
    """Return the seeds of the sets that all bases have scores on: another set does not count yet.

    Where no set is complete, the first base's runs speak for it alone. Where each base has a set of its own, every seed
    counts.
    """
    seeds = list(seeds)
    if len({draw.base for draw in draws.values()}) == len({draw.problems for draw in draws.values()}) == len(draws):
        return seeds
    bases, times = {draws[seed].base for seed in seeds}, Counter(draws[seed].problems for seed in seeds)
    complete = [seed for seed in seeds if times[draws[seed].problems] == len(bases)]
    return complete or [seed for seed in seeds if draws[seed].base == draws[seeds[0]].base]


def _common_answers(sides: _Sides, metric: str) -> tuple[dict[str, dict[int, list[float]]], list[int]]:
    """Return all sides' answers by seed to the questions that all runs have, and the clusters of these questions."""
    runs = [scores for side in sides.values() for scores in side.values()]
    # A metric may leave questions out.
    answers = zip(*(scores["questions"][metric] for scores in runs), strict=True)
    places = [place for place, values in enumerate(answers) if None not in values]
    kept = {
        name: {seed: [scores["questions"][metric][place] for place in places] for seed, scores in side.items()}
        for name, side in sides.items()
    }
    return kept, [runs[0]["clusters"][place] for place in places]


def _scored_otherwise(alike: Iterable[_Sides]) -> str:
    """Return what the signatures of runs to be compared differ in, besides this package's version, such as dtype."""
    differing: dict[tuple[str, str], set[str]] = {}
    for sides in alike:
        values: dict[tuple[str, str], set[str]] = {}
        for scores in (scores for side in sides.values() for scores in side.values()):
            for line in scores["signatures"].values():
                task, *parts = line.split("|")
                for part in (task, *parts):
                    name, _, value = part.partition(":")
                    values.setdefault((task, name), set()).add(value)
        for key, several in values.items():
            if len(several) > 1 and key[1] != "axolotl-cotmask":
                differing.setdefault(key, set()).update(several)
    listed = "; ".join(f"{task} {name} {', '.join(sorted(several))}" for (task, name), several in differing.items())
    return f"scored differently: {listed}" if listed else ""
