"""Rows of LLM2LLM (arXiv 2403.15042): each trains the base model anew, on seed data and on what a teacher has written.

The teacher is shown, round by round, the seed questions that the model of the round before gets wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import Chain, Config, RowPlan


def _round(recipe: str, number: int) -> str:
    return f"{recipe}/round-{number}"


#: Of the released code (github SqueezeAILab/LLM2LLM at bcbcb1a): so many rounds, and 1 % of GSM8K's training rows.
_ROUNDS, _SEEDS = 10, 74
_RECIPES = tuple(f"llm2llm/llama2-7b-{method}" for method in ("sft", "mft"))
#: Recipe and last round by the row's name; `.../round-3` ends after three.
LESSONS: Mapping[str, tuple[str, int]] = {recipe: (recipe, _ROUNDS) for recipe in _RECIPES} | {
    _round(recipe, number): (recipe, number) for recipe in _RECIPES for number in range(_ROUNDS + 1)
}


def lesson_rows(name: str, row_of: Callable[[str], RowPlan]) -> list[RowPlan]:
    """Return the rows of all rounds up to the one that is named; round 0 is trained on the seed data alone.

    Args:
        name: of `LESSONS`.
        row_of: gives the row of a recipe.
    """
    recipe, last = LESSONS[name]
    row = row_of(recipe)
    seeds, written = (config := row.config or {})["datasets"]
    rounds = [_row(row, 0, config | {"datasets": [seeds]})]
    rounds += [
        replace(
            _row(row, number, config | {"datasets": [written, seeds]}),
            chain=Chain(_round(recipe, number - 1), ("merge",)),
            teacher="",
            questions=_SEEDS,
        )
        for number in range(1, last + 1)
    ]
    # GSM-IC's many questions are asked before and after; the rounds between are followed on GSM8K.
    gsm8k = paper.BENCHMARKS["gsm8k"]
    between = [replace(of_round, measures={gsm8k: row.measures[gsm8k]}) for of_round in rounds[1:-1]]
    return [rounds[0], *between, *rounds[-1:]] if last else rounds


def _row(row: RowPlan, number: int, config: Config) -> RowPlan:
    method = "MFT" if config["cotmask"]["mask_ratio"] else "SFT"
    label = f"{method} on seed data" + (f" and a teacher's rows, round {number}" if number else "")
    seeds = str(Path(config["datasets"][-1]["path"]).resolve())
    return replace(
        row, name=_round(row.name, number), label=label, config=config, needs=[seeds], rows=(1 + number) * _SEEDS
    )
