"""Settings from the command line in a plan: keys of its recipes, the number of GPUs, a teacher."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from axolotl_cotmask.common.chat import Endpoint
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.plan import Config, Plan, RowPlan
from axolotl_cotmask.reproduction.recipes import parse_yaml

#: What does not stand in the name of a row, which is a path.
_NO_NAME = r"[^\w.:,+-]+"


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
        return row.name + re.sub(_NO_NAME, "_", "".join(f",{setting}" for setting in said).replace("=", ":"))

    names = {name: named(row) for name, row in by_name.items()}

    def changed(row: RowPlan) -> RowPlan:
        chosen = [setting for setting in settings if _concerns(setting, row)]
        config = row.config and _changed(row, row.config, chosen, gpus)
        chain = row.chain and replace(row.chain, source=names[row.chain.source])
        return replace(row, name=names[row.name], config=config, gpus=gpus or row.gpus, chain=chain)

    for setting in settings:
        if not any(_concerns(setting, row) for row in plan.rows):
            raise CoTMaskError(f"--set {setting} changes no row: what is named is plain SFT, or not trained")
    return _renamed(plan, names, changed)


def with_teacher(plan: Plan, teacher: str, endpoint: str) -> Plan:
    """Return the plan with the teacher of LLM2LLM, which stands in the name of every row that learns of it.

    Args:
        plan: with such rows.
        teacher: a model behind ``endpoint``, or without one a file of replies.
        endpoint: its address, "" for a file.

    Raises:
        CoTMaskError: no row learns of a teacher, the address is none, or the file is not there.
    """
    if all(row.teacher is None for row in plan.rows):
        raise CoTMaskError(f"--teacher {teacher}: nothing that is named learns of a teacher: leave it out")
    title = teacher
    if endpoint:
        Endpoint(endpoint, teacher)
    elif Path(teacher).is_file():
        teacher = str(Path(teacher).resolve())
        # Two files of one name are two teachers.
        title = f"{Path(teacher).stem}-{hashlib.sha256(teacher.encode()).hexdigest()[:8]}"
    else:
        raise CoTMaskError(
            f"--teacher {teacher}: there is no file of this name: name a file of replies, or with --endpoint a model"
        )
    rows = {row.name: row for row in (*plan.rows, *plan.others)}
    names = {
        name: name if row.teacher is None else f"{name},teacher:{re.sub(_NO_NAME, '_', title)}"
        for name, row in rows.items()
    }

    def taught(row: RowPlan) -> RowPlan:
        chain = row.chain and replace(row.chain, source=names[row.chain.source])
        return replace(row, name=names[row.name], chain=chain, teacher=None if row.teacher is None else teacher)

    return replace(_renamed(plan, names, taught), endpoint=endpoint)


def _renamed(plan: Plan, names: Mapping[str, str], changed: Callable[[RowPlan], RowPlan]) -> Plan:
    """Return the plan with each row changed, among what is new its name."""
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
