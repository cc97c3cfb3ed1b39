"""Exact rules for answers that are numbers: GSM8K and sets like it."""

from __future__ import annotations

import math
import re
import unicodedata
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.rule import Rule

_HASH_ANSWER = re.compile(r"#### (\-?[0-9\.\,]+)")
_NUMBER = re.compile(r"\-?[0-9\.\,]+")
_LETTER_A_ANSWER = re.compile(r"^A: (\-?[0-9\.\,]+)$", re.MULTILINE)
_METAMATH_NUMBER = re.compile(r"[\-+]?\d*[\.,/]?\d+")

#: What comes before the answer of a MetaMath model.
METAMATH_MARK = "The answer is: "


def _without_commas(number: str) -> str | None:
    number = number.replace(",", "")
    try:
        float(number)
    except ValueError:  # the pattern also matches "1.2.3" and "."
        return None
    return number


def _extract_hash(text: str) -> str | None:
    # As in the authors' script, what follows the first NUL character is not part of the generation.
    match = _HASH_ANSWER.search(text.split("\0", maxsplit=1)[0])
    return None if match is None else _without_commas(match.group(1))


def number_in_gold(text: str) -> str | None:
    """Return the answer of a reference solution that ends in ``#### 72``, or a number that stands alone."""
    if "####" in text:
        return _extract_hash(text)
    return _without_commas(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def _within_tolerance(answer: str, gold: str) -> bool:
    return abs(float(answer) - float(gold)) < 1e-4


#: GSM8K and GSM-IC for models fine-tuned on GSM8K or GSM8K-RFT, bug for bug (evaluation scripts of arXiv 2403.02178).
GSM8K_HASH = Rule("gsm8k_hash", _extract_hash, number_in_gold, _within_tolerance)


def _extract_letter_a(text: str) -> str | None:
    matches = _LETTER_A_ANSWER.findall(text)
    return _without_commas(matches[-1]) if matches else None


def _letter_a_or_number(text: str) -> str | None:
    return _extract_letter_a(text) or number_in_gold(text)


#: GSM8K's own example solutions, whose last line is ``A: 72`` (Cobbe et al. 2021).
OPENAI_GSM8K = Rule("openai_gsm8k", _extract_letter_a, _letter_a_or_number, _within_tolerance)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        # One character may be a numeral of its own, such as a circled one; more of them are not.
        return len(text) == 1 and unicodedata.numeric(text, None) is not None
    return True


def _extract_metamath(text: str) -> str | None:
    _, mark, answer = text.rpartition(METAMATH_MARK)
    match = _METAMATH_NUMBER.search(answer.strip()) if mark else None
    if match is None:
        return None
    number = match.group()
    try:
        if "/" not in number:
            value = float(number.replace(",", ""))
        else:
            numerator, denominator = number.split("/")
            if not (_is_number(numerator) and _is_number(denominator)):
                return None
            # A fraction over zero counts as its numerator there.
            value = float(numerator) if denominator == "0" else float(Fraction(number))
    except (ValueError, ZeroDivisionError, OverflowError):  # the script itself would end here
        return None
    return str(round(value)) if math.isfinite(value) else None


def _whole_number(text: str) -> str | None:
    number = _extract_metamath(text) if METAMATH_MARK in text else number_in_gold(text)
    # "72.0" is whole, 4.33 is not: rounded answers would never be equal to it.
    return str(int(float(number))) if number is not None and float(number).is_integer() else None


#: GSM8K for MetaMath models: the first number after the last ``The answer is: ``, rounded to a whole one. The number's
#: pattern takes one comma: of 1,234,567 it reads 1,234 (evaluation scripts of arXiv 2403.02178, from MetaMath).
METAMATH_GSM8K = Rule("metamath_gsm8k", _extract_metamath, _whole_number, str.__eq__)
