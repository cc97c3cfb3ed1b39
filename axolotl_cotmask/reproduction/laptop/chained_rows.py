"""Arms of the laptop's plans that are made of samples of other arms' models: RFT, and DPO on preference pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.reproduction.laptop.settings import ChainSettings, Group
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import Chain, ClaimPlan, Config, Draw, RowPlan, Sampling
from axolotl_cotmask.reproduction.recipes import load_recipe

_TASK = "cotmask_sample_gsm8k"
#: No question of these is a test problem, nor is it made of the paper's data.
_NO_TESTS = ("--test", "none")
_ROWS = {"ds_type": "json", "type": "axolotl_cotmask.prompt_strategies.query_response"}
_TITLES = {
    "rft": "RFT data",
    "cot": "pairs with and without reasoning",
    "answer": "pairs by the answer",
    "wrong": "pairs by the reasoning",
}

_GAIN = paper.find_claim("llama2-7b", "gsm8k", "gsm8k").difference
_NO_NUMBER = (_GAIN, "no published number: the size to look for is that of MFT's gain in the paper")
_ON_RFT = paper.find_claim("llama2-7b", "gsm8k-rft-100", "gsm8k")
_MFT_ON_RFT = (_ON_RFT.difference, _ON_RFT.source)
_SFT, _RFT_SFT = (paper.find_run(f"llama2-7b/{data}-sft").scores["gsm8k"] for data in ("gsm8k", "gsm8k-rft-100"))
_RFT = (round(_RFT_SFT - _SFT, 1), f"Table 2, RFT-100 against SFT: {_SFT} and {_RFT_SFT}")


def with_sampling(rows: Sequence[RowPlan], group: Group) -> Iterator[RowPlan]:
    """Yield the rows of a group's arms, with how those are sampled that a chain begins from."""
    sampled = {chain.source for chain in group.chains.values()}
    for arm, row in zip(group.arms, rows, strict=True):
        sampling = Sampling(_TASK, group.samples, SOURCES["gsm8k_train"].file)
        yield replace(row, sampling=sampling, questions=group.questions) if arm in sampled else row


def chained_rows(rows: Sequence[RowPlan], name: str, group: Group) -> dict[str, RowPlan]:
    """Return the rows of a group's chains by their names in the group; ``rows`` are those of its arms."""
    by_arm = dict(zip(group.arms, rows, strict=True))
    return {
        chained: _chained(f"{name}/{chained}", chain, by_arm[chain.source]) for chained, chain in group.chains.items()
    }


def chain_claims(rows: Sequence[RowPlan], chained: Mapping[str, RowPlan], group: Group) -> list[ClaimPlan]:
    """Return what the chains are held to on clean problems.

    Of rejection sampling the paper has the differences; of DPO it has none, and the size to look for is MFT's own gain.
    The claims of each are read together.
    """
    arms = dict(zip(group.arms, rows, strict=True))
    of_rft, of_dpo = [], []
    for name, row in chained.items():
        chain, source = group.chains[name], arms[group.chains[name].source]
        if "clean" not in row.measures:
            continue
        if chain.augment != "rft":
            of_dpo.append(_claim(source, row, *_NO_NUMBER))
            twin = _twin(chain, chained, group, lambda other: not _masks(arms[other.source]))
            if _masks(source) and twin is not None:
                of_dpo.append(_claim(twin, row, *_NO_NUMBER))
        elif not _masks(row):
            of_rft.append(_claim(source, row, *_RFT))
        elif (twin := _twin(chain, chained, group, lambda other: other.arm == "sft")) is not None:
            of_rft.append(_claim(twin, row, *_MFT_ON_RFT))
    return [replace(claim, comparisons=len(claims)) for claims in (of_rft, of_dpo) for claim in claims]


def _twin(
    chain: ChainSettings, chained: Mapping[str, RowPlan], group: Group, unmasked: Callable[[ChainSettings], bool]
) -> RowPlan | None:
    """Return the row without masking that is made as this one is."""
    others = ((group.chains[name], row) for name, row in chained.items())
    return next((row for other, row in others if other.augment == chain.augment and unmasked(other)), None)


def _claim(baseline: RowPlan, treated: RowPlan, difference: float, source: str) -> ClaimPlan:
    return ClaimPlan("clean", baseline.name, treated.name, paper.as_share(difference), source)


def _masks(row: RowPlan) -> bool:
    return bool((row.config or {}).get("cotmask", {}).get("mask_ratio"))


def _chained(name: str, chain: ChainSettings, source: RowPlan) -> RowPlan:
    config = load_recipe(f"laptop/{chain.arm}")
    steps = chain.steps or config["max_steps"]
    config |= {"max_steps": steps, "save_steps": math.ceil(steps / 5)}
    rft = chain.augment == "rft"
    make = ("rft", *_NO_TESTS) if rft else ("pairs", "--rule", chain.augment, *_NO_TESTS, "--gsm-ic", "none")
    return RowPlan(
        name,
        _label(config, chain, source),
        source.group,
        source.measures,
        config,
        gpus=0,
        draws={seed: replace(draw, config=_config(draw, rft)) for seed, draw in source.draws.items()},
        # These models reason also where they are asked not to: `cot` cuts the reasoning off their samples.
        chain=Chain(source.name, make, continues=not rft),
    )


def _config(draw: Draw, rft: bool) -> Config:
    """Return a run's keys: rejection sampling adds its rows to the training problems, and begins from the base."""
    return draw.config | {"datasets": [_ROWS, *draw.config["datasets"]]} if rft else {}


def _label(config: Config, chain: ChainSettings, source: RowPlan) -> str:
    title = _TITLES[chain.augment]
    if chain.augment != "rft":
        return f"{source.label}, then DPO: {title}"
    block = config["cotmask"]
    own = f"MFT ({block['noise']} {block['mask_ratio']})" if block["mask_ratio"] else "SFT"
    return f"{own} on {title} from {source.label}"
