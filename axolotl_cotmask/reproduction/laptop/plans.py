"""The laptop's plans: models of half a million parameters, held to what the paper says of large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.laptop.settings import read_settings
from axolotl_cotmask.reproduction.layout import dependency_file
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.facts import PaperClaim
from axolotl_cotmask.reproduction.paper_plan import GSM8K, GSM_IC
from axolotl_cotmask.reproduction.plan import (
    ClaimPlan,
    CoreSeconds,
    ExtraRules,
    Measured,
    Plan,
    RowPlan,
    Setup,
    Task,
)
from axolotl_cotmask.reproduction.recipes import load_recipe, parse_yaml

#: The base that stands for a large model: it copies from nearby when nothing else is asked for.
COPYING = "copying"

_CAVEAT = (
    "These are models of half a million parameters on made-up problems: what stands here holds for them, and is no "
    "evidence for or against the accuracy that the paper reports for large models."
)
_BASES = {
    COPYING: f"`{COPYING}` is a base with the copying habit, as large models have it: its training ended with "
    "annotated steps without a question, whose numbers can only be copied from their neighbours.",
    "plain": "`plain` is a base without it: the same training, with no annotated step ever seen. Beside the other it "
    "shows how much rests on the habit.",
}
_CORRUPTED = Task("cotmask_corrupted_step")
_REPLACED = "after a step in which one number of the question was replaced by another, the next annotation has the "
#: The measures by title, each with what it is.
_MEASURES = {
    "clean": (Measured(GSM8K), "accuracy on the test problems as they are"),
    "irrelevant sentence": (Measured(GSM_IC), "accuracy with an irrelevant sentence in each problem"),
    "follows the question": (Measured(_CORRUPTED, "follows_question"), f"{_REPLACED}question's number"),
    "copies the prefix": (Measured(_CORRUPTED, "copies_prefix"), "it has the replaced one"),
    "right after all": (Measured(_CORRUPTED), "the final answer is right nonetheless"),
}
#: Seconds that the parts took on one core each (bench/RESULTS.md).
_SECONDS = CoreSeconds(shared=456.0, start=15.0, step=0.37, task=25.0)
_DATA = "data"


def _claimed(noise: str) -> dict[str, PaperClaim]:
    """Return what the paper claims of MFT with this noise, by measure."""
    return {
        "clean": paper.find_claim("llama2-7b", "gsm8k", "gsm8k"),
        "irrelevant sentence": paper.find_claim("llama2-7b", "gsm8k", "gsm_ic"),
        "follows the question": paper.CORRUPTED_STEP_MASK if noise == "mask" else paper.CORRUPTED_STEP_RANDOM,
    }


def is_laptop(name: str) -> bool:
    """Tell whether ``name`` is a plan of the laptop: laptop, demo, or the path of a YAML with base models."""
    if name in ("laptop", "demo"):
        return True
    if Path(name).suffix != ".yaml" or not Path(name).is_file():
        return False
    settings = parse_yaml(Path(name).read_bytes(), name)
    return isinstance(settings, dict) and "bases" in settings


def laptop_plan(name: str) -> Plan:
    """Return the plan ``laptop`` or ``demo``: the recipes of recipes/laptop from one or two base models.

    Args:
        name: of the YAML beside this module, or its path.

    Raises:
        CoTMaskError: as `read_settings`.
    """
    settings = read_settings(name, runs=True)
    rows, seeds = [], {}
    for base, recipes in settings["runs"].items():
        for recipe, count in recipes.items():
            row = _row(base, recipe, settings)
            rows.append(row)
            seeds[row.name] = range(1, count + 1)
    plan = _without_rows("SFT and MFT on a laptop", settings)
    notes = [*plan.notes, *(_BASES[base] for base in settings["runs"])]
    return replace(plan, rows=rows, seeds=seeds, claims=_claims(rows), notes=notes)


def _row(base: str, recipe: str, settings: Mapping[str, Any]) -> RowPlan:
    config = load_recipe(f"laptop/{recipe}") | {"base_model": f"./bases/{base}", "max_steps": settings["steps"]}
    ratio, noise = config["cotmask"]["mask_ratio"], config["cotmask"].get("noise")
    label = f"MFT, {noise} {ratio}" if ratio else "SFT"
    return RowPlan(f"{base}/{recipe}", label, base, _measures(settings), config, gpus=0, needs=_needs(base))


def _needs(base: str) -> tuple[str, ...]:
    return f"bases/{base}", f"{_DATA}/gsm8k_train.jsonl"


def _claims(rows: Sequence[RowPlan]) -> list[ClaimPlan]:
    """Return the paper's differences for the rows from the base that stands for a large model."""
    blocks = [(row, (row.config or {})["cotmask"]) for row in rows if row.group == COPYING]
    masked = [(row, block["noise"]) for row, block in blocks if block["mask_ratio"]]
    return [
        ClaimPlan(title, sft.name, row.name, paper.as_share(claim.difference), claim.source, len(masked))
        for sft, block in blocks
        if not block["mask_ratio"]
        for row, noise in masked
        for title, claim in _claimed(noise).items()
        if title in row.measures
    ]


def tiny_plan(plan: Plan, name: str = "tiny") -> Plan:
    """Return the tiny version of a plan: its rows' ``cotmask:`` blocks on the laptop's problems.

    Args:
        plan: whose rows train something.
        name: of the YAML beside this module that says how small, or its path.

    Raises:
        CoTMaskError: a row trains nothing; or as `read_settings`.
    """
    settings, gsm8k = read_settings(name, runs=False), paper.BENCHMARKS["gsm8k"]
    config = load_recipe("ablations/tiny") | {"max_steps": settings["steps"]}

    def tiny(row: RowPlan) -> RowPlan:
        if row.config is None:
            raise CoTMaskError(f"{row.name} is a released checkpoint: it has no tiny version")
        block = {"cotmask": row.config.get("cotmask") or {"mask_ratio": 0}}
        # The score that the paper has on GSM8K stands beside the laptop's clean problems.
        published = row.measures[gsm8k].published if gsm8k in row.measures else None
        measures = _measures(settings)
        measures["clean"] = replace(measures["clean"], published=published)
        name, needs = f"tiny/{row.name}", _needs(COPYING)
        return RowPlan(name, row.label, row.group, measures, config | block, gpus=0, needs=needs)

    claims = [
        replace(claim, measure="clean", baseline=f"tiny/{claim.baseline}", treated=f"tiny/{claim.treated}")
        for claim in plan.claims
        if claim.measure == gsm8k
    ]
    return replace(
        _without_rows(f"{plan.title}, in small", settings),
        rows=[tiny(row) for row in plan.rows],
        others=[tiny(row) for row in plan.others],
        seeds={f"tiny/{name}": numbers for name, numbers in plan.seeds.items()},
        claims=claims,
    )


def _measures(settings: Mapping[str, Any]) -> dict[str, Measured]:
    """Return the measures of the tasks that the settings name."""
    return {title: measured for title, (measured, _) in _MEASURES.items() if measured.task.name in settings["tasks"]}


def _without_rows(title: str, settings: dict[str, Any]) -> Plan:
    """Return what all of the laptop's plans have in common."""
    data, dependency = settings["data"], list(settings.get("runs", ()))
    size = (
        f"{data['train_rows']} training problems, {settings['steps']} steps, through `axolotl train`; "
        f"{data['test_rows']} test problems, through `lm_eval`. Seeds differ in masks and order of the data; the base "
        "model and the training problems are the same for all, so the intervals say nothing about other ones."
    )
    return Plan(
        title=title,
        rows=(),
        measures={title: _MEASURES[title][1] for title in _measures(settings)},
        seeds={},
        notes=[_CAVEAT, size],
        setup=Setup(
            device="cpu",
            data_dir=_DATA,
            test_data=(f"{_DATA}/gsm8k_test.jsonl",),
            # The longest solution takes about 80 tokens.
            generation="max_gen_toks=100",
            keep_weights=True,
        ),
        extra_rules=ExtraRules(
            str(Path(__file__).with_name("Snakefile")),
            settings,
            {"problems.log": _DATA}
            | {f"base-{base}.log": f"bases/{base}" for base in sorted({"common", *settings["bases"]})}
            | {f"dependency-{group}.log": str(dependency_file(Path(), group)) for group in sorted(dependency)},
        ),
        dependency=dependency,
        core_seconds=_SECONDS,
    )
