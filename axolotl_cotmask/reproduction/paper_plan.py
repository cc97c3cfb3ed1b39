"""From names to a plan: the paper's rows, tables, figures and sweeps, released checkpoints, and recipes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.chained_rows import CHAINED, CHOICE_MEASURES, chained_rows
from axolotl_cotmask.reproduction.lesson_rows import LESSONS, lesson_rows
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.ablations import SWEEPS, Ablation
from axolotl_cotmask.reproduction.plan import AveragePlan, ClaimPlan, Measured, Plan, RowPlan, Setup, Task
from axolotl_cotmask.reproduction.recipes import (
    load_recipe,
    parse_yaml,
    plan_names,
    recipe_gpus,
    recipe_names,
    recipe_path,
)
from axolotl_cotmask.reproduction.unknown_names import unknown_name

GSM8K, GSM_IC = Task("cotmask_gsm8k", "gsm8k"), Task("cotmask_gsm_ic", "gsm_ic")
#: By the data's strategy: a model is asked in its data's form.
TASKS_OF_TYPES: Mapping[str, Sequence[Task]] = {
    "gsm8k": (GSM8K, GSM_IC),
    "query_response": (GSM8K, GSM_IC),
    "math": (Task("cotmask_math", "math"),),
    "metamath": (Task("cotmask_metamath_gsm8k", "gsm8k"), Task("cotmask_metamath_math", "math")),
    "mathinstruct": (
        Task("cotmask_mammoth_gsm8k", "gsm8k", unsafe=True),
        Task("cotmask_mammoth_math", "math", unsafe=True),
    ),
    "gsm8k_chat": (Task("cotmask_gsm8k_chat", "gsm8k", chat=True),),
}
_STRATEGIES = "axolotl_cotmask.prompt_strategies."
_JANET, _CONSISTENT = Task("cotmask_janet", "janet"), Task("cotmask_janet_consistent", "janet")
#: The columns of Tables 4 and 9, in the order of the paper's numbers.
_CASE_STUDY: Mapping[str, tuple[Measured, str]] = {
    "prefix changed": (
        Measured(_JANET, "follows_question"),
        "Table 4: share of ten that compute 16-3, as the question says",
    ),
    "question changed": (
        Measured(_JANET, "follows_changed_question"),
        "Table 4: share of ten that compute 16-n, as the question says",
    ),
    "both changed": (
        Measured(_CONSISTENT, "follows_question"),
        "Table 9, the control: share of ten that compute 16-n",
    ),
    "both, right": (
        Measured(_CONSISTENT, "calculates_right"),
        "Table 9: share of ten that compute 16-n, and rightly",
    ),
}
_MEASURES = (
    {title: f"accuracy on {title} by the paper's rule" for title in paper.BENCHMARKS.values()}
    | {title: meaning for title, (_, meaning) in _CASE_STUDY.items()}
    | dict(CHOICE_MEASURES)
)
#: Those with scores; Table 3 is a sweep.
_TABLES = {"table1": "Table 1", "table2": "Table 2", "table5": "Table 5"}
_DPO = [name for name, row in CHAINED.items() if "pairs" in row.make]
_FIG2 = ("mistral-7b/mammoth-sft", "mistral-7b/mammoth-mft")


def make_plan(what: Sequence[str], seeds: int, own_gpus: int = 1) -> Plan:
    """Expand names into rows.

    Args:
        what: rows (``llama2-7b/gsm8k-mft``), tables, figures, base models, paths to recipes, ``calibrate``.
        seeds: each row is trained with the seeds 1 .. ``seeds``.
        own_gpus: for how many GPUs the recipes are that are given by their paths.

    Raises:
        CoTMaskError: a name says nothing, or two rows would have the same name.
    """
    rows: dict[str, RowPlan] = {}
    claims: dict[ClaimPlan, None] = {}
    for name in what:
        new_rows, new_claims = _expand(name, own_gpus)
        for row in new_rows:
            other = rows.setdefault(row.name, row)
            if other.config != row.config:
                raise CoTMaskError(f"two recipes are called {row.name}: rename one of them")
            if other.sampling and row.sampling and other.sampling != row.sampling:
                raise CoTMaskError(f"{row.name} would be sampled in two ways: name what begins from it in two runs")
            rows[row.name] = replace(
                other,
                measures={**other.measures, **row.measures},
                curve=other.curve or row.curve,
                sampling=other.sampling or row.sampling,
                questions=other.questions or row.questions,
            )
        claims |= dict.fromkeys(new_claims)
    baselines = {claim.baseline for claim in claims} - set(rows)
    titles = {title for row in rows.values() for title in row.measures}
    return Plan(
        title=", ".join(what),
        rows=list(rows.values()),
        measures={title: text for title, text in _MEASURES.items() if title in titles},
        # The same weights give the same answers: a released checkpoint has no seeds.
        seeds={name: range(1, (seeds if row.config else 1) + 1) for name, row in rows.items()},
        claims=list(claims),
        averages=list(_averages(rows)),
        others=[row for name in sorted(baselines) for row in _expand(name, own_gpus)[0]],
        setup=Setup(directory=os.getcwd()),
    )


def known_names() -> list[str]:
    """Return what can be named without a path: tables, figures, methods, bases, plans of the laptop, rows, recipes."""
    whole = [*sorted([*_TABLES, "table4", "fig2", *SWEEPS]), "methods", *paper.BASES, "calibrate", *plan_names()]
    rows = [*(run.name for run in paper.RUNS), *CHAINED, *LESSONS]
    ablations = [f"{sweep}/{row.name}" for sweep, rows_of_sweep in SWEEPS.items() for row in rows_of_sweep]
    return list(dict.fromkeys([*whole, *rows, *ablations, *recipe_names()]))


def _expand(name: str, own_gpus: int) -> tuple[list[RowPlan], list[ClaimPlan]]:
    if name == "calibrate":
        return [_released(model) for model in paper.RELEASED], []
    sweep, _, ablation = name.partition("/")
    if sweep in SWEEPS:
        return _sweep(sweep, ablation)
    if name == "table4":
        return list(_case_study()), []
    if name == "methods":
        rows, _ = _expand("table5", own_gpus)
        return rows, list(_between_methods())
    if name == "fig2":
        return [_with_curve(paper_row(paper.find_run(run), ["gsm8k"])) for run in _FIG2], []
    if name in CHAINED:
        return chained_rows(name, lambda source: _expand(source, own_gpus)[0][0]), []
    if name in LESSONS:
        return lesson_rows(name, lambda recipe: _recipe_row(recipe_path(recipe), recipe, recipe_gpus(recipe))), []
    table = _TABLES.get(name)
    runs = [run for run in paper.RUNS if name in (run.name, run.base) or (table and _scored(run, table))]
    if runs:
        rows = [paper_row(run, _scored(run, table)) for run in runs]
        return rows, [claim for run, row in zip(runs, rows, strict=True) for claim in _claims(run, row)]
    if recipe_path(name).is_file():
        return [_recipe_row(recipe_path(name), name, recipe_gpus(name))], []
    path = Path(name)
    if not path.is_file():
        raise unknown_name(name, known_names())
    # Two recipes of the same name in different places are different rows.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return [_recipe_row(path, f"{path.stem}-{digest}", own_gpus)], []


def _scored(run: paper.PaperRun, table: str | None) -> list[str]:
    """Return the benchmarks that a table has the run's scores on; all of them without a table."""
    return [benchmark for benchmark in run.scores if table is None or run.stands_in(table, benchmark)]


def paper_row(run: paper.PaperRun, benchmarks: Iterable[str]) -> RowPlan:
    """Return the row of one of the paper's runs, scored on ``benchmarks`` of it."""
    measures = _measures(paper.DATA[run.data].strategy, {benchmark: run.scores[benchmark] for benchmark in benchmarks})
    label = f"{paper.DATA[run.data].title}, {run.method.upper()}"
    config, gpus = load_recipe(run.name), recipe_gpus(run.name)
    return RowPlan(run.name, label, paper.BASES[run.base].title, measures, config, gpus=gpus)


def _measures(strategy: str, scores: Mapping[str, float | None]) -> dict[str, Measured]:
    """Return the measures by title for published scores, in percent or unknown, by benchmark."""
    tasks = {task.benchmark: task for task in TASKS_OF_TYPES[strategy]}
    return {
        paper.BENCHMARKS[benchmark]: Measured(
            tasks[benchmark], published=None if score is None else paper.as_share(score)
        )
        for benchmark, score in scores.items()
    }


def _case_study() -> Iterator[RowPlan]:
    """Yield the rows of Table 4, which may stand in other plans too; one question gives no verdict, so no claim."""
    for name, percents in paper.CASE_STUDY.items():
        ((row,), _) = _expand(name, 1)
        columns = zip(_CASE_STUDY.items(), percents, strict=True)
        yield replace(
            row,
            measures={
                title: replace(measured, published=paper.as_share(percent))
                for (title, (measured, _)), percent in columns
            },
        )


def _between_methods() -> Iterator[ClaimPlan]:
    """Yield what the captions of Tables 2 and 5 claim between methods; those on a benchmark are read together."""
    together = Counter(claim.benchmark for claim in paper.METHODS)
    for claim in paper.METHODS:
        margin = 0.0
        if claim.on_par:
            treated = paper.find_run(claim.treated)
            gain = paper.find_claim(treated.base, treated.data, claim.benchmark).difference
            margin = paper.as_share(gain / 2)
        yield ClaimPlan(
            paper.BENCHMARKS[claim.benchmark],
            claim.baseline,
            claim.treated,
            paper.as_share(claim.difference),
            claim.source,
            comparisons=together[claim.benchmark],
            margin=margin,
        )


def _averages(rows: Mapping[str, RowPlan]) -> Iterator[AveragePlan]:
    """Yield the paper's averages whose rows are all here, and scored on what is averaged."""
    for claim in paper.AVERAGES:
        title = paper.BENCHMARKS[claim.benchmark]
        if all(name in rows and title in rows[name].measures for pair in claim.pairs for name in pair):
            yield AveragePlan(title, claim.pairs, paper.as_share(claim.difference), claim.source)


def _with_curve(row: RowPlan) -> RowPlan:
    """Return the row of Figure 2, whose every checkpoint is kept and scored on GSM8K."""
    # Axolotl keeps four checkpoints where no limit is set.
    config = (row.config or {}) | {"save_strategy": "epoch", "save_total_limit": 1000}
    return replace(row, name=f"fig2/{row.name}", config=config, curve=row.measures[paper.BENCHMARKS["gsm8k"]].task)


def _claims(run: paper.PaperRun, row: RowPlan) -> list[ClaimPlan]:
    """Return the paper's differences for an MFT row, also where its SFT twin is not among the rows."""
    twin = f"{run.base}/{run.data}-sft"
    if run.method != "mft":
        return []
    return [
        ClaimPlan(title, twin, row.name, paper.as_share(claim.difference), claim.source)
        for benchmark, title in paper.BENCHMARKS.items()
        if title in row.measures and benchmark in paper.find_run(twin).scores
        for claim in [paper.find_claim(run.base, run.data, benchmark)]
    ]


def _sweep(name: str, ablation: str) -> tuple[list[RowPlan], list[ClaimPlan]]:
    """Return the rows of a sweep, or the one that is named, and the paper's differences from its SFT row."""
    rows = {f"{name}/{row.name}": _sweep_row(name, row) for row in SWEEPS[name]}
    claims = _sweep_claims(name)
    if not ablation:
        return list(rows.values()), claims
    chosen = f"{name}/{ablation}"
    if chosen not in rows:
        raise unknown_name(chosen, known_names())
    return [rows[chosen]], [claim for claim in claims if claim.treated == chosen]


def _sweep_row(sweep: str, ablation: Ablation) -> RowPlan:
    """Return a row on Llama-2-7B."""
    label = ", ".join(filter(None, (ablation.positions, ablation.noise, ablation.setting)))
    # The paper's SFT is trained for fewer epochs.
    recipe = "ablations/llama2-7b" if ablation.masks else "llama2-7b/gsm8k-sft"
    config = load_recipe(recipe) | {"cotmask": dict(ablation.block)}
    measures = _measures("gsm8k", {"gsm8k": ablation.accuracy})
    return RowPlan(f"{sweep}/{ablation.name}", label, sweep, measures, config, gpus=recipe_gpus(recipe))


def _sweep_claims(sweep: str) -> list[ClaimPlan]:
    ablations = {ablation.name: ablation for ablation in SWEEPS[sweep]}
    sft = next((ablation for ablation in SWEEPS[sweep] if not ablation.masks), None)
    claims = []
    for treated in SWEEPS[sweep]:
        baseline = ablations[treated.against] if treated.against else sft
        # Where the paper gives no number, or no difference, there is nothing to judge.
        if baseline is None or baseline.accuracy is None or treated.accuracy in (None, baseline.accuracy):
            continue
        claims.append(
            ClaimPlan(
                paper.BENCHMARKS["gsm8k"],
                f"{sweep}/{baseline.name}",
                f"{sweep}/{treated.name}",
                paper.as_share(round(treated.accuracy - baseline.accuracy, 1)),
                f"Table 3: {baseline.accuracy} and {treated.accuracy}",
            )
        )
    return [replace(claim, comparisons=len(claims)) for claim in claims]


def _released(model: paper.ReleasedModel) -> RowPlan:
    measures = _measures(paper.DATA[model.data].strategy, model.scores)
    return RowPlan(f"calibrate/{model.id}", model.id, "calibration", measures, model=model.id)


def _recipe_row(path: Path, name: str, gpus: int) -> RowPlan:
    """Return the row of a recipe that is none of the paper's runs, scored on all tasks of its data's form."""
    config = parse_yaml(path.read_bytes(), str(path))
    datasets = config.get("datasets") if isinstance(config, dict) else None
    if not datasets or not isinstance(datasets, list) or not all(isinstance(entry, dict) for entry in datasets):
        raise CoTMaskError(f"{path} is no recipe: it has no datasets")
    if config.get("use_ray"):
        raise CoTMaskError(f"{path} runs on a Ray cluster: train it with `axolotl train`, and score it with lm_eval")
    if "rl" in config:
        raise CoTMaskError(
            f"{path} trains on pairs of a model's own samples: name a row that makes them, such as {next(iter(_DPO))}"
        )
    strategy = str(datasets[0].get("type", "")).removeprefix(_STRATEGIES)
    if strategy not in TASKS_OF_TYPES:
        raise CoTMaskError(
            f"{path}: no task is known for data of the type {strategy}: train it with `axolotl train` and score it "
            f"with lm_eval, or use one of the types {', '.join(_STRATEGIES + known for known in TASKS_OF_TYPES)}"
        )
    measures = _measures(strategy, {task.benchmark: None for task in TASKS_OF_TYPES[strategy]})
    # Local files are inputs: when they change, the run is trained anew.
    paths = [Path(str(entry.get("path") or "")) for entry in datasets]
    files = [str(path.resolve()) for path in paths if path.is_file()]
    return RowPlan(name, name, "recipes", measures, config, gpus=gpus, needs=files)
