"""Numbers in English words: ``eighteen``, ``two hundred and five``, ``three dozen``."""

from __future__ import annotations

from fractions import Fraction

_SMALL = {
    word: number
    for number, word in enumerate(
        (
            *(
                "zero",
                "one",
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "eleven",
                "twelve",
            ),
            *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        )
    )
}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
#: What a number is multiplied by when the word follows it.
SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
#: The same in a letter at the number: 5k.
ATTACHED = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "bn": 10**9}
#: The parts that a number counts when the word follows it: three fifths. Quarters are coins as well, seconds are time.
PARTS = {
    word + plural: Fraction(1, number)
    for number, word in (
        (3, "third"),
        (4, "fourth"),
        (5, "fifth"),
        (6, "sixth"),
        (7, "seventh"),
        (8, "eighth"),
        (9, "ninth"),
        (10, "tenth"),
        (100, "hundredth"),
        (1000, "thousandth"),
        (10**6, "millionth"),
    )
    for plural in ("", "s")
} | {"half": Fraction(1, 2), "halves": Fraction(1, 2)}

#: One word of a number, as a pattern.
NUMBER_WORD = rf"(?:{'|'.join((*_SMALL, *_TENS, *SCALES, 'half'))})"


def leading_number(words: list[str]) -> tuple[Fraction, int] | None:
    """Return the number that lower-case ``words`` begin with and how many of them it takes, or None."""
    total, group, taken, last = 0, 0, 0, ""
    for place, word in enumerate(words):
        if word in _SMALL and last in ("", "tens", "hundred", "scale"):
            group, last = group + _SMALL[word], "small"
        elif word in _TENS and last in ("", "hundred", "scale"):
            group, last = group + _TENS[word], "tens"
        elif word in ("hundred", "dozen") and last in ("small", "tens"):
            group, last = group * SCALES[word], "hundred"
        elif word in SCALES and last in ("small", "tens", "hundred"):
            total, group, last = total + group * SCALES[word], 0, "scale"
        elif word == "and" and last in ("hundred", "scale"):
            continue
        else:
            break
        taken = place + 1
    return (Fraction(total + group), taken) if taken else None


def is_number_word(text: str) -> bool:
    """Whether all of ``text`` is a number in lower-case words."""
    words = text.replace("-", " ").split()
    found = leading_number(words)
    return found is not None and found[1] == len(words)


#: What follows a number to add to it, behind ``and``.
ADDED = {
    "a half": Fraction(1, 2),
    "one half": Fraction(1, 2),
    "a quarter": Fraction(1, 4),
    "one quarter": Fraction(1, 4),
    "a third": Fraction(1, 3),
    "three quarters": Fraction(3, 4),
}
