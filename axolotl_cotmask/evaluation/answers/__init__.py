"""Answer rules: how an answer is read from a text, and when it is right. The one place for evaluation and analysis.

Two kinds. The *exact* rules do what the authors' scripts do, also where that is odd; each belongs to the models that
were trained to write its form of answer. The *robust* rules read any common form, and compare by value.
"""

from __future__ import annotations

from collections.abc import Mapping

from axolotl_cotmask.evaluation.answers.mammoth import MAMMOTH_CHOICE, MAMMOTH_MATH, MAMMOTH_NUMBER
from axolotl_cotmask.evaluation.answers.math import MATH_BOXED, METAMATH_MATH
from axolotl_cotmask.evaluation.answers.numbers import GSM8K_HASH, METAMATH_GSM8K, OPENAI_GSM8K
from axolotl_cotmask.evaluation.answers.robust import ROBUST_CHOICE, ROBUST_MATH, ROBUST_NUMBER
from axolotl_cotmask.evaluation.answers.rule import Judgement, Rule

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        GSM8K_HASH,
        METAMATH_GSM8K,
        MAMMOTH_NUMBER,
        OPENAI_GSM8K,
        MATH_BOXED,
        METAMATH_MATH,
        MAMMOTH_MATH,
        MAMMOTH_CHOICE,
        ROBUST_NUMBER,
        ROBUST_MATH,
        ROBUST_CHOICE,
    )
}

__all__ = [
    "GSM8K_HASH",
    "MAMMOTH_CHOICE",
    "MAMMOTH_MATH",
    "MAMMOTH_NUMBER",
    "MATH_BOXED",
    "METAMATH_GSM8K",
    "METAMATH_MATH",
    "OPENAI_GSM8K",
    "ROBUST_CHOICE",
    "ROBUST_MATH",
    "ROBUST_NUMBER",
    "RULES",
    "Judgement",
    "Rule",
]
