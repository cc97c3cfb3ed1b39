"""Calculator errors, an error type of the Masked Thought paper's Table 7, told by ``<<a=b>>`` without a judge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.annotations import ANNOTATION, arithmetic_value
from axolotl_cotmask.evaluation.graded import GradedFile, answer_text, question_clusters
from axolotl_cotmask.evaluation.stats.estimates import Estimate, share

_EQUATION = re.compile(r"([^=]*)=([^=]*)")


@dataclass(frozen=True)
class CalculatorErrors:
    """Of one model: its wrong answers, and the share of them with a step whose annotation is calculated wrongly.

    ``right_too`` is the same share among right answers; both None where there are no such answers. ``annotations`` and
    ``wrong_annotations`` count over all answers, ``unreadable`` those that are no arithmetic.
    """

    errors: int
    of_errors: Estimate | None
    right_too: Estimate | None
    annotations: int
    wrong_annotations: int
    unreadable: int


def check_annotations(text: str) -> list[bool | None]:
    """Return of each ``<<a=b>>`` in ``text`` whether a is b, up to rounding; None where a or b is no arithmetic."""
    equations = (_EQUATION.fullmatch(annotation) for annotation in ANNOTATION.findall(text))
    return [_is_right(*equation.groups()) for equation in equations if equation is not None]


def calculator_errors(graded: GradedFile) -> CalculatorErrors:
    """Count the calculator errors in a model's answers.

    Raises:
        CoTMaskError: a sample holds no single text as its answer.
    """
    questions = graded.concerned
    checked = [check_annotations(answer_text(question)) for question in questions]
    clusters = question_clusters(questions)
    shares = []
    for right in (0.0, 1.0):
        of_kind = [place for place, question in enumerate(questions) if question.right == right]
        items = [(clusters[place], float(False in checked[place])) for place in of_kind]
        shares.append(share(items) if items else None)
    return CalculatorErrors(
        errors=sum(question.right == 0 for question in questions),
        of_errors=shares[0],
        right_too=shares[1],
        annotations=sum(map(len, checked)),
        wrong_annotations=sum(of_answer.count(False) for of_answer in checked),
        unreadable=sum(of_answer.count(None) for of_answer in checked),
    )


def _is_right(expression: str, result: str) -> bool | None:
    value, stated = _value(expression), _value(result)
    if value is None or stated is None:
        return None
    decimals = len(result.strip().partition(".")[2])
    # Rounded to its last digit.
    return abs(value - stated) <= Fraction(1, 2) / 10**decimals


def _value(text: str) -> Fraction | None:
    """Return the value of an arithmetic expression, exactly; None where it is none."""
    text = re.sub(r"[\s$,€£]", "", text).replace("%", "/100").replace("×", "*").replace("÷", "/").replace("−", "-")
    # Python has no numbers with zeros in front.
    text = re.sub(r"(?<![\d.])0+(?=\d)", "", text)
    return arithmetic_value(text)
