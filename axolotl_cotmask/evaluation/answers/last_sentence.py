"""The number of a sentence that states none: the last one that is neither of a circumstance nor of an explanation."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.arithmetic import NUMBER
from axolotl_cotmask.evaluation.answers.number_words import is_number_word
from axolotl_cotmask.evaluation.answers.quantity import bare, number_in

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(
    rf"(?:(?<![\w.)\]%])-)?(?<![\d.,^_])(?:\d{{1,9}} (?=\d{{1,9}} ?/))?{NUMBER}(?:[eE][-+]?\d{{1,3}}(?![\w.]))?"
    r"(?:(?: ?\* ?10)?\^\(?-?\d{1,3}\)?)?(?: ?/ ?\d{1,9}(?![\d.,]?\d))?"
    r"(?: (?:hundred|thousand|million|billion|trillion|dozen)\b|(?:[kKM]|mn|bn)\b)?"
)
_OPERAND = re.compile(r"[\d)%a-zA-Z]\s?(?:[*/+]|\s-\s|(?<=\d)-)\s?[( ]*$|(?<=\d):$")
_UNIT_POWER = re.compile(r"(?<=[a-zA-Z])\^\(?[-+]?[1-4]\)?")
# "$10 for 50 minutes": of an amount of money and what it is for the amount.
_FOR = re.compile(
    r"(?<!with )(?<!\bat )(?<!\bfor )(?<!\bof )(?<!than )(?<!\bby )(?<!have )(?<!has )"
    r"[$€£]\s?\d[\d,.]*(?=(?: [a-zA-Z'-]+){0,6}?"
    r" (?:for|in|over|after|on)(?: [a-z]+){0,2} \d[\d,]*(?: [^$€£=\d]*)?$)",
    re.IGNORECASE,
)
# A bracket with words or a calculation behind a number.
_BRACKET = re.compile(r"(?<=[\w%.✓✔]) \((?=[^()]{0,80}(?:[a-zA-Z]|[-*/+=]))[^()]{1,80}\)")
# What a sentence adds behind the number that it is about.
_ADDED = re.compile(
    r",? which (?:is|are|was|means) (?:about |only |exactly )?[$\d.,]{1,20}(?:%| percent| times| more| less| fewer)\b"
    r"|,? which (?:is|are|was|means) (?:about |only |exactly )?[\d.,]{1,20}%|,? or (?:about )?[\d.]{1,20}(?:%| percent)"
    r"|\s(?:because|since|(?:that|which) (?:costs?|weighs?|lasts?|holds?|contains?|has|have))\s"
    r"|\s(?:out of|from)\s(?![^.]{0,30}\bto\b)"
    r"|,? (?:while|whereas|compared (?:to|with)|as opposed to|down from|up from)\s|,? and the check\b"
    r"|,? (?:when|if) (?:you|we|he|she|they|it)\s"
    r"|\s(?:after|before|until|past) (?=\d{1,2}:\d\d)|(?: old)? in (?=(?:1[5-9]|20)\d\d\b)|(?<= old) in\s"
    r"|,? (?:after|before|when|by) [a-z]{2,15}ing\s"
)
# "7.5 days, and since only whole days count, 8 days".
_AND_SINCE = re.compile(r"\band (?:since|because|as) [^,\d]{1,60}, (?=[^,]{0,60}\d[^,]{0,60}\Z)")
_CHECK = re.compile(r"(?<=[.!)✓✔] )(?:\w+-?){0,1}(?:check|verif)\w*\b.*", re.IGNORECASE | re.DOTALL)
_YIELDS = re.compile(
    r".*\b(?:giving|leaving|gives|leaves|yields|yielding|making|totaling|totalling|for a total of)"
    r"(?::| (?:us|him|her|them|you))? (?=\d)",
    re.DOTALL,
)
# Before a number: it tells which things are meant, or it is of a circumstance of another number.
_KNOWN = re.compile(
    r"\b(?:the|these|those|all|both|his|her|their|every)(?: (?:original|initial|starting|first|other))?\s\Z"
    r"|\d (?:[a-zA-Z]+ ){0,5}?for(?: [a-z]+){0,2}\s\Z"
    r"|\d (?:[a-z]+ ){1,2}to (?!get|make|be|find|reach|equal|obtain|give|have|total|sum|add)[a-z]+(?: [a-z]+)?\s\Z"
    r"|\bat an? (?:[a-z]+ )?(?:rate|speed|price|cost) of\s\Z",
    re.IGNORECASE,
)
_WITHIN = re.compile(r"[a-z,] \d[\d.,]*(?: (?!finish|completes?\b|meet)[a-z]+){0,3}? (?:after|in|over) \Z")
_TIME = re.compile(r" (?:more )?(?:second|minute|hour|day|week|month|year|game|round|lap)s?\b")
_LEFT_OVER = re.compile(r" (?:[a-z]+ ){0,2}(?:left over|to spare|remaining|left)\b")
_WITH = re.compile(r"\d (?:[a-z]+ ){0,3}?with \Z")
_CHOICE = re.compile(r"\s*(?:or|and|to|in)\s*")
_ROUNDED = re.compile(r"\bround\w*\s[^.]{0,30}\Z", re.IGNORECASE)
# "Tom gets 50 and Jane gets 40".
_EACH = re.compile(
    r"\b[A-Z][a-z]+ ([a-z]+) -?\d[\d.,]*(?: [a-z]+){0,2},?(?: (?:and|but))?"
    r" [A-Z][a-z]+ \1 -?\d[\d.,]*(?: [a-z]+){0,2}\W*\Z"
)
# "Anna 12, Ben 15".
_NAMES = re.compile(r"\b[A-Z][a-z]+:? \d[\d.,]*(?: [a-z]+)?(?:,| and|, and) [A-Z][a-z]+:? \d[\d.,]*(?: [a-z]+)?\W*\Z")
# "There are 12 boys and 16 girls."
_THINGS = re.compile(
    r"(?:\b(?:are|has|have|is|with)|:) (?P<one>\d[\d.,]*) [a-z]+(?: and|,) (?!\1)\d[\d.,]* [a-z]+\W*\Z"
)
# "80% of 250".
_SHARE = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,6})?)(?:%| percent) of \Z")
# "= 50 miles an hour, so at 2 hours he is at 100 miles".
_SO = re.compile(r",? so (?=[^=]*\d)")
# "the difference is six"; "she has no apples left".
_IN_WORDS = re.compile(r"\b(?:is|are|was|were|equals|comes to)\s((?!one\b)[a-z][a-z -]{2,40})\W*\Z")
NONE_LEFT = re.compile(
    r"\b(?:no (?:more )?[a-z]+(?: [a-z]+)?|nothing|none) (?:is |are )?(?:left|remains?|remaining)\W*\Z"
)
# "x_1 = 17, x_2 = 19": several values of one name.
_VALUES = re.compile(
    r"(?<![\w^)*/+-])([a-zA-Z])(?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d(?:,|\s?,?\s?\b(?:and|or)\b)\s?\1(?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d\W*\Z"
)
# "It exceeds 5".
_BOUND = re.compile(
    r"(?<!no )(?<!not )\b(?:exceeds?|(?:more|less|fewer|greater|larger|smaller|higher|lower) than)\s?[$]?\Z"
    r"|(?<![\w.])[a-z]\s?(?:[<>≤≥≠]|\\(?:[lg](?:e|t|eq)|neq?))\s?\Z",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?::|\bare)[^a-zA-Z:]*\d,\s[^a-zA-Z:]*$")
_AFTER = re.compile(r"[:_]\d|\\(?:pi|sqrt)|[xyznπ]\b| ?[*/+] ?[\d(a-zA-Z]")


def number_of_sentence(sentence: str) -> str | None:
    """Return the number that ``sentence`` comes to, or None: it names none, or several."""
    sentence = _main(sentence)
    if _VALUES.search(sentence) or _EACH.search(sentence) or _NAMES.search(sentence):
        return None
    if _THINGS.search(sentence):
        return None
    if NONE_LEFT.search(sentence):
        return "0"
    words = _IN_WORDS.search(sentence)
    if words is not None and is_number_word(words[1]):
        return number_in(words[1])
    result = sentence.rpartition("=")[2]
    if result != sentence and (so := _SO.search(result)) is not None:
        return _last_of(_main(result[so.end() :]))
    if result != sentence and _DIGIT.search(result):
        number = number_in(result)
        if number is not None:
            return number
    yields = _YIELDS.match(sentence)
    return _last_of(sentence[yields.end() :] if yields else sentence)


def _main(sentence: str) -> str:
    """Return ``sentence`` without what explains its number or stands around it."""
    amount = _FOR.search(sentence)
    sentence = sentence[: amount.end()] if amount else sentence
    sentence = _UNIT_POWER.sub("", bare(sentence))
    sentence = sentence[since.end() :] if (since := _AND_SINCE.search(sentence)) else sentence
    digit = _DIGIT.search(sentence)
    if digit is None:
        return sentence
    # From the digit on, so that a bracket right behind it is seen.
    head, rest = sentence[: digit.start()], _BRACKET.sub("", _CHECK.sub("", sentence[digit.start() :]))
    added = _ADDED.search(rest)
    if added is None or _YIELDS.match(rest, added.end()):
        return head + rest
    explained = head + rest[: added.start()]
    if "=" in rest[added.end() :] and not _is_checked(explained, added.group(), rest[added.end() :]):
        return head + rest
    return explained


def _is_checked(explained: str, word: str, calculation: str) -> bool:
    """Whether a calculation begins with the only number that it explains: 12, because 12 + 8 = 20."""
    numbers = list(_NUMBER.finditer(explained))
    first = _NUMBER.search(calculation)
    return (
        word.strip(" ,") in ("because", "and the check")
        and len(numbers) == 1
        and first is not None
        and first.group() == numbers[0].group()
    )


def _last_of(sentence: str) -> str | None:
    numbers = list(_NUMBER.finditer(sentence))
    if not numbers:
        return None
    asked = [number for number in numbers if not _is_known(sentence, number)]
    last = (asked or numbers)[-1]
    before, after = sentence[: last.start()], sentence[last.end() :]
    if last is numbers[-1] and _DIGIT.search(after):  # the last one is not written as a number
        return None
    chosen = len(asked) > 1 and _CHOICE.fullmatch(sentence[asked[-2].end() : last.start()])
    if (chosen and not _ROUNDED.search(sentence, 0, asked[-2].start())) or (len(asked) > 1 and _LISTED.search(before)):
        return None
    if _BOUND.search(before):
        return None
    if (share := _SHARE.search(before)) is not None:
        return number_in(f"{share[1]} * {last.group()} / 100")
    if _OPERAND.search(before) or _AFTER.match(after):
        return number_in(sentence) if "=" in sentence else None
    return number_in(last.group())


def _is_known(sentence: str, number: re.Match[str]) -> bool:
    begin, end = number.span()
    return (
        _KNOWN.search(sentence, max(0, begin - 80), begin) is not None
        or (_WITHIN.search(sentence, max(0, begin - 80), begin) is not None and _TIME.match(sentence, end) is not None)
        or (
            _WITH.search(sentence, max(0, begin - 80), begin) is not None
            and _LEFT_OVER.match(sentence, end) is not None
        )
    )
