"""Rows whose data are made of samples of another row's model: rejection sampling, DPO-ST, Self-Refine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import Chain, Measured, RowPlan, Sampling, Task
from axolotl_cotmask.reproduction.recipes import load_recipe, recipe_gpus

_GSM8K = Sampling("cotmask_sample_gsm8k", 100, SOURCES["gsm8k_train"].file)
(_QUESTIONS,) = paper.DATA["gsm8k"].rows.values()
#: Self-Refine's sets of multiple choice, each with the questions that it is scored on.
_CHOICES = {"obqa": "obqa_test", "csqa": "csqa_validation", "piqa": "piqa_validation", "siqa": "siqa_validation"}
#: What is measured on them, by title.
CHOICE_MEASURES: Mapping[str, str] = {
    choice.upper(): f"accuracy on {choice.upper()}, of letters after `The answer is`" for choice in _CHOICES
}


@dataclass(frozen=True)
class ChainedRow:
    """``recipe`` is trained on what ``make`` makes of samples of ``source``, the name of another row.

    With a ``choice`` the other row is trained on demonstrations of this set of multiple choice, and both are scored on
    it.
    """

    recipe: str
    source: str
    label: str
    make: tuple[str, ...]
    sampling: Sampling
    direct: bool = False
    choice: str = ""


def _rejection_sampling(method: str) -> ChainedRow:
    """100 samples a question, of SFT (arXiv 2308.01825)."""
    return ChainedRow(
        f"llama2-7b/gsm8k-rft-100-{method}",
        "llama2-7b/gsm8k-sft",
        f"own RFT data, {method.upper()}",
        ("rft",),
        _GSM8K,
    )


def _dpo_st(method: str) -> ChainedRow:
    """The first round of arXiv 2407.18248: five samples a question."""
    return ChainedRow(
        "dpo-st/llama2-7b",
        f"llama2-7b/gsm8k-{method}",
        f"{method.upper()}, then DPO: right against wrong reasoning",
        ("pairs", "--rule", "wrong"),
        replace(_GSM8K, samples=5),
    )


def _self_refine(base: str, method: str) -> ChainedRow:
    """Arxiv 2405.00402, whose number of samples is not known."""
    return ChainedRow(
        f"self-refine/{base}-dpo",
        f"self-refine/{base}-{method}",
        f"{method.upper()} on demonstrations, then DPO: reasoning against none",
        ("pairs", "--rule", "cot"),
        replace(_GSM8K, samples=10, direct_task="cotmask_sample_gsm8k_direct"),
        direct=True,
    )


def _self_refine_on(choice: str, base: str, method: str) -> ChainedRow:
    """The same on a set of multiple choice; GSM-IC has none of its questions."""
    row, task = _self_refine(base, method), f"cotmask_sample_{choice}"
    tests = ("--test", _CHOICES[choice], "--gsm-ic", "none")
    sampling = Sampling(task, row.sampling.samples, SOURCES[f"{choice}_train"].file, direct_task=f"{task}_direct")
    return replace(row, make=(*row.make, *tests), sampling=sampling, choice=choice)


#: By name. Whether masking in the first stage helps the second is nobody's published result.
CHAINED: Mapping[str, ChainedRow] = (
    {f"rft/llama2-7b-{method}": _rejection_sampling(method) for method in ("sft", "mft")}
    | {f"dpo-st/llama2-7b-{method}": _dpo_st(method) for method in ("sft", "mft")}
    | {
        f"self-refine/{base}-{method}-dpo": _self_refine(base, method)
        for base in ("llama2-7b", "mistral-7b")
        for method in ("sft", "mft")
    }
    | {
        f"self-refine/{base}-{choice}-{method}-dpo": _self_refine_on(choice, base, method)
        for base in ("llama2-7b", "mistral-7b")
        for choice in _CHOICES
        for method in ("sft", "mft")
    }
)


def chained_rows(name: str, row_of: Callable[[str], RowPlan]) -> list[RowPlan]:
    """Return the row that is sampled, and the one that is trained on what is made of its samples.

    Args:
        name: of `CHAINED`.
        row_of: gives the row of a name.
    """
    chained = CHAINED[name]
    source = _on_choices(row_of(chained.source), chained.choice) if chained.choice else row_of(chained.source)
    config = load_recipe(chained.recipe)
    continues = "rl" in config
    return [
        replace(source, sampling=chained.sampling, questions=0 if chained.choice else _QUESTIONS),
        RowPlan(
            name,
            chained.label,
            source.group,
            {title: replace(measured, published=None) for title, measured in source.measures.items()},
            config,
            gpus=recipe_gpus(chained.recipe),
            chain=Chain(
                source.name,
                chained.make,
                direct=chained.direct,
                continues=continues,
                merge=continues and "adapter" in (source.config or {}),
            ),
        ),
    ]


def _on_choices(row: RowPlan, choice: str) -> RowPlan:
    """Return the row of a recipe on demonstrations, on those of a set of multiple choice."""
    (entry,) = (row.config or {})["datasets"]
    demonstrations = f"./demonstrations-{choice}.jsonl"
    base, _, method = row.name.rpartition("-")
    return replace(
        row,
        name=f"{base}-{choice}-{method}",
        measures={choice.upper(): Measured(Task(f"cotmask_{choice}"))},
        config=(row.config or {}) | {"datasets": [entry | {"path": demonstrations}]},
        needs=[str(Path(demonstrations).resolve())],
    )
