"""Whether a number of a sentence follows from two others of it: then no word has to say that it is the result."""

from __future__ import annotations

import re
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.quantity import whole_number

_PERCENT = re.compile(r" ?(?:%|percent\b)")
# Behind the last comma, or `and`.
_TAIL = re.compile(r", (?:and )?| and ")
_LISTED = re.compile(r"\d(?: [a-z]+)?, (?:and )?-?\d")


def derived_number(numbers: list[re.Match[str]], *, also_and: bool = False) -> re.Match[str] | None:
    """Return the last of exactly three numbers of a sentence where it is what the two before a comma come to.

    As in ``18 litres an hour for 6 hours, a total of 108``, and in percent, ``45 of 60, which is 75%``. With
    ``also_and`` also behind ``and``: ``spent 32 of her 50 and has 18 left``. Of three that are listed it is none.
    """
    if len(numbers) != 3:
        return None
    one, other, last = numbers
    sentence = last.string
    between, within = sentence[other.end() : last.start()], sentence[one.end() : other.start()]
    tail = _TAIL.search(between)
    parted = _TAIL.search(within) if also_and else "," in within
    listed = _LISTED.search(sentence) if " of " not in within else None
    if tail is None or parted or (not also_and and tail.group() == " and ") or listed:
        return None
    values = [whole_number(number.group()) for number in numbers]
    if not all(values):
        return None
    first, second, third = (value.value for value in values if value is not None)
    percent = _PERCENT.match(sentence, last.end()) is not None
    places = values[2].places if values[2] is not None else 0
    return last if any(_is_rounded(third, value, places) for value in _come_to(first, second, percent)) else None


def _come_to(first: Fraction, second: Fraction, percent: bool) -> list[Fraction]:
    if percent:
        return [100 * first / second, 100 * abs(second - first) / first] if first and second else []
    results = [first + second, abs(first - second), first * second]
    return results + ([first / second, second / first] if first and second else [])


def _is_rounded(number: Fraction, value: Fraction, places: int) -> bool:
    return abs(number - value) <= Fraction(1, 2 * 10**places) if places else number == value
