"""The paper's comparison of noises (Table 3) and of ratios (Fig. 3) as settings of the ``cotmask:`` block.

``nox -s tables`` writes them as files for Axolotl's ``--sweep`` into recipes/ablations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ablation:
    """One row: which positions, what they become, the setting, and the published accuracy on GSM8K in percent.

    ``block`` is the ``cotmask:`` block; ``accuracy`` is None where the paper gives no number. ``against`` names the row
    that the paper sets it against; "" is plain SFT. ``note`` is what a sweep file has to say about the row.
    """

    name: str
    positions: str
    noise: str
    setting: str
    block: Mapping[str, Any]
    accuracy: float | None = None
    against: str = ""
    note: str = ""

    @property
    def masks(self) -> bool:
        """Whether anything is noised; False for plain SFT."""
        return self.block["mask_ratio"] != 0


_BERNOULLI = {"mask_ratio": 0.4}
_MASKED = "Bernoulli(p), target tokens"
#: Where a noise of Table 3 falls: the end of a row's name, the positions in words, their part of the block.
_ALL = ("-all", "every token", {"mask_ratio": 1.0, "schedule": "constant", "scope": "all"})
_TARGET = ("-target", "every target token", {"mask_ratio": 1.0, "schedule": "constant", "scope": "target"})
_SOME = ("-p", _MASKED, _BERNOULLI)
#: The beginning of a row's name, the noise in words, its name in the block and that of its parameter.
_DROPOUT = ("dropout", "embedding dropout", "dropout", "q")
_NEFTUNE = ("neftune", "NEFTune", "uniform", "alpha")
_SAMPLING = ("sampling", "scheduled sampling", "scheduled_sampling", "tau")


def _rows(
    noise: tuple[str, str, str, str], where: tuple[str, str, Mapping[str, Any]], scores: Mapping[float, float]
) -> Iterator[Ablation]:
    """Yield the rows of a noise at some positions; ``scores`` are the accuracies by the value of its parameter."""
    beginning, words, name, parameter = noise
    end, positions, block = where
    for value, accuracy in scores.items():
        whole = {**block, "noise": {name: {parameter: value}}}
        yield Ablation(f"{beginning}-{value}{end}", positions, words, f"{parameter} {value}", whole, accuracy)


def _question(p: float, accuracy: float) -> Ablation:
    block = {"mask_ratio": p, "scope": "source", "noise": {"dropout": {"q": 1.0}}}
    return Ablation(f"question-{p}", "Bernoulli(p), question tokens", _DROPOUT[1], f"q 1, p {p}", block, accuracy)


#: Table 3: Llama-2-7B on GSM8K, p = 0.4 wherever M is Bernoulli, and the two findings in its text. The loss on clean
#: positions the paper sets against 47.1, so it is with random tokens. Positions are hidden from attention ("on par", without
#: a number) by a switch of the released code that looks for `<mask>`, so that is with m = 1.
TABLE3: tuple[Ablation, ...] = (
    Ablation("sft", "nowhere (SFT)", "", "", {"mask_ratio": 0}, 41.6, note="in 3 epochs, llama2-7b/gsm8k-sft.yaml; a sweep trains as long as the other rows"),
    *_rows(_DROPOUT, _ALL, {0.1: 40.3, 0.5: 39.4, 0.9: 32.9}),
    *_rows(_NEFTUNE, _ALL, {1: 40.6, 5: 41.3, 100: 1.8}),
    *_rows(_DROPOUT, _TARGET, {0.1: 39.9, 0.5: 43.1, 0.9: 40.4}),
    _question(0.2, 36.3),
    _question(0.6, 30.6),
    *_rows(_NEFTUNE, _SOME, {100: 42.0, 1000: 47.2}),
    *_rows(_DROPOUT, _SOME, {0.1: 39.0, 0.95: 42.9, 1.0: 46.5}),
    *_rows(_SAMPLING, ("", *_SOME[1:]), {0.1: 41.7, 1: 41.1, 2: 42.6, 3: 45.4, 5: 46.7, 10: 47.0, 100: 47.1}),
    Ablation("mask", _MASKED, "masked LM", "m 1", {**_BERNOULLI, "noise": "mask"}, 46.7),
    Ablation("random", _MASKED, "masked LM", "r 1", {**_BERNOULLI, "noise": "random"}, 47.1),
    Ablation("random-loss-on-clean", _MASKED, "masked LM", "r 1, loss on clean", {**_BERNOULLI, "noise": "random", "loss_on": "clean"}, 45.0, against="random"),
    Ablation("mask-hidden", _MASKED, "masked LM", "m 1, hidden from attention", {**_BERNOULLI, "noise": "mask", "hide_from_attention": True}),
)  # fmt: skip

#: Fig. 3: p_max, fixed or warmed up. Its grid is not given in numbers; this one is ours.
FIG3: tuple[Ablation, ...] = tuple(
    Ablation(f"{kind}-{p}", _MASKED, "masked LM", f"r 1, p {p}, {kind}", {"mask_ratio": p, "noise": "random", **block})
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
