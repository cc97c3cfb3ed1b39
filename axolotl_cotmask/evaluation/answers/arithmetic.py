"""Arithmetic on exact numbers, read from text: ``2(9)``, ``3 hours * 60 minutes``, ``1.2 * 10^4``, ``2 1/2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, isqrt

from axolotl_cotmask.evaluation.answers.number_words import ADDED, ATTACHED, PARTS, SCALES

#: A number without a sign: thousands by commas, spaces, apostrophes, or by points where it cannot be a decimal.
NUMBER = (
    r"(?:\d{1,3}(?:[. ]\d{3})+,\d{1,2}(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
    r"|(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:[ '_]\d{3})+|\d+)(?!\d)(?:\.\d+)?|\.\d+)(?![.,]?\d)"
)
_EUROPEAN = re.compile(r"\d{1,3}(?:[. ]\d{3})+(?:,\d{1,2})?")
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>{NUMBER}(?:[eE][-+]?\d{{1,3}}(?![\w.]))?)|(?P<word>[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'.]*+(?:-[A-Za-z]++)*)|(?P<sign>[-+*/^()%]))"
)
_MIXED = re.compile(r" (\d{1,9}) ?/ ?(\d{1,9})(?![\d.,]?\d)")
_RATIO = re.compile(r" ?/ ?(\d{1,9})(?![\d.,]?\d)")
_AND_A_PART = re.compile(rf"\s*and ({'|'.join(ADDED)})\b", re.IGNORECASE)
_HYPHEN = re.compile(r"-[a-zA-Z]")
_PER = re.compile(r"/(?=[a-zA-Z]{2})")
_UNIT_POWER = re.compile(r"\^\(?-?[1-4]\)?|/(?=[a-zA-Z])")
# Exponents and results that are larger are no answers, and take long to compute.
_MAX_EXPONENT = 2000
_MAX_BITS = 10_000
_MAX_FACTORIAL = 300
_MAX_DEPTH = 40
_MAX_DIGITS = 400
_MAX_UNIT_WORDS = 8
_MAX_LEADING_WORDS = 12
_UNITS_OF_A_LETTER = frozenset("mgshlLWVACFKJN")
_NO_UNITS = frozenset(
    ("and", "or", "to", "through", "plus", "minus", "times", "is", "are", "not", "than", "pi", "sqrt")
)
# With one of these before a number, the number is not what is meant.
_CHANGED = frozenset(
    (
        "not", "no", "never", "neither", "either", "between", "less", "more", "fewer", "greater", "smaller",
        "larger", "over", "under", "above", "below", "than", "half", "twice", "double", "triple", "thrice", "sqrt",
        "log", "ln", "sin", "cos", "tan", "from", "pi", "option", "choice", "divisible",
    )
)  # fmt: skip
_TAKEN_OF = frozenset(
    (
        "sum",
        "product",
        "difference",
        "quotient",
        "ratio",
        "square",
        "cube",
        "root",
        "multiple",
        "power",
        "third",
        "quarter",
        "fraction",
        "factor",
        "divisor",
    )
)
_ARTICLES = frozenset(("a", "an", "i"))


class UnreadableError(Exception):
    """The text is no arithmetic."""


@dataclass(frozen=True)
class Number:
    """A number: its value, its digits where it is written by them alone, the words behind it, what was not read.

    ``alone`` says that nothing was computed for it.
    """

    value: Fraction
    written: str | None
    alone: bool
    unit: str
    rest: str

    @property
    def places(self) -> int:
        """The decimals that it is written with."""
        return len((self.written or "").partition(".")[2])

    @property
    def text(self) -> str:
        """The number as a decimal text where it has one, else as a ratio."""
        if self.written is not None:
            return self.written
        value, places = self.value, 0
        while places < 20 and value.denominator > 1:
            value, places = value * 10, places + 1
        if value.denominator > 1:
            return str(self.value)
        digits = str(abs(value.numerator)).rjust(places + 1, "0")
        whole, decimals = (digits[:-places], "." + digits[-places:]) if places else (digits, "")
        return f"{'-' if value < 0 else ''}{whole}{decimals}"


def parsed(text: str, *, prefix: bool = False, lead: bool = True, strict: bool = False) -> Number:
    """Return the number that ``text`` comes to.

    Args:
        text: at most some thousands of characters, as `quantity.bare` leaves them.
        prefix: whether something may follow the number and its unit; else all of it is read.
        lead: whether words may stand before the number.
        strict: whether a single letter is a variable rather than a unit, and a ratio over zero no number.

    Raises:
        UnreadableError: it comes to no number.
    """
    reader = _Reader(text, strict)
    if lead:
        reader.skip_words()
    value = reader.sum()
    rest = text[reader.place :]
    if rest.strip() and not prefix:
        raise UnreadableError
    written = None
    if reader.count == 1 and reader.single and not reader.computed:
        written = ("-" if value < 0 else "") + reader.single
    return Number(value, written, not reader.computed, reader.unit, rest)


class _Reader:
    def __init__(self, text: str, strict: bool) -> None:
        self.text, self.place, self.strict = text, 0, strict
        self.count, self.computed, self.single, self.unit = 0, False, "", ""
        self.depth = 0

    def peek(self, *groups: str) -> re.Match[str] | None:
        token = _TOKEN.match(self.text, self.place)
        return token if token is not None and token.lastgroup in groups else None

    def sign(self, signs: str) -> str:
        token = self.peek("sign")
        if token is None or token["sign"] not in signs:
            return ""
        self.place = token.end()
        return token["sign"]

    def skip_words(self) -> None:
        last = ""
        for _ in range(_MAX_LEADING_WORDS):
            token = self.peek("word")
            if token is None:
                break
            word = token["word"].lower()
            if word == "sqrt":
                return
            if (
                word in _CHANGED
                or (word == "of" and last in _TAKEN_OF)
                or (last, word) == ("up", "to")
                or (len(word) == 1 and word not in _ARTICLES)
            ):
                raise UnreadableError
            self.place, last = token.end(), word
            if self.text[self.place : self.place + 1] in ",:":
                self.place += 1
        if last and re.match(r"\s*[-+*/^] ", self.text[self.place :]):
            raise UnreadableError

    def sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise UnreadableError
        value = self.product()
        while not _HYPHEN.match(self.text, self.place) and (operator := self.sign("+-")):
            self.computed = True
            other = self.product()
            value = _bounded(value + other if operator == "+" else value - other)
        self.depth -= 1
        return value

    def product(self) -> Fraction:
        value = self.signed()
        while True:
            operator = self.sign("*/") or ("*" if self.text[self.place : self.place + 1] == "(" else "")
            if not operator:
                return value
            other = self.signed()
            # As in MetaMath's script, a fraction over zero counts as its numerator.
            if operator == "/" and other == 0:
                if self.strict:
                    raise UnreadableError
                self.computed = True
                continue
            value = _bounded(value * other if operator == "*" else value / other)
            self.computed = True

    def signed(self) -> Fraction:
        minus = 0
        while operator := self.sign("+-"):
            minus += operator == "-"
        value = self.power()
        return -value if minus % 2 else value

    def power(self) -> Fraction:
        base = self.atom()
        if not self.sign("^"):
            return base
        self.computed = True
        exponent = self.signed_exponent()
        if exponent.denominator != 1 or abs(exponent) > _MAX_EXPONENT or (base == 0 and exponent < 0):
            raise UnreadableError
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent) > _MAX_BITS:
            raise UnreadableError
        return base ** int(exponent)

    def signed_exponent(self) -> Fraction:
        minus = self.sign("+-") == "-"
        exponent = self.power()
        return -exponent if minus else exponent

    def atom(self) -> Fraction:
        if self.sign("("):
            value = self.sum()
            if not self.sign(")"):
                raise UnreadableError
            return self.with_unit(value)
        word = self.peek("word")
        if word is not None and word["word"] == "sqrt" and self.text[word.end() : word.end() + 1] == "(":
            self.place, self.computed = word.end(), True
            return self.with_unit(_root(self.atom()))
        token = self.peek("number")
        if token is None:
            raise UnreadableError
        self.place = token.end()
        self.count += 1
        return self.with_unit(self.mixed(token["number"]))

    def mixed(self, written: str) -> Fraction:
        value = _value(written)
        fraction = _MIXED.match(self.text, self.place)
        if fraction is not None and written.isdigit() and int(fraction[2]):
            self.place = fraction.end()
            self.count += 1
            return value + Fraction(int(fraction[1]), int(fraction[2]))
        ratio = _RATIO.match(self.text, self.place)
        if ratio is not None:
            self.place = ratio.end()
            self.count += 1
            if int(ratio[1]):
                return value / int(ratio[1])
            if self.strict:
                raise UnreadableError
            return value
        self.single = _digits(written) if "e" not in written.lower() else ""
        if not self.single:
            self.count += 1
        return value

    def with_unit(self, value: Fraction) -> Fraction:
        """Return ``value`` in the unit's size where it is a number word; other units are passed over."""
        attached = self.place
        if self.text[self.place : self.place + 1] == "!" and not self.text[self.place + 1 : self.place + 2].isalpha():
            value = self.factorial(value)
        while self.sign("%"):
            pass
        if _PER.match(self.text, self.place):
            self.place += 1
        words = 0
        while token := self.peek("word"):
            word = token["word"].rstrip(".").lower()
            if words == 0 and (word in SCALES or (token["word"] in ATTACHED and token.start("word") == attached)):
                value, self.count = value * (SCALES.get(word) or ATTACHED[token["word"]]), self.count + 1
            elif words == 0 and word in PARTS:
                value, self.count = value * PARTS[word], self.count + 1
            elif half := _AND_A_PART.match(self.text, self.place):
                value, self.count = value + ADDED[half[1].lower()], self.count + 1
                self.place = half.end()
                continue
            elif word in _NO_UNITS or words == _MAX_UNIT_WORDS or not self.unit_word(token["word"], words):
                break
            else:
                words += 1
            self.place = token.end()
            if words:
                self.unit_power()
        self.unit = self.text[attached : self.place].strip()
        return value

    def factorial(self, value: Fraction) -> Fraction:
        if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
            raise UnreadableError
        self.place += 1
        self.computed = True
        return Fraction(factorial(int(value)))

    def unit_word(self, word: str, words: int) -> bool:
        if len(word.rstrip(".")) > 1 or words:
            return True
        return not self.strict and (word in _UNITS_OF_A_LETTER or word in _ARTICLES)

    def unit_power(self) -> None:
        power = _UNIT_POWER.match(self.text, self.place)
        if power is not None:
            self.place = power.end()


def _digits(written: str) -> str:
    if _EUROPEAN.fullmatch(written) and (written.count(".") > 1 or "," in written):
        return re.sub("[. ]", "", written).replace(",", ".")
    return re.sub("[ ,'_]", "", written)


def _value(written: str) -> Fraction:
    digits = _digits(written)
    if len(digits) > _MAX_DIGITS:
        raise UnreadableError
    return Fraction(digits)


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise UnreadableError
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if root * root != value:
        raise UnreadableError
    return root


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
        raise UnreadableError
    return value
