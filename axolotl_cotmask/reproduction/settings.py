"""Settings from the command line in a plan: keys of its recipes, and the number of GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.plan import Config, Plan, RowPlan
from axolotl_cotmask.reproduction.recipes import parse_yaml


def with_settings(plan: Plan, settings: Sequence[str], gpus: int | None) -> Plan:
    """Return the plan with ``key=value`` set in every recipe, and with another number of GPUs at the same batch size.

    What is set stands in the name of every row that it changes; the claims stay those of the paper.

    Raises:
        CoTMaskError: a setting is no ``key=value`` or changes no row, a row needs no GPU, or its batch cannot be split
            over so many.
    """
    by_name = {row.name: row for row in (*plan.rows, *plan.others)}

    def named(row: RowPlan) -> str:
        # A row that begins from another is another one when that is.
        begun = by_name[row.chain.source] if row.chain else row
        said = [setting for setting in settings if _concerns(setting, row) or _concerns(setting, begun)]
        # A `=` ends the label in the analyses' LABEL=MODEL; a shell or a path may take other signs for its own.
        return row.name + re.sub(r"[^\w.:,+-]+", "_", "".join(f",{setting}" for setting in said).replace("=", ":"))

    names = {name: named(row) for name, row in by_name.items()}

    def changed(row: RowPlan) -> RowPlan:
        chosen = [setting for setting in settings if _concerns(setting, row)]
        config = row.config and _changed(row, row.config, chosen, gpus)
        chain = row.chain and replace(row.chain, source=names[row.chain.source])
        return replace(row, name=names[row.name], config=config, gpus=gpus or row.gpus, chain=chain)

    for setting in settings:
        if not any(_concerns(setting, row) for row in plan.rows):
            raise CoTMaskError(f"--set {setting} changes no row: what is named is plain SFT, or not trained")
    line = plan.headline
    return replace(
        plan,
        rows=[changed(row) for row in plan.rows],
        others=[changed(row) for row in plan.others],
        seeds={names[name]: seeds for name, seeds in plan.seeds.items()},
        claims=[replace(c, baseline=names[c.baseline], treated=names[c.treated]) for c in plan.claims],
        averages=[replace(a, pairs=[(names[sft], names[mft]) for sft, mft in a.pairs]) for a in plan.averages],
        headline=line and replace(line, baseline=names[line.baseline], treated=names[line.treated]),
    )


def _concerns(setting: str, row: RowPlan) -> bool:
    """Tell whether a row is changed by a setting: nothing is trained with a released one, nor masked by plain SFT."""
    if row.config is None:
        return False
    first, *inner = setting.partition("=")[0].split(".")
    return not (first == "cotmask" and inner) or bool((row.config.get("cotmask") or {}).get("mask_ratio"))


def _changed(row: RowPlan, config: Config, settings: Sequence[str], gpus: int | None) -> Config:
    config = dict(config)
    for setting in settings:
        keys, equals, value = setting.partition("=")
        if not keys or not equals:
            raise CoTMaskError(f"--set {setting}: write key=value, such as --set cotmask.mask_ratio=0.2")
        *outer, last = keys.split(".")
        block = config
        for key in outer:
            block[key] = dict(block.get(key) or {})
            block = block[key]
        block[last] = parse_yaml(value, f"--set {setting}")
    if gpus and not row.gpus:
        raise CoTMaskError(f"{row.name} is trained on a CPU: leave out --gpus")
    if gpus and gpus != row.gpus:
        accumulation = config.get("gradient_accumulation_steps", 1) * row.gpus / gpus
        if not accumulation.is_integer() or not accumulation:
            raise CoTMaskError(
                f"{row.name}: its batch for {row.gpus} GPUs cannot be split over {gpus}: choose a number that "
                "divides it, or set micro_batch_size and gradient_accumulation_steps"
            )
        config["gradient_accumulation_steps"] = int(accumulation)
    return config
