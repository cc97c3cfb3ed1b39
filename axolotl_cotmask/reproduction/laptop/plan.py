"""The laptop's plans: models of half a million parameters, held to what the paper says of large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.facts import Claim
from axolotl_cotmask.reproduction.plan import ClaimPlan, Measured, Plan, RowPlan, parse_yaml, recipe

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
_CORRUPTED = "cotmask_corrupted_step"
_MEASURES = {
    "clean": Measured("cotmask_gsm8k"),
    "irrelevant sentence": Measured("cotmask_gsm_ic"),
    "follows the question": Measured(_CORRUPTED, "follows_question"),
    "copies the prefix": Measured(_CORRUPTED, "copies_prefix"),
    "right after all": Measured(_CORRUPTED),
}
_TEXTS = {
    "clean": "accuracy on the test problems as they are",
    "irrelevant sentence": "accuracy with an irrelevant sentence in each problem",
    "follows the question": "after a step in which one number of the question was replaced by another, the next "
    "annotation has the question's number",
    "copies the prefix": "it has the replaced one",
    "right after all": "the final answer is right nonetheless",
}


def _claimed(noise: str) -> dict[str, Claim]:
    return {
        "clean": paper.claim("llama2-7b", "gsm8k", "gsm8k"),
        "irrelevant sentence": paper.claim("llama2-7b", "gsm8k", "gsm_ic"),
        "follows the question": paper.CORRUPTED_STEP_MASK if noise == "mask" else paper.CORRUPTED_STEP_RANDOM,
    }


def is_laptop(name: str) -> bool:
    """Tell whether ``name`` is a plan of the laptop: laptop, demo, or the path of a YAML with base models."""
    path = Path(name)
    return name in ("laptop", "demo") or (path.suffix == ".yaml" and path.is_file() and "bases" in _settings(name))


def laptop_plan(name: str) -> Plan:
    """Return the plan ``laptop`` or ``demo``: the recipes of recipes/laptop from one or two base models.

    Args:
        name: of the YAML beside this module, or its path.
    """
    settings = _settings(name)
    rows = []
    seeds = {}
    for base, recipes in settings["runs"].items():
        for found, count in recipes.items():
            config = recipe(f"laptop/{found}") | {"base_model": f"./bases/{base}", "max_steps": settings["steps"]}
            method, _, noise = found.partition("-")
            label = method.upper() + (f", {noise.replace('-', ' ')}" if noise else "")
            needs = (f"bases/{base}", "data/gsm8k_train.jsonl")
            rows.append(RowPlan(f"{base}/{found}", label, base, _of(settings), config, gpus=0, needs=needs))
            seeds[f"{base}/{found}"] = range(1, count + 1)
    masked = [found for found in settings["runs"][COPYING] if found != "sft"]
    claims = [
        ClaimPlan(title, f"{COPYING}/sft", f"{COPYING}/{found}", claim.difference, claim.source, len(masked))
        for found in masked
        for title, claim in _claimed(found.split("-")[1]).items()
        if title in _of(settings)
    ]
    notes = [_CAVEAT, _setting(settings), *(_BASES[base] for base in settings["runs"])]
    return _plan("SFT and MFT on a laptop", settings, rows, seeds, claims, notes)


def tiny_plan(plan: Plan, name: str = "tiny") -> Plan:
    """Return the tiny version of a plan: its rows' ``cotmask:`` blocks on the laptop's problems.

    Args:
        plan: whose rows train something.
        name: of the YAML beside this module that says how small, or its path.

    Raises:
        CoTMaskError: a row trains nothing.
    """
    settings = _settings(name)
    config = recipe("ablations/tiny") | {"max_steps": settings["steps"]}

    def tiny(row: RowPlan) -> RowPlan:
        if row.config is None:
            raise CoTMaskError(f"{row.name} is a released checkpoint: it has no tiny version")
        block = {"cotmask": row.config.get("cotmask") or {"mask_ratio": 0}}
        # The score that the paper has on GSM8K stands beside the laptop's clean problems.
        published = row.measures["GSM8K"].published if "GSM8K" in row.measures else None
        measures = _of(settings)
        measures["clean"] = replace(measures["clean"], published=published)
        needs = (f"bases/{COPYING}", "data/gsm8k_train.jsonl")
        return RowPlan(f"tiny/{row.name}", row.label, row.group, measures, config | block, gpus=0, needs=needs)

    claims = [
        replace(claim, measure="clean", baseline=f"tiny/{claim.baseline}", treated=f"tiny/{claim.treated}")
        for claim in plan.claims
        if claim.measure == "GSM8K"
    ]
    seeds = {f"tiny/{name}": numbers for name, numbers in plan.seeds.items()}
    notes = [_CAVEAT, _setting(settings)]
    small = _plan(f"{plan.title}, in small", settings, [tiny(row) for row in plan.rows], seeds, claims, notes)
    return replace(small, others=[tiny(row) for row in plan.others])


def _settings(name: str) -> dict[str, Any]:
    path = Path(name) if Path(name).suffix else Path(__file__).with_name(f"{name}.yaml")
    settings: dict[str, Any] = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    return settings


def _of(settings: Mapping[str, Any]) -> dict[str, Measured]:
    return {title: measured for title, measured in _MEASURES.items() if measured.task in settings["tasks"]}


def _setting(settings: Mapping[str, Any]) -> str:
    data = settings["data"]
    return (
        f"{data['train_rows']} training problems, {settings['steps']} steps, through `axolotl train`; "
        f"{data['test_rows']} test problems, through `lm_eval`. Seeds differ in masks and order of the data; the base "
        "model and the training problems are the same for all, so the intervals say nothing about other ones."
    )


def _plan(
    title: str,
    settings: dict[str, Any],
    rows: Sequence[RowPlan],
    seeds: Mapping[str, Sequence[int]],
    claims: Sequence[ClaimPlan],
    notes: Sequence[str],
) -> Plan:
    return Plan(
        title=title,
        rows=rows,
        measures={measure: _TEXTS[measure] for measure in _of(settings)},
        seeds=seeds,
        claims=claims,
        notes=notes,
        device="cpu",
        # The longest solution takes about 80 tokens.
        generation="max_gen_toks=100",
        keep_weights=True,
        laptop=settings,
    )
