"""How training data state an answer, by the rule that scores models that are trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from axolotl_cotmask.evaluation.answers import (
    GSM8K_HASH,
    MAMMOTH_CHOICE,
    MATH_BOXED,
    ROBUST_CHOICE,
    ROBUST_MATH,
    ROBUST_NUMBER,
    Rule,
)


@dataclass(frozen=True)
class AnswerForm:
    """A form of answers.

    ``reads`` is the rule that reads a teacher's answer, however it is stated; ``scores`` are those that score the
    trained model. ``asked_for`` asks a teacher for the form, and ``stated`` is the last line of a solution with a gold.
    """

    reads: Rule
    scores: tuple[Rule, ...]
    asked_for: str
    stated: Callable[[str], str]


def _hash_line(gold: str) -> str:
    """Return ``#### 72`` for a gold that has this line, or is the number alone."""
    number = gold.partition("####")[2] or gold
    return f"#### {number.strip().partition(chr(10))[0]}"


#: By the name of the answer rule.
FORMS: Mapping[str, AnswerForm] = {
    GSM8K_HASH.name: AnswerForm(
        ROBUST_NUMBER,
        (GSM8K_HASH, ROBUST_NUMBER),
        "End with a line that has #### and the answer alone, such as #### 72.",
        _hash_line,
    ),
    MATH_BOXED.name: AnswerForm(
        ROBUST_MATH,
        (MATH_BOXED, ROBUST_MATH),
        "End with a line that has the answer in a box, such as: The answer is $\\boxed{72}$.",
        lambda gold: f"The answer is $\\boxed{{{MATH_BOXED.gold_answer(gold)}}}$.",
    ),
    ROBUST_CHOICE.name: AnswerForm(
        ROBUST_CHOICE,
        (ROBUST_CHOICE, MAMMOTH_CHOICE),
        "End with a line that has the letter of the right option, such as: The answer is (B).",
        lambda gold: f"The answer is ({ROBUST_CHOICE.gold_answer(gold)}).",
    ),
}
