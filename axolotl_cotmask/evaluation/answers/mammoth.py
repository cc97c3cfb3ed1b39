"""Exact rules for MAmmoTH models: how its scripts read numbers, LaTeX and letters, and how they compare them.

The scripts put ``The answer is `` before the output of a program, and read that as they read a chain of thought.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable

from axolotl_cotmask.evaluation.answers.math import boxed_in_gold
from axolotl_cotmask.evaluation.answers.math_text import closing_brace, mammoth_form
from axolotl_cotmask.evaluation.answers.numbers import number_in_gold
from axolotl_cotmask.evaluation.answers.rule import Rule

#: What the scripts put before the output of a program.
ANSWER_MARK = "The answer is "

_MARKS = re.compile("####|The answer is")
_NUMBER = re.compile(r"-?\d+/?\.?\d*")
_LAST_NUMBER = re.compile(r"-?\d*\.?\d+")
_LETTER = re.compile(r"\b(A|B|C|D|E)\b")
_FRACTION = re.compile(r"\\frac\{([^{}]+)\}\{([^{}]+)\}")
_TOLERANCE = 0.04
# Beyond these, powers and expressions are no answers that anybody writes, and take long to compute or to parse.
_MAX_EXPONENT = 64
_MAX_BITS = 4096
_MAX_LENGTH = 1000


def _answer_part(text: str) -> tuple[str, bool]:
    """Return the part of ``text`` that holds the answer, and whether a mark stands before it."""
    if any(text.count(mark) > 1 for mark in ("####", "The answer is")):
        text = text.split("\n\n", maxsplit=1)[0]
    parts = _MARKS.split(text)
    part = parts[-1]
    if "=" in part:
        part = part.rpartition("=")[2].strip()
    return part, len(parts) > 1


def _first_or_last(answers: list[str], first: bool) -> str | None:
    if not answers:
        return None
    return (answers[0] if first else answers[-1]).removesuffix(".").removesuffix("/")


def _without_extra_zeros(number: str) -> str:
    try:
        value = float(number)
    except ValueError:  # a fraction stays a text
        return number
    digits = str(value).rstrip("0")
    try:
        return str(int(digits.removesuffix("."))) if digits.endswith(".") else str(float(digits))
    except ValueError:
        return digits


def _extract_number(text: str) -> str | None:
    part, marked = _answer_part(text)
    return _first_or_last([_without_extra_zeros(n) for n in _NUMBER.findall(part.replace(",", ""))], first=marked)


def _gold_number(text: str) -> str | None:
    number = number_in_gold(text)
    return None if number is None else _without_extra_zeros(number)


#: GSM8K and SVAMP for MAmmoTH models: numbers as texts, without commas and extra zeros (evaluation scripts of arXiv
#: 2403.02178, from MAmmoTH).
MAMMOTH_NUMBER = Rule("mammoth_number", _extract_number, _gold_number, str.__eq__)


def _extract_letter(text: str) -> str | None:
    part, marked = _answer_part(text)
    return _first_or_last(_LETTER.findall(part.upper()), first=marked)


def letter_in_gold(text: str) -> str | None:
    """Return the letter of an option, where it is all that ``text`` holds."""
    return text.strip() if text.strip() in tuple("ABCDE") else None


#: AQuA for MAmmoTH models: the letter. Where a model names none, the scripts ask it once more for the closest option;
#: here it has no answer then.
MAMMOTH_CHOICE = Rule("mammoth_choice", _extract_letter, letter_in_gold, str.__eq__)


def _boxed(text: str) -> str:
    after = text.rpartition("boxed")[2]
    if not after.startswith("{"):
        return mammoth_form(after.split("$")[0].strip())
    # Where the braces are not closed, all the rest is the answer.
    return mammoth_form(after[1 : closing_brace(after, 0)])


def _extract_math(text: str) -> str | None:
    for mark in (ANSWER_MARK, "the answer is "):
        if mark in text:
            answer = text.rpartition(mark)[2].strip()
            break
    else:
        if "boxed" in text:
            answer = _boxed(text)
        else:
            numbers = _LAST_NUMBER.findall(text)
            answer = numbers[-1] if numbers else ""
    answer = mammoth_form(answer.removesuffix(".").removesuffix("/"))
    if "boxed" in answer:
        answer = _boxed(answer)
    return answer or None


def _gold_math(text: str) -> str | None:
    answer = boxed_in_gold(text)
    return None if answer is None else mammoth_form(answer)


def _math_equal(answer: str, gold: str) -> bool:
    if answer == gold:
        return True
    value, wanted = _value(answer), _value(gold)
    if value is None or wanted is None or math.isnan(value) or math.isnan(wanted):
        return False
    if math.isinf(wanted) or wanted == int(wanted):
        return math.isfinite(value) and round(value) == wanted
    margin = abs(wanted) * _TOLERANCE
    return wanted - margin <= value <= wanted + margin


_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def _value(text: str) -> float | None:
    """Return the number that ``text`` means, or None. The scripts run ``eval`` on what the model wrote; we do not."""
    if "frac" in text:
        text = _FRACTION.sub(r"\1/\2", text)
    elif "," in text:
        text = text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        pass
    if len(text) > _MAX_LENGTH:
        return None
    try:
        value = _evaluated(ast.parse(text, mode="eval").body)
        return None if isinstance(value, complex) else float(value)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError):
        return None


def _evaluated(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Tuple(elts=[first, *_]) | ast.List(elts=[first, *_]):
            return _evaluated(first)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluated(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            left_value, right_value = _evaluated(left), _evaluated(right)
            if isinstance(op, ast.Pow) and (
                abs(right_value) > _MAX_EXPONENT
                or (isinstance(left_value, int) and left_value.bit_length() * abs(right_value) > _MAX_BITS)
            ):
                raise ValueError("a power too large to be meant")
            return _OPERATORS[type(op)](left_value, right_value)
    raise ValueError("not a number")


#: MATH for MAmmoTH models: the same text, or else the same number, whole ones after rounding and others within 4 %
#: (evaluation scripts of arXiv 2403.02178, from MAmmoTH). Their gold numbers come from a file that has some more of
#: them, such as values of roots.
MAMMOTH_MATH = Rule("mammoth_math", _extract_math, _gold_math, _math_equal)
