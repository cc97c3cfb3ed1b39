"""Robust rules: they read any common form of an answer and compare by value, by Math-Verify where LaTeX asks for it.

They judge what a model means, where the exact rules judge whether it also keeps to the form that it was trained in.
"""

from __future__ import annotations

import re
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.final_answer import about_the_question, bold_result, formulas, stated_answer
from axolotl_cotmask.evaluation.answers.mammoth import letter_in_gold
from axolotl_cotmask.evaluation.answers.math import boxed_in_gold
from axolotl_cotmask.evaluation.answers.math_text import hendrycks_equal
from axolotl_cotmask.evaluation.answers.numbers import number_in_gold
from axolotl_cotmask.evaluation.answers.rule import Rule
from axolotl_cotmask.evaluation.answers.verifier import latex_equal

_PLAIN = (
    ("\u2212", "-"),
    ("\\$", "$"),
    ("\\%", "%"),
    ("{,}", ","),
    ("\\,", ""),
    ("\\!", ""),
    ("\\ ", " "),
    ("\\left", ""),
    ("\\right", ""),
    ("dfrac", "frac"),
    ("tfrac", "frac"),
    ("**", ""),
)
_FRACTION = re.compile(r"\\frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w.)\]])-)?(?:[$£€]\s?(?P<inner>-)?)?(?:(?P<whole>\d+) (?=\d+\s?/))?(?P<number>{_UNSIGNED})"
    r"(?:(?:\s?[x×]\s?10\^|[eE])\{?(?P<exponent>[-+]?\d{1,3})\}?)?(?:\s?/\s?(?P<below>\d+))?"
)
_CALCULATION = re.compile(r"\s*[-+*/×÷=]")
_UNIT = re.compile(r"\s*(?:[A-Za-z]{3,}\W*)+")
_RELATIVE_NOISE = Fraction(1, 10**9)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_BARE_WORD = re.compile(r"[\s$().]")
_MARKED_LETTER = re.compile(r"\(\s*([A-Ea-e])\s*\)|\b([A-E])\b")
_LETTER_IN_BRACKETS = re.compile(r"\(([A-E])\)|\b([A-E])\)|\*\*\(?([A-E])\)?[.:]?\*\*")
_LAST_LINE_LETTER = re.compile(r"(?:^|\n)\W*([A-E])\W*$")


def _plain(text: str) -> str:
    for old, new in _PLAIN:
        text = text.replace(old, new)
    return _FRACTION.sub(r"\1/\2", text)


def _as_text(match: re.Match[str]) -> str:
    """Return the number of ``match`` as ``[-]12.50``, ``[-]3/4`` or ``[-]1 3/4``, with an exponent multiplied out."""
    digits = match["number"].replace(",", "")
    if match["exponent"] and abs(int(match["exponent"])) < 100:
        digits = str(Fraction(digits) * Fraction(10) ** int(match["exponent"]))
    below = match["below"]
    if below and int(below) and "/" not in digits:
        value = Fraction(digits) / int(below)
        digits = str(value + int(match["whole"]) if match["whole"] else value)
    return f"{'-' if match['sign'] or match['inner'] else ''}{digits}"


def _number_in(passage: str) -> str | None:
    """Return the number that ``passage`` comes to: the first one, or the one after the last ``=`` of a calculation."""
    passage = _plain(passage)
    first = _NUMBER.match(passage)
    if first is None or _CALCULATION.match(passage, first.end()):
        first = _NUMBER.search(passage.rpartition("=")[2]) or _NUMBER.search(passage)
    return None if first is None else _as_text(first)


def _extract_number(text: str) -> str | None:
    text = about_the_question(text)
    for passage in (stated_answer(text), bold_result(text)):
        number = None if passage is None else _number_in(passage)
        if number is not None:
            return number
    numbers = list(_NUMBER.finditer(_plain(text)))
    return _as_text(numbers[-1]) if numbers else None


def _gold_number(text: str) -> str | None:
    return number_in_gold(text) or _extract_number(text)


def _number_equal(answer: str, gold: str) -> bool:
    difference = abs(Fraction(answer) - Fraction(gold))
    # 4.33 is 13/3 to two places. One place would make 0.46 an 0.5.
    places = len(gold.partition(".")[2])
    rounding = Fraction(1, 2 * 10**places) if places >= 2 else 0
    return difference <= max(rounding, abs(Fraction(gold)) * _RELATIVE_NOISE)


#: Any number: boxed, after ``####``, ``answer is``, ``Answer:`` or ``A:``, in bold at the end, or else the last one of
#: the text; with currency, units, thousands, fractions or LaTeX around it. Right when it has the gold's value, to the
#: places that the gold has.
ROBUST_NUMBER = Rule("robust_number", _extract_number, _gold_number, _number_equal)


def _extract_math(text: str) -> str | None:
    text = about_the_question(text)
    passage = stated_answer(text)
    if passage is None:
        in_text = formulas(text)
        return in_text[-1] if in_text else _extract_number(text)
    in_passage = formulas(passage)
    if in_passage:
        return in_passage[0]
    number = _NUMBER.match(_plain(passage))
    return _as_text(number) if number and _UNIT.fullmatch(_plain(passage), number.end()) else passage


def _gold_math(text: str) -> str | None:
    return boxed_in_gold(text) if "boxed" in text else text.strip() or None


def _words(text: str) -> str:
    return _BARE_WORD.sub("", _TEXT.sub(r"\1", text)).lower()


def _math_equal(answer: str, gold: str) -> bool:
    if hendrycks_equal(answer, gold) or _words(answer) == _words(gold):
        return True
    numbers = [_NUMBER.fullmatch(_plain(text).strip(" $%.")) for text in (answer, gold)]
    if numbers[0] is not None and numbers[1] is not None:
        return _number_equal(_as_text(numbers[0]), _as_text(numbers[1]))
    return latex_equal(answer, gold)


#: Any LaTeX answer, found as above or as the last formula; the same text, the same number, or equal by Math-Verify.
ROBUST_MATH = Rule("robust_math", _extract_math, _gold_math, _math_equal)


def _letter(match: re.Match[str] | None) -> str | None:
    return None if match is None else next(group for group in match.groups() if group).upper()


def _extract_letter(text: str) -> str | None:
    text = about_the_question(text)
    passage = stated_answer(text)
    if passage is not None:
        marked = _letter(_MARKED_LETTER.search(_TEXT.sub(r"\1", passage)))
        if marked is not None:
            return marked
    bracketed = list(_LETTER_IN_BRACKETS.finditer(text))
    return _letter(_LAST_LINE_LETTER.search(text)) or _letter(bracketed[-1] if bracketed else None)


#: The letter of an option: boxed, after ``answer is`` and the like, alone on the last line, or the last in brackets.
ROBUST_CHOICE = Rule("robust_choice", _extract_letter, letter_in_gold, str.__eq__)
