"""Gathers what stages wrote into an `Outcome`: values, intervals, verdicts, failures."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.evaluation.stats.claims import calibration, verdict
from axolotl_cotmask.evaluation.stats.crossed import pooled
from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds
from axolotl_cotmask.evaluation.stats.paired import Comparison, compare_paired
from axolotl_cotmask.reproduction.plan import ClaimPlan, Measured, Plan, RowPlan, config_of
from axolotl_cotmask.reproduction.report.outcome import (
    Calibrated,
    Dependency,
    External,
    Failure,
    Judged,
    Outcome,
    Row,
    Run,
    Status,
)
from axolotl_cotmask.reproduction.stages import OWN_KEYS

#: Logs of what belongs to no run, and its results.
_OUTSIDE = {"problems.log": "data", "base-*.log": "bases/{}", "dependency-*.log": "dependency/{}.json"}
_LAST_LINES = 30


def collect(plan: Plan, output: Path, externals: Sequence[External]) -> Outcome:
    """Return what the runs of ``plan`` in ``output`` came to.

    Args:
        plan: what was to be run.
        output: the directory of the runs.
        externals: results that others published.

    Raises:
        CoTMaskError: a file cannot be read.
    """
    runs = {row.name: [_run(plan, row, seed, output) for seed in plan.seeds[row.name]] for row in plan.rows}
    trained = [row for row in plan.rows if row.config]
    everything = [run for of_row in runs.values() for run in of_row]
    return Outcome(
        title=plan.title,
        command=plan.command,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        notes=plan.notes,
        measures=plan.measures,
        rows=[_row(row, runs[row.name]) for row in trained],
        claims=[_judge(plan, claim, output) for claim in plan.claims],
        calibrated=[
            _calibrated(row, title, measured, runs[row.name][0])
            for row in plan.rows
            if row.model
            for title, measured in row.measures.items()
        ],
        external=externals,
        failures=[run.failure for row in plan.rows if row.model for run in runs[row.name] if run.failure is not None]
        + [
            failure
            for log, result in _OUTSIDE.items()
            for path in sorted((output / "logs").glob(log))
            if (failure := _failed(output, path, Path(result.format(path.stem.rpartition("-")[2])))) is not None
        ],
        dependency={
            base: _dependency(plan, output / "dependency" / f"{base}.json") for base in plan.laptop.get("runs", ())
        }
        if plan.laptop
        else {},
        commands={stage: record["command"] for run in reversed(everything) for stage, record in run.records.items()},
        minutes=sum(record["seconds"] for run in everything for record in run.records.values()) / 60,
    )


def _scores(plan: Plan, row: RowPlan, seed: int, measured: Measured, output: Path) -> dict[str, Any] | None:
    """Return a run's scores, or None where there are none, or where they belong to a recipe that has changed since."""
    run = output / "runs" / row.name / f"seed-{seed}"
    path = run / "scores" / plan.backend / f"{measured.task}.json"
    config = config_of(row, seed)
    if not path.is_file():
        return None
    if config is not None:
        trained = run / "train" / "recipe.yaml"
        recipe = yaml.safe_load(trained.read_text(encoding="utf-8")) if trained.is_file() else {}
        if _without_own(recipe) != _without_own(config):
            return None
    return read_json(path)


def _without_own(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in OWN_KEYS}


def _run(plan: Plan, row: RowPlan, seed: int, output: Path) -> Run:
    name = f"{row.name}/seed-{seed}"
    where = output / "runs" / name
    scores = {title: _scores(plan, row, seed, measured, output) for title, measured in row.measures.items()}
    there = {title: found for title, found in scores.items() if found is not None}
    failure = _failure(name, output)
    done = len(there) == len(scores) and (not row.curve or (where / "curve.json").is_file())
    status = Status.DONE if done else Status.FAILED if failure else Status.NOT_RUN
    evaluations = sorted((where / "evaluate" / plan.backend).glob("*/provenance.json"))
    files = {"data": where / "data" / "provenance.json", "train": where / "train" / "provenance.json"}
    files |= {f"evaluate {path.parent.name}": path for path in evaluations}
    state, curve = where / "train" / "trainer_state.json", where / "curve.json"
    return Run(
        name,
        row.name,
        seed,
        status,
        values={title: 100 * found["values"][row.measures[title].metric] for title, found in there.items()},
        invalid=_others(row, there, "invalid"),
        robust=_others(row, there, "robust_match"),
        signatures={task: line for found in there.values() for task, line in found["signatures"].items()},
        records={stage: read_json(path) for stage, path in files.items() if path.is_file()},
        history=read_json(state)["log_history"] if state.is_file() else (),
        curve=[(point["samples"], 100 * point["accuracy"]["value"]) for point in read_json(curve)["run"]]
        if curve.is_file()
        else (),
        failure=None if status is Status.DONE else failure,
    )


def _others(row: RowPlan, scores: Mapping[str, dict[str, Any]], metric: str) -> dict[str, float]:
    """Return another metric of the tasks' answers, in percent, for the measures that are accuracies."""
    return {
        title: 100 * found["values"][metric]
        for title, found in scores.items()
        if row.measures[title].metric == "exact_match" and metric in found["values"]
    }


def _failure(name: str, output: Path) -> Failure | None:
    """Return the first stage that has begun and left no result; for a run whose results are not all there."""
    logs = output / "logs" / name
    begun = {"data": output / "runs" / name / "data", "train": output / "runs" / name / "train"}
    found = [(stage, logs / f"{stage}.log", result) for stage, result in begun.items()]
    for log in sorted([*logs.glob("evaluate-*.log"), *logs.glob("score-*.log"), *logs.glob("curve.log")]):
        stage, *rest = log.stem.split("-", 2)
        kind, suffix = ("evaluate", "") if stage == "evaluate" else ("scores", ".json")
        result = output / "runs" / name / ("curve.json" if stage == "curve" else f"{kind}/{'/'.join(rest)}{suffix}")
        found.append((stage, log, result))
    failed = (_failed(output, log, result, stage) for stage, log, result in found)
    return next(filter(None, failed), None)


def _failed(output: Path, log: Path, result: Path, stage: str = "") -> Failure | None:
    """Return the failure of a stage that has written ``log``, if ``result`` (below ``output``) is not there."""
    if not log.is_file() or (output / result).exists():
        return None
    # A progress bar writes over its line again and again.
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    last = [line for line in lines if line.strip()][-_LAST_LINES:]
    return Failure(stage or log.stem, str(log.relative_to(output)), last)


def _row(row: RowPlan, runs: Sequence[Run]) -> Row:
    values = {title: [run.values[title] for run in runs if title in run.values] for title in row.measures}
    block = (row.config or {}).get("cotmask") or {}
    return Row(
        row.name,
        row.label,
        row.group,
        estimates={title: over_seeds(found) for title, found in values.items() if found},
        deviations={title: statistics.stdev(found) for title, found in values.items() if len(found) > 1},
        published={
            title: measured.published for title, measured in row.measures.items() if measured.published is not None
        },
        runs=runs,
        mask_ratio=block.get("mask_ratio"),
        schedule=block.get("schedule", "linear"),
    )


def _judge(plan: Plan, claim: ClaimPlan, output: Path) -> Judged:
    rows = {row.name: row for row in (*plan.rows, *plan.others)}
    measured = rows[claim.treated].measures[claim.measure]
    # The baseline may stand in another plan: its runs are used when they lie in the same directory.
    sides = {
        name: {
            seed: scores
            for seed in plan.seeds[claim.treated]
            if (scores := _scores(plan, rows[name], seed, measured, output)) is not None
        }
        for name in (claim.baseline, claim.treated)
    }
    everything = [scores for side in sides.values() for scores in side.values()]
    missing = " and ".join(name for name, side in sides.items() if not side)
    if len({scores["documents"] for scores in everything}) > 1:
        missing = "scores on the same questions: remove runs/*/evaluate of one side, so that it is scored again"
    per_seed: dict[int, Comparison] = {}
    estimate = None
    if not missing:
        # A metric may leave questions out.
        answers = [scores["questions"][measured.metric] for scores in everything]
        kept = [place for place, values in enumerate(zip(*answers, strict=True)) if None not in values]
        clusters = [everything[0]["clusters"][place] for place in kept]
        a, b = (
            {seed: [scores["questions"][measured.metric][place] for place in kept] for seed, scores in side.items()}
            for side in sides.values()
        )
        per_seed = {seed: compare_paired(a[seed], b[seed], clusters) for seed in a if seed in b}
        found = pooled(list(a.values()), list(b.values()), clusters, claim.comparisons)
        estimate = Estimate(100 * found.value, 100 * found.low, 100 * found.high, found.n)
    return Judged(
        claim.measure,
        claim.baseline,
        claim.treated,
        claim.difference,
        claim.source,
        per_seed,
        estimate,
        verdict(claim.difference, estimate),
        missing,
        claim.comparisons,
        _scored_otherwise(everything),
    )


def _scored_otherwise(everything: Sequence[Mapping[str, Any]]) -> str:
    """Return what the signatures of runs differ in, besides this package's version, such as their dtype."""
    parts: dict[str, set[str]] = {}
    for scores in everything:
        for line in scores["signatures"].values():
            for part in line.split("|"):
                name, _, value = part.partition(":")
                parts.setdefault(f"{line.partition('|')[0]} {name}", set()).add(value)
    differ = {
        name: values for name, values in parts.items() if len(values) > 1 and not name.endswith(" axolotl-cotmask")
    }
    found = "; ".join(f"{name} {', '.join(sorted(values))}" for name, values in differ.items())
    return f"scored differently: {found}" if found else ""


def _calibrated(row: RowPlan, title: str, measured: Measured, run: Run) -> Calibrated:
    assert row.model is not None
    assert measured.published is not None
    value = run.values.get(title)
    return Calibrated(row.model, title, measured.published, value, calibration(measured.published, value))


def _dependency(plan: Plan, path: Path) -> Dependency:
    """Return the shares that ``axolotl cotmask analyze dependency`` measured, in percent."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    models = read_json(path) if path.is_file() else {}
    for label, model in models.items():
        row = found.setdefault(label.rpartition("/")[0], {})
        for cell in model["cells"]:
            if cell["share"] is not None:
                distances = f"{cell['low']}+" if cell["high"] is None else f"{cell['low']}-{cell['high']}"
                row.setdefault(cell["source"], {}).setdefault(distances, []).append(100 * cell["share"]["value"])
    return found
