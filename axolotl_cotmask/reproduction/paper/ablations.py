"""The paper's comparison of noises (Table 3) and of ratios (Fig. 3) as settings of the ``cotmask:`` block.

``nox -s tables`` writes them as files for Axolotl's ``--sweep`` into recipes/ablations.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.reproduction.paper.made_files import write_or_check


@dataclass(frozen=True)
class Ablation:
    """One row: which positions, what they become, the setting, and the published accuracy on GSM8K in percent.

    ``block`` is the ``cotmask:`` block; ``accuracy`` is None where the paper gives no number.
    """

    name: str
    positions: str
    noise: str
    setting: str
    block: Mapping[str, Any]
    accuracy: float | None = None

    @property
    def masks(self) -> bool:
        """Whether anything is noised; False for plain SFT."""
        return self.block["mask_ratio"] != 0


def _every(scope: str) -> dict[str, Any]:
    return {"mask_ratio": 1.0, "schedule": "constant", "scope": scope}


_BERNOULLI = {"mask_ratio": 0.4}
_TOKENS, _TARGET, _SOME = "every token", "every target token", "Bernoulli(p), target tokens"
_DROPOUT, _UNIFORM, _SAMPLING = "embedding dropout", "NEFTune", "scheduled sampling"


def _dropout(name: str, positions: str, block: Mapping[str, Any], q: float, accuracy: float) -> Ablation:
    return Ablation(
        f"dropout-{q}-{name}", positions, _DROPOUT, f"q {q}", {**block, "noise": {"dropout": {"q": q}}}, accuracy
    )


def _uniform(name: str, positions: str, block: Mapping[str, Any], alpha: int, accuracy: float) -> Ablation:
    noise = {"uniform": {"alpha": alpha}}
    return Ablation(
        f"neftune-{alpha}-{name}", positions, _UNIFORM, f"alpha {alpha}", {**block, "noise": noise}, accuracy
    )


def _sampling(tau: float, accuracy: float) -> Ablation:
    noise = {"scheduled_sampling": {"tau": tau}}
    return Ablation(f"sampling-{tau}", _SOME, _SAMPLING, f"tau {tau}", {**_BERNOULLI, "noise": noise}, accuracy)


def _question(p: float, accuracy: float) -> Ablation:
    block = {"mask_ratio": p, "scope": "source", "noise": {"dropout": {"q": 1.0}}}
    return Ablation(f"question-{p}", "Bernoulli(p), question tokens", _DROPOUT, f"q 1, p {p}", block, accuracy)


#: Table 3: Llama-2-7B on GSM8K, p = 0.4 wherever M is Bernoulli, and the two findings in its text. The paper does not say
#: with which noise the two were made: here the random token.
TABLE3: tuple[Ablation, ...] = (
    Ablation("sft", "nowhere (SFT)", "", "", {"mask_ratio": 0}, 41.6),
    *(_dropout("all", _TOKENS, _every("all"), q, score) for q, score in ((0.1, 40.3), (0.5, 39.4), (0.9, 32.9))),
    *(_uniform("all", _TOKENS, _every("all"), alpha, score) for alpha, score in ((1, 40.6), (5, 41.3), (100, 1.8))),
    *(_dropout("target", _TARGET, _every("target"), q, score) for q, score in ((0.1, 39.9), (0.5, 43.1), (0.9, 40.4))),
    *(_question(p, score) for p, score in ((0.2, 36.3), (0.6, 30.6))),
    *(_uniform("p", _SOME, _BERNOULLI, alpha, score) for alpha, score in ((100, 42.0), (1000, 47.2))),
    *(_dropout("p", _SOME, _BERNOULLI, q, score) for q, score in ((0.1, 39.0), (0.95, 42.9), (1.0, 46.5))),
    *(
        _sampling(tau, score)
        for tau, score in ((0.1, 41.7), (1, 41.1), (2, 42.6), (3, 45.4), (5, 46.7), (10, 47.0), (100, 47.1))
    ),
    Ablation("mask", _SOME, "masked LM", "m 1", {**_BERNOULLI, "noise": "mask"}, 46.7),
    Ablation("random", _SOME, "masked LM", "r 1", {**_BERNOULLI, "noise": "random"}, 47.1),
    Ablation("random-loss-on-clean", _SOME, "masked LM", "r 1, loss on clean", {**_BERNOULLI, "noise": "random", "loss_on": "clean"}, 45.0),
    Ablation("random-hidden", _SOME, "masked LM", "r 1, hidden from attention", {**_BERNOULLI, "noise": "random", "hide_from_attention": True}),
)  # fmt: skip

#: Fig. 3: p_max, fixed or warmed up. Its grid is not given in numbers; this one is ours.
FIG3: tuple[Ablation, ...] = tuple(
    Ablation(f"{kind}-{p}", _SOME, "masked LM", f"r 1, p {p}, {kind}", {"mask_ratio": p, "noise": "random", **block})
    for p in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    for kind, block in (("warmed-up", {}), ("fixed", {"schedule": "constant"}))
)

#: Beyond the paper: each token noise on each kind of token.
SELECTORS: tuple[Ablation, ...] = tuple(
    Ablation(f"{noise}-{select}", f"{select} of the target", "masked LM", noise, {**_BERNOULLI, "noise": noise, "select": select})
    for noise in ("mask", "random")
    for select in ("tokens", "numbers", "operators", "equations", "words", "steps")
)  # fmt: skip

#: By the name of the sweep file.
SWEEPS: Mapping[str, tuple[Ablation, ...]] = {"table3": TABLE3, "fig3": FIG3, "selectors": SELECTORS}
_TITLES = {
    "table3": "Table 3 of arXiv 2403.02178: where noise falls, and what it is. The numbers are the paper's accuracies.",
    "fig3": "Fig. 3 of arXiv 2403.02178: accuracy against p_max, warmed up or fixed. The grid is ours.",
    "selectors": "Beyond the paper: masks that fall on numbers, operators, equations, words or steps.",
}


def sweep_text(name: str) -> str:
    """Return the sweep file ``name``: a list under ``_``, which Axolotl takes one by one.

    Each entry replaces the recipe's ``cotmask:`` block, and names itself by ``wandb_name``.
    """
    lines = [
        f"# {_TITLES[name]}\n# Written by `nox -s tables`.\n#",
        f"#   axolotl train recipes/ablations/llama2-7b.yaml --sweep recipes/ablations/{name}.sweep.yaml",
        "_:",
    ]
    for row in SWEEPS[name]:
        block = yaml.safe_dump(dict(row.block), default_flow_style=True, sort_keys=False, width=1000).strip()
        published = "" if row.accuracy is None else f"  # {row.accuracy}"
        lines.append(f"  - {{wandb_name: {row.name}, cotmask: {block}}}{published}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the sweep files of this checkout; with ``--check`` say whether they are up to date."""
    folder = directory("recipes") / "ablations"
    write_or_check({folder / f"{name}.sweep.yaml": sweep_text(name) for name in SWEEPS}, sys.argv[1:])


if __name__ == "__main__":
    main()
