"""The laptop reproduction's report: every arm and seed, differences with intervals, verdicts, dependency, a figure."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask import paper
from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.files import whole_file
from axolotl_cotmask.paper import Claim
from axolotl_cotmask.results import read_json, read_results
from axolotl_cotmask.statistics import VERDICT_RULE, Estimate, over_seeds, verdict

BASELINE = "sft"
#: The base that stands for a large model: it copies from nearby when nothing else is asked for.
COPYING = "copying"

CAVEAT = (
    "These are models of half a million parameters on made-up problems: what stands here holds for them, and is no "
    "evidence for or against the accuracy that the paper reports for large models."
)
_BASES = {
    COPYING: "a base with the copying habit, as large models have it: its training ended with annotated steps without "
    "a question, whose numbers can only be copied from their neighbours",
    "plain": "a base without it: the same training, with no annotated step ever seen. Beside the other it shows "
    "how much rests on the habit",
}


@dataclass(frozen=True)
class Measure:
    """A column of the report: which metric of which lm-eval task, and what the paper claims of it, by noise."""

    title: str
    task: str
    metric: str
    claims: Mapping[str, Claim] | None = None


_CORRUPTED = "cotmask_corrupted_step"
_GSM8K, _GSM_IC = (paper.claim("llama2-7b", "gsm8k", benchmark) for benchmark in ("gsm8k", "gsm_ic"))
MEASURES = (
    Measure("clean", "cotmask_gsm8k", "exact_match", {"mask": _GSM8K, "random": _GSM8K}),
    Measure("irrelevant sentence", "cotmask_gsm_ic", "exact_match", {"mask": _GSM_IC, "random": _GSM_IC}),
    Measure(
        "follows the question",
        _CORRUPTED,
        "follows_question",
        {"mask": paper.CORRUPTED_STEP_MASK, "random": paper.CORRUPTED_STEP_RANDOM},
    ),
    Measure("copies the prefix", _CORRUPTED, "copies_prefix"),
    Measure("right after all", _CORRUPTED, "exact_match"),
)

#: Percentages by base, recipe, measure title and seed.
Values = dict[str, dict[str, dict[str, list[float]]]]


def read_values(directory: Path, runs: Mapping[str, Mapping[str, int]]) -> Values:
    """Return what lm-eval measured for every run that the plan names.

    Args:
        directory: the directory of the laptop reproduction.
        runs: by base and recipe the number of seeds.

    Raises:
        CoTMaskError: a run has no complete results.
    """
    values: Values = {}
    tasks = list(dict.fromkeys(measure.task for measure in MEASURES))
    for base, recipes in runs.items():
        for recipe, seeds in recipes.items():
            columns = values.setdefault(base, {}).setdefault(recipe, {measure.title: [] for measure in MEASURES})
            for seed in range(1, seeds + 1):
                scores = directory / "runs" / base / recipe / str(seed) / "scores"
                results = read_results(scores, tasks)
                for measure in MEASURES:
                    if measure.task not in results:
                        raise CoTMaskError(f"{scores}: {measure.task} was not scored there: evaluate this run again")
                    columns[measure.title].append(100 * results[measure.task].metrics[measure.metric])
    return values


def label(recipe: str) -> str:
    """Return how the report calls a recipe: ``mft-random-0.2`` is ``MFT, random 0.2``."""
    method, _, noise = recipe.partition("-")
    return method.upper() + (f", {noise.replace('-', ' ')}" if noise else "")


def differences(recipes: Mapping[str, Mapping[str, Sequence[float]]], measure: Measure) -> dict[str, Estimate]:
    """Return MFT minus SFT by recipe, paired by seed, with intervals that hold together for all recipes."""
    others = [recipe for recipe in recipes if recipe != BASELINE]
    baseline = recipes[BASELINE][measure.title]
    return {
        recipe: over_seeds(
            [mft - sft for mft, sft in zip(recipes[recipe][measure.title], baseline, strict=False)], len(others)
        )
        for recipe in others
    }


def _number(estimate: Estimate, sign: str = "") -> str:
    text = f"{estimate.value:{sign}.1f}"
    if math.isinf(estimate.low):
        return text
    return f"{text} [{estimate.low:{sign}.1f}, {estimate.high:{sign}.1f}]"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["---", *("---:" for _ in header[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, align, *rows))


def _scores_section(base: str, recipes: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    rows = [
        [label(recipe), str(len(columns[MEASURES[0].title]))]
        + [_number(over_seeds(columns[measure.title])) for measure in MEASURES]
        for recipe, columns in recipes.items()
    ]
    seeds = [
        [label(recipe), *(", ".join(f"{value:.1f}" for value in columns[measure.title]) for measure in MEASURES)]
        for recipe, columns in recipes.items()
    ]
    titles = [measure.title for measure in MEASURES]
    return (
        f"## From the base `{base}`\n\nThis is {_BASES[base]}.\n\n{_table(['', 'seeds', *titles], rows)}\n"
        f"<details><summary>each seed</summary>\n\n{_table(['', *titles], seeds)}\n</details>\n"
    )


def _verdicts_section(recipes: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    rows = []
    for measure in MEASURES:
        if measure.claims is None:
            continue
        for recipe, difference in differences(recipes, measure).items():
            claim = measure.claims[recipe.split("-")[1]]
            rows.append(
                [
                    f"{measure.title}: {label(recipe)}",
                    _number(difference, "+"),
                    f"{claim.difference:+.1f} ({claim.source})",
                    verdict(claim.difference, difference),
                ]
            )
    return (
        f"## Verdicts\n\nMFT minus SFT in percentage points, paired by seed, from the base `{COPYING}`. {VERDICT_RULE} "
        "The intervals of a measure hold together for all its recipes (Bonferroni); a single seed has no interval.\n\n"
        f"{_table(['', 'measured here', 'claimed', 'verdict'], rows)}"
    )


#: Shares by base, recipe, source (question or chain), bucket and seed.
Dependency = dict[str, dict[str, dict[str, dict[str, list[float]]]]]


def read_dependency(directory: Path, runs: Mapping[str, Mapping[str, int]]) -> Dependency:
    """Return the measured dependency (``axolotl cotmask analyze dependency``) of every run, in percent.

    Raises:
        CoTMaskError: a file is missing or broken.
    """
    found: Dependency = {}
    for base, recipes in runs.items():
        models = read_json(directory / "dependency" / f"{base}.json")
        for recipe, seeds in recipes.items():
            of_recipe = found.setdefault(base, {}).setdefault(recipe, {})
            for seed in range(1, seeds + 1):
                for cell in models[f"{recipe}/{seed}"]["cells"]:
                    if cell["share"] is not None:
                        distances = f"{cell['low']}+" if cell["high"] is None else f"{cell['low']}-{cell['high']}"
                        shares = of_recipe.setdefault(cell["source"], {}).setdefault(distances, [])
                        shares.append(100 * cell["share"]["value"])
    return found


def _dependency_section(base: str, recipes: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    cells = [(source, bucket) for source, buckets in next(iter(recipes.values())).items() for bucket in buckets]
    rows = [
        [
            f"{source}, {bucket} tokens back",
            *(_number(over_seeds(found.get(source, {}).get(bucket, [math.nan]))) for found in recipes.values()),
        ]
        for source, bucket in cells
    ]
    return f"From `{base}`:\n\n{_table(['', *(label(recipe) for recipe in recipes)], rows)}"


def _minutes(directory: Path) -> float:
    """Return the sum of the wall time of all stages, in minutes."""
    seconds = 0.0
    for path in (directory / "seconds").glob("*.tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            seconds += sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
    return seconds / 60


def write_report(directory: Path, plan: Path) -> None:
    """Write ``report.md`` and ``report.png`` into ``directory``; each appears whole or not at all.

    Args:
        directory: where the runs are.
        plan: the YAML that says which runs there are.

    Raises:
        CoTMaskError: a run's results are missing or broken, or matplotlib is not installed.
    """
    settings: dict[str, Any] = yaml.safe_load(plan.read_text(encoding="utf-8"))
    values = read_values(directory, settings["runs"])
    dependency = read_dependency(directory, settings["runs"])
    from axolotl_cotmask.laptop.figure import draw

    with whole_file(directory / "report.png") as temporary:
        draw(values, dependency, temporary)
    data = settings["data"]
    sections = [
        "# SFT and MFT on a laptop\n",
        f"{CAVEAT}\n",
        "![what each arm follows, how accurate it is, and what its predictions depend on](report.png)\n",
        f"{data['train_rows']} training problems, {settings['steps']} steps, through `axolotl train`; "
        f"{data['test_rows']} test problems, through `lm_eval`: as they are (*clean*), with an *irrelevant sentence*, "
        "and with a step of the solution forced in which one number of the question is replaced by another. After such "
        "a corrupted step a model either *follows the question* in the annotation that it writes next, or *copies the "
        "prefix*; *right after all* is the share of its final answers that are right nonetheless. All in percent: the "
        "mean over seeds and its 95 % interval. Seeds differ in masks and order of the data; base model, training and "
        "test problems are the same for all, so the intervals say nothing about other ones.\n",
        *(_scores_section(base, recipes) for base, recipes in values.items()),
        _verdicts_section(values[COPYING]),
        "## Dependency (Fig. 1 of the paper)\n\nA number is replaced by another one, in the question or in the chain "
        "of thought before; share of the later numbers in the chain that are then predicted otherwise, in percent.\n",
        *(_dependency_section(base, recipes) for base, recipes in dependency.items()),
        f"## Time\n\nAll stages one after the other: {_minutes(directory):.0f} minutes; side by side they took less.\n",
    ]
    with whole_file(directory / "report.md") as temporary:
        temporary.write_text("\n".join(sections), encoding="utf-8")
