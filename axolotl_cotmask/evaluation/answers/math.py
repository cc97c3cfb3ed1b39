"""Exact rules for MATH, whose answers are LaTeX."""

from __future__ import annotations

from axolotl_cotmask.evaluation.answers.math_text import hendrycks_equal, last_boxed, metamath_equal
from axolotl_cotmask.evaluation.answers.numbers import METAMATH_MARK
from axolotl_cotmask.evaluation.answers.rule import Rule


def boxed_in_gold(text: str) -> str | None:
    r"""Return the answer of a reference solution, or ``text`` itself where it holds no ``\boxed``; None when empty.

    A few solutions of MATH write ``\boxed 5`` or ``\fbox{5}``, which the scripts read as no answer, so that nothing is
    right there. That is a fault in the data and not a rule: the 5 is read.
    """
    if "\\boxed" not in text and "\\fbox" not in text:
        return text.strip() or None
    if "\\boxed" not in text:
        return last_boxed(text, "\\fbox") or None
    _, mark, rest = text.rpartition("\\boxed ")
    return last_boxed(text) or (rest.split("$")[0].strip() if mark else "") or None


def _extract_metamath(text: str) -> str | None:
    _, mark, answer = text.rpartition(METAMATH_MARK)
    if not mark:
        return None
    return answer.split(".\n", maxsplit=1)[0].strip().removesuffix(".").strip()


def _metamath_gold(text: str) -> str | None:
    return _extract_metamath(text) if METAMATH_MARK in text else boxed_in_gold(text)


#: MATH for models trained on MATH's own solutions: the last ``\boxed{}``, compared by Hendrycks' normal form.
MATH_BOXED = Rule("math_boxed", last_boxed, boxed_in_gold, hendrycks_equal)

#: MATH for MetaMath models: the text after the last ``The answer is: `` up to a full stop at a line's end, compared by
#: Hendrycks' normal form (evaluation scripts of arXiv 2403.02178, from MetaMath).
METAMATH_MATH = Rule("metamath_math", _extract_metamath, _metamath_gold, metamath_equal)
