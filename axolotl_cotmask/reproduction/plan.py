"""From a name to a plan: which runs there are, what each trains and is scored on, and which claims they are held to.

A plan is written as ``plan.json`` into the output directory; `Snakefile`, the stages and the report read it there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.ablations import SWEEPS

Config = dict[str, Any]

#: lm-eval tasks by the data's strategy and the benchmark's key in `paper`: a model is asked in its data's form.
_TASKS: Mapping[str, Mapping[str, str]] = {
    "gsm8k": {"gsm8k": "cotmask_gsm8k", "gsm_ic": "cotmask_gsm_ic"},
    "query_response": {"gsm8k": "cotmask_gsm8k", "gsm_ic": "cotmask_gsm_ic"},
    "math": {"math": "cotmask_math"},
    "metamath": {"gsm8k": "cotmask_metamath_gsm8k", "math": "cotmask_metamath_math"},
    "mathinstruct": {"gsm8k": "cotmask_mammoth_gsm8k", "math": "cotmask_mammoth_math"},
    "gsm8k_chat": {"gsm8k": "cotmask_gsm8k_chat"},
}
_STRATEGIES = "axolotl_cotmask.prompt_strategies."
_EXACT = "exact_match"
_BENCHMARKS = {title: f"accuracy on {title} by the paper's rule" for title in paper.BENCHMARKS.values()}
_FIG2 = ("mistral-7b/mammoth-sft", "mistral-7b/mammoth-mft")


@dataclass(frozen=True)
class Measured:
    """A row's column: the lm-eval task and its metric, and the published number in percent, where there is one."""

    task: str
    metric: str = _EXACT
    published: float | None = None


@dataclass(frozen=True)
class RowPlan:
    """What the seeds of a row have in common.

    ``config`` is the Axolotl YAML; None for a released checkpoint, which ``model`` then names. ``measures`` are by
    title. ``needs`` are files below the output directory that must be made first. ``curve`` is the task that every
    checkpoint is scored on.
    """

    name: str
    label: str
    group: str
    measures: Mapping[str, Measured]
    config: Config | None = None
    model: str | None = None
    gpus: int = 1
    needs: Sequence[str] = ()
    curve: str = ""


@dataclass(frozen=True)
class ClaimPlan:
    """A published difference between two rows, in percentage points of the measure.

    ``comparisons`` counts the claims that are read together, also where only some of them are run: their intervals hold
    at once.
    """

    measure: str
    baseline: str
    treated: str
    difference: float
    source: str
    comparisons: int = 1


@dataclass(frozen=True)
class Plan:
    """Rows and seeds, claims on them, and how they are evaluated.

    ``others`` are rows that a claim compares with and that are not run: they may lie in the same directory already.
    ``device`` is cpu or cuda; ``directory`` is where relative paths in the recipes start ("" is the output directory).
    ``generation`` are lm-eval's gen_kwargs; ``lm_eval`` is the program, which vLLM has in an environment of its own.
    ``confirm_run_unsafe_code``: programs that a model wrote may run, in the sandbox. ``laptop`` holds the settings of
    the rules that make the laptop's problems and base models.
    """

    title: str
    rows: Sequence[RowPlan]
    measures: Mapping[str, str]
    seeds: Mapping[str, Sequence[int]]
    claims: Sequence[ClaimPlan] = ()
    others: Sequence[RowPlan] = ()
    notes: Sequence[str] = ()
    command: str = ""
    backend: str = "hf"
    device: str = "cuda"
    directory: str = ""
    generation: str = ""
    lm_eval: str = "lm_eval"
    confirm_run_unsafe_code: bool = False
    keep_weights: bool = False
    laptop: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data, with its cells by name; Snakemake's config."""
        cells = {
            f"{row.name}/seed-{seed}": {
                "config": config_of(row, seed),
                "model": row.model,
                "tasks": sorted({measured.task for measured in row.measures.values()}),
                "gpus": row.gpus,
                "needs": list(row.needs),
                "curve": row.curve,
            }
            for row in self.rows
            for seed in self.seeds[row.name]
        }
        return asdict(self) | {"cells": cells}


def config_of(row: RowPlan, seed: int) -> Config | None:
    """Return the recipe of one cell; None for a released checkpoint."""
    return row.config and row.config | {"seed": seed}


def make_plan(what: Sequence[str], seeds: int) -> Plan:
    """Expand names into rows.

    Args:
        what: rows (``llama2-7b/gsm8k-mft``), tables, figures, base models, paths to recipes, ``calibrate``.
        seeds: each row is trained with the seeds 1 .. ``seeds``.

    Raises:
        CoTMaskError: a name says nothing, or two rows would have the same name.
    """
    rows: dict[str, RowPlan] = {}
    claims: dict[ClaimPlan, None] = {}
    for name in what:
        found, claimed = _expand(name)
        for row in found:
            other = rows.setdefault(row.name, row)
            if other.config != row.config:
                raise CoTMaskError(f"two recipes are called {row.name}: rename one of them")
            rows[row.name] = replace(other, measures={**other.measures, **row.measures}, curve=other.curve or row.curve)
        claims |= dict.fromkeys(claimed)
    baselines = {claim.baseline for claim in claims} - set(rows)
    titles = {title for row in rows.values() for title in row.measures}
    return Plan(
        title=", ".join(what),
        rows=list(rows.values()),
        measures={title: text for title, text in _BENCHMARKS.items() if title in titles},
        # The same weights give the same answers: a released checkpoint has no seeds.
        seeds={name: range(1, (seeds if row.config else 1) + 1) for name, row in rows.items()},
        claims=list(claims),
        others=[row for name in sorted(baselines) for row in _expand(name)[0]],
        directory=os.getcwd(),
    )


def _expand(name: str) -> tuple[list[RowPlan], list[ClaimPlan]]:
    if name == "calibrate":
        return [_released(model) for model in paper.RELEASED], []
    sweep, _, ablation = name.partition("/")
    if sweep in SWEEPS:
        rows, claims = _sweep(sweep)
        chosen = [row for row in rows if not ablation or row.name == name]
        if not chosen:
            raise CoTMaskError(f"{sweep} has no row {ablation}: it has {', '.join(row.name for row in rows)}")
        return chosen, [claim for claim in claims if claim.treated in {row.name for row in chosen}]
    if name == "fig2":
        rows = [paper_row(paper.find_run(run), ["gsm8k"]) for run in _FIG2]
        # Axolotl keeps four checkpoints where no limit is set.
        every = {"save_strategy": "epoch", "save_total_limit": 1000}
        curves = [
            replace(row, name=f"fig2/{row.name}", config=(row.config or {}) | every, curve=row.measures["GSM8K"].task)
            for row in rows
        ]
        return curves, []
    table = name.replace("table", "Table ") if name.startswith("table") else None
    runs = [run for run in paper.RUNS if name in (run.name, run.base) or (table and _scored(run, table))]
    if runs:
        rows = [paper_row(run, _scored(run, table)) for run in runs]
        return rows, _claims(rows)
    known, path = directory("recipes") / f"{name}.yaml", Path(name)
    if known.is_file():
        return [_of_recipe(known, name)], []
    if not path.is_file():
        raise CoTMaskError(
            f"there is nothing called {name} to reproduce: name a row such as llama2-7b/gsm8k-mft, a table (table1, "
            f"table2, table3, table5), fig2, fig3, a base ({', '.join(paper.BASES)}), laptop, or the path of a recipe"
        )
    # Two recipes of the same name in different places are different rows.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return [_of_recipe(path, f"{path.stem}-{digest}")], []


def _scored(run: paper.Run, table: str | None) -> list[str]:
    """Return the benchmarks that a table has the run's scores on; all of them without a table."""
    return [benchmark for benchmark in run.scores if table is None or run.stands_in(table, benchmark)]


def paper_row(run: paper.Run, benchmarks: Iterable[str]) -> RowPlan:
    """Return the row of one of the paper's runs, scored on ``benchmarks`` of it."""
    tasks = _TASKS[paper.DATA[run.data].strategy]
    measures = {paper.BENCHMARKS[b]: Measured(tasks[b], published=run.scores[b]) for b in benchmarks}
    label = f"{paper.DATA[run.data].title}, {run.method.upper()}"
    return RowPlan(run.name, label, paper.BASES[run.base].title, measures, recipe(run.name), gpus=paper.GPUS)


def _claims(rows: Sequence[RowPlan]) -> list[ClaimPlan]:
    """Return the paper's differences for every MFT row, also where its SFT twin is not among the rows."""
    claims = []
    for row in rows:
        run = paper.find_run(row.name)
        for benchmark, title in paper.BENCHMARKS.items():
            twin = f"{run.base}/{run.data}-sft"
            if run.method == "mft" and title in row.measures and benchmark in paper.find_run(twin).scores:
                claim = paper.claim(run.base, run.data, benchmark)
                claims.append(ClaimPlan(title, twin, row.name, claim.difference, claim.source))
    return claims


def _sweep(name: str) -> tuple[list[RowPlan], list[ClaimPlan]]:
    """Return the rows of a sweep on Llama-2-7B, and the paper's differences from its SFT row."""
    config = recipe("ablations/llama2-7b")
    rows = []
    for ablation in SWEEPS[name]:
        label = ", ".join(filter(None, (ablation.where, ablation.noise, ablation.setting)))
        measures = {"GSM8K": Measured("cotmask_gsm8k", published=ablation.accuracy)}
        # The paper's SFT is trained for fewer epochs.
        plain = recipe("llama2-7b/gsm8k-sft") if ablation.block["mask_ratio"] == 0 else config
        block = plain | {"cotmask": dict(ablation.block)}
        rows.append(RowPlan(f"{name}/{ablation.name}", label, name, measures, block, gpus=paper.GPUS))
    sft = next((ablation for ablation in SWEEPS[name] if ablation.block["mask_ratio"] == 0), None)
    claims = []
    for other in SWEEPS[name]:
        # Where the paper gives no number, or no difference, there is nothing to judge.
        if (
            sft is not None
            and sft.accuracy is not None
            and other.accuracy is not None
            and other.accuracy != sft.accuracy
        ):
            difference = round(other.accuracy - sft.accuracy, 1)
            source = f"Table 3: {sft.accuracy} and {other.accuracy}"
            claims.append(ClaimPlan("GSM8K", f"{name}/{sft.name}", f"{name}/{other.name}", difference, source))
    return rows, [replace(claim, comparisons=len(claims)) for claim in claims]


def _released(model: paper.Released) -> RowPlan:
    tasks = _TASKS[paper.DATA[model.data].strategy]
    measures = {paper.BENCHMARKS[b]: Measured(tasks[b], published=score) for b, score in model.scores.items()}
    return RowPlan(f"calibrate/{model.id}", model.id, "calibration", measures, model=model.id)


def _of_recipe(path: Path, name: str) -> RowPlan:
    text = path.read_text(encoding="utf-8")
    config = parse_yaml(text, str(path))
    if not isinstance(config, dict) or not config.get("datasets"):
        raise CoTMaskError(f"{path} is no recipe: it has no datasets")
    kind = str(config["datasets"][0].get("type", "")).removeprefix(_STRATEGIES)
    if kind not in _TASKS:
        raise CoTMaskError(
            f"{path}: no task is known for data of the type {kind}: train it with `axolotl train` and score it with "
            f"lm_eval, or use one of the types {', '.join(_STRATEGIES + known for known in _TASKS)}"
        )
    if config.get("use_ray"):
        raise CoTMaskError(f"{path} runs on a Ray cluster: train it with `axolotl train`, and score it with lm_eval")
    measures = {paper.BENCHMARKS[benchmark]: Measured(task) for benchmark, task in _TASKS[kind].items()}
    gpus = re.search(r"For (\d+) GPUs? of", text)
    # Local files are inputs: when they change, the run is trained anew.
    files = [
        str(Path(entry["path"]).resolve()) for entry in config["datasets"] if Path(entry.get("path", "")).is_file()
    ]
    return RowPlan(name, name, "recipes", measures, config, gpus=int(gpus[1]) if gpus else 1, needs=files)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML; ``where`` it stands is for the sentence.

    Raises:
        CoTMaskError: it is none.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CoTMaskError(f"{where}: this is no YAML: {' '.join(str(error).split())}") from error


def recipe(name: str) -> Config:
    """Return a recipe by its path below ``recipes/``, without its suffix."""
    return yaml.safe_load((directory("recipes") / f"{name}.yaml").read_text(encoding="utf-8"))


def with_settings(plan: Plan, settings: Sequence[str], gpus: int | None) -> Plan:
    """Return the plan with ``key=value`` set in every recipe, and with another number of GPUs at the same batch size.

    What is set stands in the name of every row that it changes; the claims stay those of the paper.

    Raises:
        CoTMaskError: a setting is no ``key=value`` or changes no row, or the batch cannot be split over so many GPUs.
    """
    names = {}

    def changed(row: RowPlan) -> RowPlan:
        chosen = [setting for setting in settings if _concerns(setting, row)]
        # A `=` ends the label in the analyses' LABEL=MODEL; a shell or a path may take other signs for its own.
        suffix = re.sub(r"[^\w.:,+-]+", "_", "".join(f",{setting}" for setting in chosen).replace("=", ":"))
        names[row.name] = row.name + suffix
        config = row.config and _changed(row, row.config, chosen, gpus)
        return replace(row, name=names[row.name], config=config, gpus=gpus or row.gpus)

    for setting in settings:
        if not any(_concerns(setting, row) for row in plan.rows):
            raise CoTMaskError(f"--set {setting} changes no row: what is named is plain SFT, or not trained")
    return replace(
        plan,
        rows=[changed(row) for row in plan.rows],
        others=[changed(row) for row in plan.others],
        seeds={names[name]: seeds for name, seeds in plan.seeds.items()},
        claims=[replace(c, baseline=names[c.baseline], treated=names[c.treated]) for c in plan.claims],
    )


def _concerns(setting: str, row: RowPlan) -> bool:
    """Tell whether a row is changed by a setting: nothing is trained with a released one, nor masked by plain SFT."""
    if row.config is None:
        return False
    return not setting.startswith("cotmask.") or bool((row.config.get("cotmask") or {}).get("mask_ratio"))


def _changed(row: RowPlan, config: Config, settings: Sequence[str], gpus: int | None) -> Config:
    config = dict(config)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise CoTMaskError(f"--set {setting}: write key=value, such as --set cotmask.mask_ratio=0.2")
        _set(config, key.split("."), parse_yaml(value, f"--set {setting}"))
    if gpus and gpus != row.gpus:
        accumulation = config.get("gradient_accumulation_steps", 1) * row.gpus / gpus
        if not accumulation.is_integer() or not accumulation:
            raise CoTMaskError(
                f"{row.name}: its batch for {row.gpus} GPUs cannot be split over {gpus}: choose a number that "
                "divides it, or set micro_batch_size and gradient_accumulation_steps"
            )
        config["gradient_accumulation_steps"] = int(accumulation)
    return config


def _set(config: Config, keys: Sequence[str], value: Any) -> None:
    first, *rest = keys
    if rest:
        config[first] = dict(config.get(first) or {})
        _set(config[first], rest, value)
    else:
        config[first] = value
