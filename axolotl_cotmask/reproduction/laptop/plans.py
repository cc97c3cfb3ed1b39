"""The laptop's plans: models of half a million parameters, held to what the paper says of large ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.laptop.bases import find_base
from axolotl_cotmask.reproduction.laptop.chained_rows import chain_claims, chained_rows, with_sampling
from axolotl_cotmask.reproduction.laptop.settings import (
    Group,
    PlanSettings,
    TinySettings,
    is_settings,
    read_settings,
)
from axolotl_cotmask.reproduction.layout import dependency_file
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.facts import PaperClaim
from axolotl_cotmask.reproduction.paper_plan import GSM8K, GSM_IC
from axolotl_cotmask.reproduction.plan import (
    ClaimPlan,
    CoreSeconds,
    Draw,
    ExtraRules,
    Headline,
    Measured,
    Plan,
    RowPlan,
    Setup,
    Task,
)
from axolotl_cotmask.reproduction.recipes import load_recipe, parse_yaml, plan_names

_CAVEAT = (
    "These are models of half a million parameters on made-up problems: what stands here holds for them, and is no "
    "evidence for or against the accuracy that the paper reports for large models."
)
_MANY = (
    "A seed stands for a base model and a set of problems, to train on and to be tested with: intervals of differences "
    "hold for other bases, other problems and other orders of the data at once."
)
_ONE = (
    "One base model and one set of problems: what stands here is of this pair of models, and how it is with others "
    "`nox -s reproduce -- laptop` measures."
)
#: The base model that the studies' settings were chosen on.
_CHOSEN_ON = "copying-1"
_FAVOURABLE = (
    f"The settings were chosen on the base model {_CHOSEN_ON}: from others MFT gained less in the mean (docs/try.md)."
)
_KINDS = {
    True: "Base models with the copying habit, as large models have it: their training ended with annotated steps "
    "without a question, whose numbers can only be copied from their neighbours.",
    False: "Base models without it: the same training, with no annotated step ever seen. Beside the others they show "
    "how much rests on the habit.",
}
_CORRUPTED = Task("cotmask_corrupted_step")
_REPLACED = "after a step in which one number of the question was replaced by another, the next annotation has the "
#: The measures by title, each with what it is.
_MEASURES = {
    "clean": (Measured(GSM8K), "accuracy on the test problems as they are"),
    "irrelevant sentence": (Measured(GSM_IC), "accuracy with an irrelevant sentence in each problem"),
    "irrelevant, normalised": (
        Measured(GSM_IC, "normalised_accuracy"),
        "the same, divided by the accuracy on the same problems as they are: what the sentence leaves of it",
    ),
    "follows the question": (Measured(_CORRUPTED, "follows_question"), f"{_REPLACED}question's number"),
    "copies the prefix": (Measured(_CORRUPTED, "copies_prefix"), "it has the replaced one"),
    "right after all": (Measured(_CORRUPTED), "the final answer is right nonetheless"),
}
#: Seconds that the parts took on one core each (bench/RESULTS.md).
_SECONDS = CoreSeconds(shared=60.0, start=15.0, step=0.15, task=12.0, answer=0.004, augment=1.0)
#: The same loss in less time, on a CPU.
_FASTER = {"parts_by_length": 4}
#: Where the rules write what all runs share; a set of problems is a directory in the first.
_DATA, _BASES = "data", "bases"


def _claimed(noise: str) -> dict[str, PaperClaim]:
    """Return what the paper claims of MFT with this noise, by measure."""
    return {
        "clean": paper.find_claim("llama2-7b", "gsm8k", "gsm8k"),
        "irrelevant sentence": paper.find_claim("llama2-7b", "gsm8k", "gsm_ic"),
        "follows the question": paper.CORRUPTED_STEP_MASK if noise == "mask" else paper.CORRUPTED_STEP_RANDOM,
    }


def is_laptop(name: str) -> bool:
    """Tell whether ``name`` is a plan of the laptop: laptop, demo, ..., or the path of a YAML with groups of runs."""
    if name in plan_names():
        return True
    if Path(name).suffix != ".yaml" or not Path(name).is_file():
        return False
    return is_settings(parse_yaml(Path(name).read_bytes(), name))


def laptop_plan(name: str, problems: int | None = None) -> Plan:
    """Return a plan such as ``laptop`` or ``demo``: recipes of recipes/laptop from bases that travel with the package.

    Args:
        name: of the YAML beside this module, or its path.
        problems: seed of the only set of problems; None for those of the YAML.

    Raises:
        CoTMaskError: as `read_settings`.
    """
    settings = read_settings(name, PlanSettings)
    rows: list[RowPlan] = []
    claims: list[ClaimPlan] = []
    for group_name, group in settings.groups.items():
        pairs = group.pairs() if problems is None else [(problems, base) for base in group.bases]
        questions = group.questions if group.chains else 0
        draws = {seed: _draw(base, of, group.train_rows, questions) for seed, (of, base) in enumerate(pairs, start=1)}
        of_group = [_row(group_name, arm, group, draws, settings) for arm in group.arms]
        chained = chained_rows(of_group, group_name, group)
        rows += [*with_sampling(of_group, group), *chained.values()]
        if all(find_base(base).drills for base in group.bases):
            claims += [*_claims(of_group), *chain_claims(of_group, chained, group)]
    used = {base for group in settings.groups.values() for base in group.bases}
    kinds = sorted({find_base(base).drills for base in used}, reverse=True)
    groups = list(settings.groups) if settings.dependency_rows else []
    plan = _with_rules("SFT and MFT on a laptop", settings, rows, groups)
    return replace(
        plan,
        seeds={row.name: list(row.draws) for row in rows},
        claims=claims,
        headline=_headline(settings, rows),
        notes=[
            *plan.notes,
            *_epochs(settings),
            *(_KINDS[drills] for drills in kinds),
            *([_FAVOURABLE] if _CHOSEN_ON in used else []),
        ],
    )


def _epochs(settings: PlanSettings) -> list[str]:
    """Return how long training is, where all groups train alike."""
    recipe = load_recipe("laptop/sft")
    lengths = {(group.train_rows, group.steps or recipe["max_steps"]) for group in settings.groups.values()}
    if len(lengths) > 1:
        return []
    [(rows, steps)] = lengths
    epochs = steps / math.ceil(rows / recipe["micro_batch_size"])
    return [
        f"{rows} problems, {epochs:.0f} epochs. MFT learns more slowly than SFT, and was behind it where training was "
        "stopped long before its end (docs/try.md)."
    ]


def _headline(settings: PlanSettings, rows: Sequence[RowPlan]) -> Headline | None:
    """Return the comparison of the first group's SFT with its first row of MFT on clean problems, if there is one."""
    name, group = next(iter(settings.groups.items()))
    arms = [row for row in rows if row.group == name and row.chain is None]
    of_group = [(row, (row.config or {})["cotmask"]["mask_ratio"]) for row in arms]
    sft, masked = ([row for row, ratio in of_group if bool(ratio) is wanted] for wanted in (False, True))
    if not sft or not masked or "clean" not in sft[0].measures:
        return None
    return Headline("clean", sft[0].name, masked[0].name, group.train_rows)


def _draw(base: str, problems: int, train_rows: int, questions: int = 0) -> Draw:
    """Return what a run is made of; problems of one seed and another number of rows are another set of data.

    With ``questions`` there are so many further ones, to be sampled on.
    """
    name = f"problems-{problems}-rows-{train_rows}"
    data = f"{_DATA}/{name}"
    train = f"{data}/gsm8k_train.jsonl"
    entry = {**load_recipe("laptop/sft")["datasets"][0], "path": f"./{train}"}
    config = {"base_model": f"./{_BASES}/{base}", "datasets": [entry]}
    return Draw(
        base, name, config, data, (f"{_BASES}/{base}", train), f"{data}-questions-{questions}" if questions else ""
    )


def _row(name: str, arm: str, group: Group, draws: Mapping[int, Draw], settings: PlanSettings) -> RowPlan:
    config = load_recipe(f"laptop/{arm}")
    steps = group.steps or config["max_steps"]
    # An interrupted run goes on from the last fifth.
    config |= {"max_steps": steps, "save_steps": math.ceil(steps / (10 if group.curve else 5))}
    if group.curve:
        config |= {"save_total_limit": 1000}
    ratio, noise = config["cotmask"]["mask_ratio"], config["cotmask"].get("noise")
    label = f"MFT ({noise} {ratio})" if ratio else "SFT"
    curve = GSM8K if group.curve else None
    return RowPlan(f"{name}/{arm}", label, name, _measures(settings.tasks), config, gpus=0, curve=curve, draws=draws)


def _claims(rows: Sequence[RowPlan]) -> list[ClaimPlan]:
    """Return the paper's differences for the rows of a group from bases that stand for large models."""
    blocks = [(row, (row.config or {})["cotmask"]) for row in rows]
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
    settings, gsm8k = read_settings(name, TinySettings), paper.BENCHMARKS["gsm8k"]
    config = load_recipe("ablations/tiny") | {"max_steps": settings.steps, "save_steps": math.ceil(settings.steps / 5)}

    def tiny(row: RowPlan) -> RowPlan:
        if row.config is None:
            raise CoTMaskError(f"{row.name} is a released checkpoint: it has no tiny version")
        if row.chain is not None or row.sampling is not None:
            raise CoTMaskError(f"{row.name} is part of a chain, which has no tiny version: laptop-augmented is small")
        block = {"cotmask": (row.config.get("cotmask") or {"mask_ratio": 0}) | _FASTER}
        # The score that the paper has on GSM8K stands beside the laptop's clean problems.
        published = row.measures[gsm8k].published if gsm8k in row.measures else None
        measures = _measures(settings.tasks)
        measures["clean"] = replace(measures["clean"], published=published)
        draws = {seed: _draw(settings.base, seed, settings.train_rows) for seed in seeds}
        return RowPlan(f"tiny/{row.name}", row.label, row.group, measures, config | block, gpus=0, draws=draws)

    seeds = sorted({seed for numbers in plan.seeds.values() for seed in numbers})
    claims = [
        replace(claim, measure="clean", baseline=f"tiny/{claim.baseline}", treated=f"tiny/{claim.treated}")
        for claim in plan.claims
        if claim.measure == gsm8k
    ]
    return replace(
        _with_rules(f"{plan.title}, in small", settings, [tiny(row) for row in plan.rows], ()),
        others=[tiny(row) for row in plan.others],
        seeds={f"tiny/{name}": numbers for name, numbers in plan.seeds.items()},
        claims=claims,
    )


def _measures(tasks: Sequence[str]) -> dict[str, Measured]:
    """Return the measures of lm-eval tasks."""
    return {title: measured for title, (measured, _) in _MEASURES.items() if measured.task.name in tasks}


def _with_rules(
    title: str, settings: PlanSettings | TinySettings, rows: Sequence[RowPlan], dependency: Sequence[str]
) -> Plan:
    """Return a plan of these rows, with what makes their data and base models, and without seeds."""
    draws = [draw for row in rows for draw in row.draws.values()]
    bases = sorted({draw.base for draw in draws})
    # Of each group the first set, for the models of all its runs.
    of_dependency = {row.group: next(iter(row.draws.values())).data_dir for row in reversed(rows)}
    steps = sorted({(row.config or {})["max_steps"] for row in rows})
    many = len({(draw.base, draw.problems) for draw in draws}) > 1
    size = (
        f"{' or '.join(map(str, steps))} steps through `axolotl train`; {settings.test_rows} test problems of each "
        "set, through `lm_eval`. "
    ) + (_MANY if many else _ONE)
    return Plan(
        title=title,
        rows=rows,
        measures={title: _MEASURES[title][1] for title in _measures(settings.tasks)},
        seeds={},
        notes=[_CAVEAT, size],
        setup=Setup(
            device="cpu",
            test_data=("gsm8k_test.jsonl",),
            # The longest solution takes about 80 tokens.
            generation="max_gen_toks=100",
            keep_weights=True,
        ),
        extra_rules=ExtraRules(
            str(Path(__file__).with_name("Snakefile")),
            {
                "bases": {base: find_base(base).sha256 for base in bases},
                "test_rows": settings.test_rows,
                "dependency_rows": settings.dependency_rows if isinstance(settings, PlanSettings) else None,
                "dependency_data": of_dependency,
            },
            {f"{Path(made).name}.log": made for draw in draws for made in (draw.data_dir, draw.questions) if made}
            | {f"base-{base}.log": f"{_BASES}/{base}" for base in bases}
            | {f"dependency-{group}.log": str(dependency_file(Path(), group)) for group in dependency},
        ),
        dependency=list(dependency),
        core_seconds=_SECONDS,
    )
