"""The last number of a text that does not say what its answer is."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.arithmetic import NUMBER
from axolotl_cotmask.evaluation.answers.quantity import bare, breaks_off, number_in

_WINDOW = 600
_REMARK = re.compile(
    r"\W*+(?:note|notice|(?:double[- ])?check|proof|verif|let me know"
    r"|i hope|hope|feel free|if you|remember|explanation|this assumes|ps\b)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"\w")
_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*")
_HEADING = re.compile(
    r"\s*(?:\d[\d,]*\.\s|(?:step|part|case|phase|stage|day|week|note|problem|question)\b)", re.IGNORECASE
)
_RESULT = re.compile(r"\s*[-$£€]*\s?\d|[^=:]{1,60}(?:=|:\s)\s*[-$£€]*\s?[\d.]")
_SENTENCE_END = re.compile(r"[.?!;](?=\s|$)")
_NUMBER = re.compile(
    rf"(?:(?<![\w.)\]%])-)?(?<![\d.,^_])(?:\d{{1,9}} (?=\d{{1,9}} ?/))?{NUMBER}(?:[eE][-+]?\d{{1,3}}(?![\w.]))?"
    r"(?:(?: ?\* ?10)?\^\(?-?\d{1,3}\)?)?(?: ?/ ?\d{1,9}(?![\d.,]?\d))?"
    r"(?: (?:hundred|thousand|million|billion|trillion|dozen)\b|[kK]\b)?"
)
_OPERAND = re.compile(r"[\d)%a-zA-Z]\s?(?:[*/+]|\s-\s|(?<=\d)-)\s?[( ]*$|(?<=\d):$")
_UNIT_POWER = re.compile(r"(?<=[a-zA-Z])\^\(?[-+]?[1-4]\)?")
_CHOICE = re.compile(r"\s*(?:or|to)\s*")
_AFTER = re.compile(r"[:_]\d|\\(?:pi|sqrt)|[xyznπ]\b| ?[*/+] ?[\d(a-zA-Z]")


def last_number(text: str) -> str | None:
    """Return the number of the bold passage in the last paragraph, or else the last one of ``text``, or None.

    A remark at the end does not count, nor does a text that breaks off in a calculation or whose last number is but a
    part of one.
    """
    text = _without_remarks(text)
    if breaks_off(text):
        return None
    bold = [
        passage
        for passage in _BOLD.findall(text[text.rfind("\n\n") + 1 :])
        if _RESULT.match(passage) and not _HEADING.match(passage)
    ]
    number = number_in(bold[-1]) if bold else None
    return number if number is not None else _last_in(_last_sentence(text))


def _without_remarks(text: str) -> str:
    paragraphs = text.rstrip().split("\n\n")
    while len(paragraphs) > 1 and (not _WORD.search(paragraphs[-1]) or _REMARK.match(paragraphs[-1])):
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _last_sentence(text: str) -> str:
    last = max(text.rfind(digit) for digit in "0123456789")
    if last < 0:
        return ""
    begin = max(text.rfind("\n", 0, last) + 1, last - _WINDOW)
    end = text.find("\n", last)
    line = text[begin : len(text) if end < 0 else end][: 2 * _WINDOW]
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    before = [place for place in ends if place <= last - begin]
    after = [place for place in ends if place > last - begin]
    return line[before[-1] if before else 0 : after[0] if after else len(line)]


def _last_in(sentence: str) -> str | None:
    sentence = _UNIT_POWER.sub("", bare(sentence))
    result = sentence.rpartition("=")[2]
    if result != sentence and _DIGIT.search(result):
        number = number_in(result)
        if number is not None:
            return number
    numbers = list(_NUMBER.finditer(sentence))
    if not numbers:
        return None
    last = numbers[-1]
    before, after = sentence[: last.start()], sentence[last.end() :]
    if _DIGIT.search(after):  # the last one is not written as a number
        return None
    if len(numbers) > 1 and _CHOICE.fullmatch(sentence[numbers[-2].end() : last.start()]):
        return None
    if _OPERAND.search(before) or _AFTER.match(after):
        return number_in(sentence) if "=" in sentence else None
    return number_in(last.group())
