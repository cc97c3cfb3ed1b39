"""Gathers what stages wrote into a `PlanOutcome`: values, intervals, verdicts, failures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.common.pages import now
from axolotl_cotmask.evaluation.stats.claims import calibration
from axolotl_cotmask.evaluation.stats.estimates import over_seeds
from axolotl_cotmask.reproduction.example import find_example
from axolotl_cotmask.reproduction.integrity import read_record, read_sealed
from axolotl_cotmask.reproduction.judging import (
    Scores,
    counted_seeds,
    judge,
    judge_average,
    over_bases_and_problems,
    scores_of,
)
from axolotl_cotmask.reproduction.layout import LOGS, STATE, RunFiles, dependency_file
from axolotl_cotmask.reproduction.plan import Plan, RowPlan, run_name
from axolotl_cotmask.reproduction.report.outcome import (
    CalibratedModel,
    DependencyShares,
    ExternalResult,
    JudgedClaim,
    Opening,
    PlanOutcome,
    RowOutcome,
    RunOutcome,
    RunStatus,
    StageFailure,
)

_LAST_LINES = 30


def collect_outcome(plan: Plan, output: Path, externals: Sequence[ExternalResult]) -> PlanOutcome:
    """Return what the runs of ``plan`` in ``output`` came to.

    Args:
        plan: what was to be run.
        output: the directory of the runs.
        externals: results that others published.

    Raises:
        CoTMaskError: a file cannot be read.
    """
    runs = {row.name: [_run_outcome(plan, row, seed, output) for seed in plan.seeds[row.name]] for row in plan.rows}
    all_runs = list(chain.from_iterable(runs.values()))
    released = [row for row in plan.rows if row.model]
    claims = [judge(plan, claim, output) for claim in plan.claims]
    averages = [judge_average(plan, average, output) for average in plan.averages]
    return PlanOutcome(
        title=plan.title,
        command=plan.command,
        made=now(),
        notes=plan.notes,
        measures=plan.measures,
        rows=[_row_outcome(row, runs[row.name]) for row in plan.rows if row.config],
        claims=claims + averages,
        opening=_opening(plan, claims, output),
        calibrated=[model for row in released for model in _calibrated(row, runs[row.name][0])],
        external=externals,
        failures=[run.failure for row in released for run in runs[row.name] if run.failure is not None]
        + list(_failures(output, _stages_outside(plan, output))),
        dependency={group: _dependency(plan, dependency_file(output, group)) for group in plan.dependency},
        commands={stage: record["command"] for run in reversed(all_runs) for stage, record in run.records.items()},
        minutes=sum(record["seconds"] for run in all_runs for record in run.records.values()) / 60,
    )


def _run_outcome(plan: Plan, row: RowPlan, seed: int, output: Path) -> RunOutcome:
    files, backend = RunFiles(output, run_name(row, seed)), plan.setup.backend
    by_title = {title: scores_of(plan, row, seed, measured, output) for title, measured in row.measures.items()}
    scores = {title: content for title, content in by_title.items() if content is not None}
    failure = next(_failures(output, _stages(row, files, backend)), None)
    done = len(scores) == len(by_title) and (row.curve is None or files.curve.is_file())
    status = RunStatus.DONE if done else RunStatus.FAILED if failure else RunStatus.NOT_RUN
    sampling = {f"sample {task}": files.samples(task) for task in (row.sampling.tasks if row.sampling else ())}
    records = (
        sampling
        | {"mistakes": files.mistakes, "augment": files.made, "data": files.data, "train": files.train}
        | {f"evaluate {task}": files.evaluation(backend, task) for by, task in files.evaluated() if by == backend}
    )
    state = files.train / STATE
    return RunOutcome(
        files.name,
        row.name,
        seed,
        status,
        values={
            title: value
            for title, content in scores.items()
            # A quotient may have nothing to divide by.
            if (value := content["values"].get(row.measures[title].metric)) is not None
        },
        invalid=_other_metric(row, scores, "invalid"),
        robust=_other_metric(row, scores, "robust_match"),
        signatures={task: line for content in scores.values() for task, line in content["signatures"].items()},
        records={stage: record for stage, path in records.items() if (record := read_record(path)) is not None},
        history=read_json(state)["log_history"] if state.is_file() else (),
        curve=[(point["samples"], point["accuracy"]["value"]) for point in read_sealed(files.curve)["run"]]
        if files.curve.is_file()
        else (),
        failure=None if status is RunStatus.DONE else failure,
        made_of=f"{draw.base}, {draw.problems}" if (draw := row.draws.get(seed)) else "",
    )


def _other_metric(row: RowPlan, scores: Mapping[str, Scores], metric: str) -> dict[str, float]:
    """Return another metric of the tasks' answers, for the measures that are accuracies."""
    return {
        title: content["values"][metric]
        for title, content in scores.items()
        if row.measures[title].metric == "exact_match" and metric in content["values"]
    }


#: A stage, the log that it writes, and the file or directory that it leaves.
_Stage = tuple[str, Path, Path]


def _stages(row: RowPlan, files: RunFiles, backend: str) -> Iterator[_Stage]:
    if row.teacher is not None:
        yield "mistakes", files.log("mistakes"), files.mistakes
    if row.chain is not None:
        yield "augment", files.log("augment"), files.made
        if row.chain.merge and not files.model.exists():
            yield "merge", files.log("merge"), files.start
    yield "data", files.log("data"), files.data
    yield "train", files.log("train"), files.train
    yield "curve", files.log("curve"), files.curve
    sampled = row.sampling.tasks if row.sampling else ()
    yield from (("sample", files.log("sample", task), files.samples(task)) for task in sampled)
    tasks = sorted(task.name for task in row.tasks)
    yield from (("evaluate", files.log("evaluate", backend, task), files.evaluation(backend, task)) for task in tasks)
    yield from (("score", files.log("score", backend, task), files.scores(backend, task)) for task in tasks)


def _stages_outside(plan: Plan, output: Path) -> Iterator[_Stage]:
    """Yield the stages that belong to no run."""
    for log, result in (plan.extra_rules.results if plan.extra_rules else {}).items():
        yield Path(log).stem, output / LOGS / log, output / result


def _failures(output: Path, stages: Iterable[_Stage]) -> Iterator[StageFailure]:
    """Yield the stages that have begun and left no result."""
    for stage, log, result in stages:
        if log.is_file() and not result.exists():
            # A progress bar writes over its line again and again.
            lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
            last = [line for line in lines if line.strip()][-_LAST_LINES:]
            yield StageFailure(stage, str(log.relative_to(output)), last)


def _row_outcome(row: RowPlan, runs: Sequence[RunOutcome]) -> RowOutcome:
    measured = {title: {run.seed: run.values[title] for run in runs if title in run.values} for title in row.measures}
    values = {title: by_seed for title, by_seed in measured.items() if by_seed}
    block = (row.config or {}).get("cotmask") or {}
    return RowOutcome(
        row.name,
        row.label,
        row.group,
        estimates={
            title: over_bases_and_problems(row.draws, by_seed) if row.draws else over_seeds(list(by_seed.values()))
            for title, by_seed in values.items()
        },
        deviations={title: statistics.stdev(by_seed.values()) for title, by_seed in values.items() if len(by_seed) > 1},
        published={
            title: measured.published for title, measured in row.measures.items() if measured.published is not None
        },
        runs=runs,
        mask_ratio=block.get("mask_ratio"),
        schedule=block.get("schedule", "linear"),
    )


def _opening(plan: Plan, claims: Sequence[JudgedClaim], output: Path) -> Opening | None:
    """Return what the report begins with, once the comparison is there."""
    headline = plan.headline
    if headline is None:
        return None
    wanted = (headline.measure, headline.baseline, headline.treated)
    judged = [claim for claim in claims if (claim.measure, claim.baseline, claim.treated) == wanted and claim.per_seed]
    if not judged:
        return None
    rows = {row.name: row for row in plan.rows}
    # Its sentence is about the pairs that its interval is about.
    counted = counted_seeds(rows[headline.treated].draws, judged[0].per_seed)
    claim = replace(judged[0], per_seed={seed: judged[0].per_seed[seed] for seed in counted})
    seed, task = min(claim.per_seed), rows[claim.treated].measures[claim.measure].task.name
    baseline, treated = (RunFiles(output, run_name(rows[name], seed)) for name in (claim.baseline, claim.treated))
    labels = rows[claim.baseline].label, rows[claim.treated].label
    return Opening(claim, headline.rows, find_example(baseline, treated, labels, plan.setup.backend, task))


def _calibrated(row: RowPlan, run: RunOutcome) -> Iterator[CalibratedModel]:
    for title, measured in row.measures.items():
        assert row.model is not None
        assert measured.published is not None
        value = run.values.get(title)
        # The rule counts in points.
        judged = calibration(100 * measured.published, None if value is None else 100 * value)
        yield CalibratedModel(row.model, title, measured.published, value, judged)


def _dependency(plan: Plan, path: Path) -> DependencyShares:
    """Return the shares that ``axolotl cotmask analyze dependency`` measured of the models in ``path``."""
    rows = {name: run.row for name, run in plan.runs().items()}
    models = read_sealed(path) if path.is_file() else {}
    shares: dict[str, dict[str, dict[str, list[float]]]] = {}
    for label, model in models.items():
        by_source = shares.setdefault(rows.get(label, label), {})
        for cell in model["cells"]:
            if cell["share"] is not None:
                distances = f"{cell['low']}+" if cell["high"] is None else f"{cell['low']}-{cell['high']}"
                by_source.setdefault(cell["source"], {}).setdefault(distances, []).append(cell["share"]["value"])
    return shares
