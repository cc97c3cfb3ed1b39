"""Robust rules: they read any common form of an answer and compare by value. docs/answers.md says what they read.

They judge what a model means, where the exact rules judge whether it also keeps to the form that it was trained in.
"""

from __future__ import annotations

import re
from functools import partial

from axolotl_cotmask.evaluation.answers.asked import Asked, name_asked
from axolotl_cotmask.evaluation.answers.circumstances import is_circumstance, is_known
from axolotl_cotmask.evaluation.answers.corrections import last_said
from axolotl_cotmask.evaluation.answers.cuts import about_the_question
from axolotl_cotmask.evaluation.answers.expressions import math_equal, numbers_equal
from axolotl_cotmask.evaluation.answers.final_answer import statements, without_denials
from axolotl_cotmask.evaluation.answers.formulas import formula_in, last_formula, plain_expression, value_of
from axolotl_cotmask.evaluation.answers.last_number import last_number
from axolotl_cotmask.evaluation.answers.last_sentence import QUANTITY, number_of_sentence
from axolotl_cotmask.evaluation.answers.letters import letter_in
from axolotl_cotmask.evaluation.answers.mammoth import letter_in_gold
from axolotl_cotmask.evaluation.answers.math import boxed_in_gold
from axolotl_cotmask.evaluation.answers.numbers import number_in_gold
from axolotl_cotmask.evaluation.answers.plain import plain
from axolotl_cotmask.evaluation.answers.quantity import LIMIT, bare, breaks_off, number_in, whole_number
from axolotl_cotmask.evaluation.answers.remarks import (
    ends_before_its_answer,
    ends_within_a_sentence,
    gives_no_answer,
    without_checks,
    without_remarks,
)
from axolotl_cotmask.evaluation.answers.rule import Rule

_DIGIT = re.compile(r"\d")
_NO_NUMBER = re.compile(
    r"\W*(?:cannot|can't|can not|unknown|undefined|undetermined|indeterminate|impossible|unclear|ambiguous"
    r"|not (?:enough|given|possible|known|applicable)|n/a|insufficient|no (?:answer|solution))\b",
    re.IGNORECASE,
)
# In what else would be a remark: Note that ... Hence, the angle is $90^\circ$.
_CONCLUDES = re.compile(r"\b(?:so|thus|hence|therefore)\b", re.IGNORECASE)
# A name or a day; not the beginning of what leads to the answer.
_NAME = re.compile(
    r"(?!(?:Total|Result|Therefore|Hence|Thus|See|Below|First|Step|Let|Solution|Yes|Correct)\b)[A-Z][a-z]{2,20}"
)


def _extract_number(text: str, question: str | None = None) -> str | None:
    asked = None if question is None else Asked.of(question)
    text = _without_the_question(about_the_question(text), question)
    return last_said(without_denials(text), partial(_number_stated_or_last, asked=asked))


def _without_the_question(text: str, question: str | None) -> str:
    """Return ``text`` without the question that it begins with, word for word."""
    echoed = plain(question).strip() if question else ""
    return text.lstrip().removeprefix(echoed)


def _number_stated_or_last(text: str, asked: Asked | None = None) -> str | None:
    for passage in statements(text):
        number = None if _NO_NUMBER.match(passage) else _number_of_statement(passage)
        if number is not None:
            return number
        if breaks_off(passage):
            return None
        # It states an answer that is not one number.
        if _DIGIT.search(passage) or _NO_NUMBER.match(passage) or _NAME.fullmatch(passage):
            return passage[:LIMIT]
    return None if ends_before_its_answer(text) else last_number(text, asked)


def _number_of_statement(passage: str) -> str | None:
    """Return the number of a stated passage: of a sentence whose first one is of a circumstance, what it comes to."""
    sentence = " ".join(bare(passage[:LIMIT]).split())
    numbers = list(QUANTITY.finditer(sentence))
    beside = len(numbers) > 1 and (is_circumstance(sentence, numbers[0]) or is_known(sentence, numbers[0]))
    return number_of_sentence(passage) if beside and "=" not in passage else number_in(passage)


def _gold_number(text: str) -> str | None:
    return number_in_gold(text) or _extract_number(text)


def _number_equal(answer: str, gold: str) -> bool:
    if answer == gold:
        return True
    numbers = [whole_number(text) for text in (answer, gold)]
    return numbers[0] is not None and numbers[1] is not None and numbers_equal(numbers[0], numbers[1])


#: Any number: stated by a box, ``####``, ``answer is`` or the like, in bold at the end, or else the last one of the
#: text; with currency, units, thousands, fractions, arithmetic, words or LaTeX. Right when it has the gold's value, to
#: the places that the gold has.
ROBUST_NUMBER = Rule("robust_number", _extract_number, _gold_number, _number_equal, _extract_number)


def _extract_math(text: str, question: str | None = None) -> str | None:
    name = None if question is None else name_asked(question)
    text = _without_the_question(about_the_question(text), question)
    return last_said(text, partial(_formula_stated_or_last, name=name))


def _formula_stated_or_last(text: str, name: str | None = None) -> str | None:
    for passage in statements(text):
        formula = formula_in(passage)
        if formula is not None:
            return formula
    if ends_before_its_answer(text) or ends_within_a_sentence(text):
        return None
    said = without_remarks(text)
    text = without_checks(text if _CONCLUDES.search(text, len(said)) else said)
    if gives_no_answer(text.rpartition(". ")[2]):
        return None
    of_name = None if name is None else value_of(text, name)
    formula = of_name or last_formula(text) or plain_expression(text)
    return formula if formula is not None else last_number(without_denials(text))


def _gold_math(text: str) -> str | None:
    return boxed_in_gold(text) if "boxed" in text else text.strip() or None


#: Any LaTeX answer, stated as above, or else the last formula; the same text, the same number, or equal by Math-Verify.
ROBUST_MATH = Rule("robust_math", _extract_math, _gold_math, math_equal, _extract_math)


def _extract_letter(text: str) -> str | None:
    return last_said(without_denials(about_the_question(text)), letter_in)


#: The letter of an option: stated, behind ``so`` or ``choose``, alone on the last line, or the last in brackets.
ROBUST_CHOICE = Rule("robust_choice", _extract_letter, letter_in_gold, str.__eq__)
