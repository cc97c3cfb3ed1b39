"""Where a text states a number, in digits or in words, and what other words bring a number with them.

Covered: whole and decimal numbers, commas, the English words from zero to ninety-nine, and fractions, ordinals, clock
times, magnitudes, multiples and units as far as they suggest a number that the text does not write out. Not covered:
numbers that follow from counting (a list of three names), and world knowledge beyond units (the legs of a dog).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_BELOW_TWENTY = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_CARDINALS = {word: number for number, word in enumerate(_BELOW_TWENTY)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}

# Words that bring numbers with them: by their meaning, or because a solution converts the unit that they name.
_IMPLIED: dict[str, tuple[int, ...]] = {
    r"half|halves|halved|twice|both|pairs?|couples?|doubl(?:e|ed|es|ing)|second": (2,),
    r"thirds?|thrice|trio|tripl(?:e|ed|es|ing)|triplets?|triangles?|triangular": (3,),
    r"quarters?|quarterly": (3, 4, 25),
    r"fourths?|quadrupl(?:e|ed|es|ing)|squares?|rectangles?|rectangular": (4,),
    r"fifths?|weekdays?": (5,),
    r"sixths?": (6,),
    r"sevenths?": (7,),
    r"eighths?": (8,),
    r"ninths?": (9,),
    r"tenths?|dimes?|decades?": (10,),
    r"dozens?|twelfths?": (12,),
    r"twentieths?": (20,),
    r"nickels?": (5,),
    r"hundreds?|hundredths?|cents?|penn(?:y|ies)|percents?|percentages?|cm|centimeters?|century|meters?": (100,),
    r"thousands?|thousandths?|kg|kilograms?|kilometers?|km|grams?|liters?|ml|milliliters?": (1000,),
    r"weekends?|pints?": (2,),
    r"weeks?|weekly": (7,),
    r"fortnights?": (14, 2),
    r"months?|monthly": (4, 12, 30, 31),
    r"years?|yearly|annual|annually": (12, 52, 365),
    r"days?|daily": (7, 24),
    r"hours?|hourly|hrs?|minutes?|mins?|seconds|mph": (24, 60),
    r"feet|foot|inch|inches|yards?": (3, 12, 36),
    r"pounds?|lbs?|ounces?|oz": (16,),
    r"gallons?|quarts?": (4, 16),
}

_DIGITS = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_PARTS = r"halves|half|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|twelfths?"
_MAGNITUDES = r"hundred|thousand|million|billion|trillion"
# What follows a number and makes it a part of something else: 5:30, 2/3, grades 4-7, 3rd, 1990s, 2 1/2, 2 and a half,
# 5 million.
_BOUND = re.compile(
    rf"\s*[/:–—-]\s*\d|(?:st|nd|rd|th|s|k)\b|[- ]\d+/\d| and (?:a|one|\d+)[- /](?:{_PARTS}|\d)"
    rf"|[- ](?:{_PARTS}|{_MAGNITUDES})\b",
    re.IGNORECASE,
)
# The like before it.
_BOUND_BEFORE = re.compile(r"(?:[A-Za-z]|\d\s*[/:–—-]\s*|\d[.,])$")
_NUMBER = re.compile(_DIGITS)


def _whole_words(pattern: str) -> re.Pattern[str]:
    # Not \b: a digit may stand right before or after a word (30mph).
    return re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.IGNORECASE)


_WORD = _whole_words(
    rf"({'|'.join(_TENS)})(?:[- ]({'|'.join(_BELOW_TWENTY[1:10])})(?![A-Za-z]))?|({'|'.join(_BELOW_TWENTY)})"
)
_IMPLYING = [(_whole_words(words), values) for words, values in _IMPLIED.items()]


@dataclass(frozen=True)
class Statement:
    """A place of a text, from ``start`` to ``end``, that brings a number with it.

    ``plain`` says that the text states just this number there: ``3``, ``1,000``, ``three``, ``20%``. It is False for
    what only bears on the number: ``twice``, ``2/3``, ``3rd``, ``two hundred``, ``5:30``, ``a week`` (7).
    """

    value: Decimal
    start: int
    end: int
    plain: bool


def statements(text: str) -> Iterator[Statement]:
    """Yield what brings a number with it in ``text``: digits, number words, then what implies a number."""
    for match in _NUMBER.finditer(text):
        bound = _BOUND.match(text, match.end()) or _BOUND_BEFORE.search(text, 0, match.start())
        yield Statement(number(match.group()), match.start(), match.end(), bound is None)
    for match in _WORD.finditer(text):
        tens, units, single = (group and _CARDINALS[group.lower()] for group in match.groups())
        value = single if single is not None else (tens or 0) + (units or 0)
        yield Statement(Decimal(value), match.start(), match.end(), _BOUND.match(text, match.end()) is None)
    for pattern, values in _IMPLYING:
        for match in pattern.finditer(text):
            for implied in values:
                yield Statement(Decimal(implied), match.start(), match.end(), False)
    for match in re.finditer("%", text):
        yield Statement(Decimal(100), match.start(), match.end(), False)


def digit_places(text: str, start: int = 0, end: int | None = None) -> list[re.Match[str]]:
    """Return the places of ``text`` from ``start`` to ``end`` where digits write a number, without its sign."""
    return list(_NUMBER.finditer(text, start, len(text) if end is None else end))


def number(digits: str) -> Decimal:
    """Return the value of digits with or without commas, such as ``1,000``, ``5.0`` or ``.5``."""
    return Decimal(digits.replace(",", ""))


def written(value: int, like: str) -> str:
    """Return ``value`` as ``like`` is written: a word (then it is 0 to 99), with a capital, or digits with commas."""
    if not like[0].isalpha():
        return f"{value:,}" if "," in like else str(value)
    word = _BELOW_TWENTY[value] if value < 20 else _TENS[value // 10 - 2]
    if value > 20 and value % 10:
        word = f"{word}-{_BELOW_TWENTY[value % 10]}"
    return word.capitalize() if like[0].isupper() else word
