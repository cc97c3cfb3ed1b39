"""Arms of the laptop's plans that are made of samples of other arms' models: RFT, and DPO on preference pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from axolotl_cotmask.reproduction.laptop.settings import ChainSettings, Group
from axolotl_cotmask.reproduction.plan import Chain, Draw, Measured, RowPlan, Sampling
from axolotl_cotmask.reproduction.recipes import load_recipe

_TASK, _DIRECT = "cotmask_sample_gsm8k", "cotmask_sample_gsm8k_direct"
#: No question of these is a test problem, nor is it made of the paper's data.
_NO_TESTS = ("--test", "none")
_ROWS = {"ds_type": "json", "type": "axolotl_cotmask.prompt_strategies.query_response"}
_TITLES = {
    "rft": "RFT data",
    "cot": "pairs with and without reasoning",
    "answer": "pairs by the answer",
    "wrong": "pairs by the reasoning",
}


def with_chains(
    rows: Sequence[RowPlan], name: str, group: Group, measures: Mapping[str, Measured]
) -> Iterator[RowPlan]:
    """Yield the rows of a group, and those of its chains.

    Args:
        rows: of the group's arms, in their order.
        name: of the group.
        group: its settings.
        measures: of the rows.
    """
    by_arm = dict(zip(group.arms, rows, strict=True))
    sampled = {chain.source for chain in group.chains.values()}
    direct = {chain.source for chain in group.chains.values() if chain.augment == "cot"}
    for arm, row in by_arm.items():
        sampling = Sampling(_TASK, group.samples, "gsm8k_train.jsonl", _DIRECT if arm in direct else "")
        yield replace(row, sampling=sampling) if arm in sampled else row
    for chained, chain in group.chains.items():
        yield _chained(f"{name}/{chained}", chain, by_arm[chain.source], measures)


def _chained(name: str, chain: ChainSettings, source: RowPlan, measures: Mapping[str, Measured]) -> RowPlan:
    config = load_recipe(f"laptop/{chain.arm}")
    steps = chain.steps or config["max_steps"]
    config |= {"max_steps": steps, "save_steps": math.ceil(steps / 5)}
    rft = chain.augment == "rft"
    make = ("rft", *_NO_TESTS) if rft else ("pairs", "--rule", chain.augment, *_NO_TESTS, "--gsm-ic", "none")
    draws = {seed: replace(draw, config=_config(config, draw, rft)) for seed, draw in source.draws.items()}
    return RowPlan(
        name,
        _label(config, chain, source),
        source.group,
        measures,
        config,
        gpus=0,
        draws=draws,
        chain=Chain(source.name, make, direct=chain.augment == "cot", continues=not rft),
    )


def _config(config: Mapping[str, object], draw: Draw, rft: bool) -> dict[str, object]:
    """Return a run's keys: rejection sampling adds its rows to the training problems, and begins from the base."""
    if not rft:
        return {}
    return draw.config | {"datasets": [_ROWS, *draw.config["datasets"]]}


def _label(config: Mapping[str, dict[str, object]], chain: ChainSettings, source: RowPlan) -> str:
    title = _TITLES[chain.augment]
    if chain.augment != "rft":
        return f"{source.label} -> DPO, {title}"
    block = config["cotmask"]
    own = f"MFT ({block['noise']} {block['mask_ratio']})" if block["mask_ratio"] else "SFT"
    return f"{own} on {title} of {source.label}"
