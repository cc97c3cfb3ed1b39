"""The last number of a text that does not say what its answer is."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.arithmetic import NUMBER
from axolotl_cotmask.evaluation.answers.quantity import bare, breaks_off, number_in

_WINDOW = 600
# Of a text without digits so many characters are read.
_IN_WORDS = 120
_IS = re.compile(
    r".*\b(?:is|are|was|were|equals|(?:comes?|came|amounts?|adds? up) to)\s"
)
_REMARK = re.compile(
    r"\W*+(?:note|notice|(?:double[- ])?check|proof|verif|let me know"
    r"|i hope|hope|feel free|if you|remember|explanation|this assumes|ps\b"
    r"|key (?:formula|insight|takeaway|point|idea|concept|step|fact)"
    r"|(?:source|reference|confidence|disclaimer|generated|difficulty|certainty)\b"
    r"|(?:would|do) you (?:like|want)|want me|shall i|should i|can i help)|\W*\([^()]*\)\W*\Z",
    re.IGNORECASE,
)
# A line that is about the text.
_DETAIL = re.compile(r"\W*+(?:source|reference|confidence|disclaimer|generated|difficulty|certainty|done|end|qed|thank)\b", re.IGNORECASE)
# What may hold the answer, but not where one stands in bold before it.
_AFTERTHOUGHT = re.compile(
    r"\W*+(?:(?:quick |main |final )?(?:summary|recap|breakdown)|reason|why|tip|fun fact|caveat"
    r"|in other words|(?:here's|here is) (?:how|why|the breakdown|a breakdown)|this (?:means|is because|makes)|assum|we (?:used|assumed)|[-*•])|\W*+where\b",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"\w")
_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*")
_HEADING = re.compile(
    r"\s*(?:\d[\d,]*\.\s|(?:step|part|case|phase|stage|day|week|note|problem|question)\b)", re.IGNORECASE
)
_RESULT = re.compile(r"\s*[-$£€]*\s?\d|[^=:]{1,60}(?:=|:\s|\b(?:is|are|was|were)\s)\s*[-$£€]*\s?[\d.]")
_SENTENCE_END = re.compile(r"[.?!;](?=\s|$)")
_NUMBER = re.compile(
    rf"(?:(?<![\w.)\]%])-)?(?<![\d.,^_])(?:\d{{1,9}} (?=\d{{1,9}} ?/))?{NUMBER}(?:[eE][-+]?\d{{1,3}}(?![\w.]))?"
    r"(?:(?: ?\* ?10)?\^\(?-?\d{1,3}\)?)?(?: ?/ ?\d{1,9}(?![\d.,]?\d))?"
    r"(?: (?:hundred|thousand|million|billion|trillion|dozen)\b|(?:[kKM]|mn|bn)\b)?"
)
_OPERAND = re.compile(r"[\d)%a-zA-Z]\s?(?:[*/+]|\s-\s|(?<=\d)-)\s?[( ]*$|(?<=\d):$")
_UNIT_POWER = re.compile(r"(?<=[a-zA-Z])\^\(?[-+]?[1-4]\)?")
_UNDETERMINED = re.compile(
    r"\b(?:cannot|can't|can not|unable to|impossible to|don't know how to) (?:be )?"
    r"(?:answer|determine|solve|calculate|compute|know|fulfil|help|assist|provide|comply)|\b(?:not enough|insufficient) (?:information|data)\b"
    r"|\b(?:no (?:valid |possible )?(?:solution|answer)s?|(?:is|are) (?:unsolvable|contradictory|inconsistent|impossible))\b",
    re.IGNORECASE,
)
# A sentence does not end on these: the text was cut off.
_CUT_OFF = re.compile(r"\b(?:by|the|an?|of|from|with|for|plus|minus|than)\s*\Z|\n\s*\d{1,2}[.)]\s*\Z", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?](?=\s)|\n")  # not of Mr. and Mrs.
_CLOSED = re.compile(r"[^\w\s:,;|-]\Z")
# "Step 4", "[1]": no quantity.
_LABEL = re.compile(
    r"\b(?:step|part|equation|eq\.|figure|example|note|method|case) #?\d{1,3}\b(?![.,]\d)"
    r"|(?<=[\w.] )\[\d{1,2}\](?=[\s.]|\Z)",
    re.IGNORECASE,
)
# "$10 for 50 minutes": of an amount of money and what it is for the amount.
_FOR = re.compile(
    r"(?<!with )(?<!\bat )(?<!\bfor )(?<!\bof )(?<!than )(?<!\bby )(?<!have )(?<!has )"
    r"[$€£]\s?\d[\d,.]*(?=(?: [a-zA-Z'-]+){0,6}?"
    r" (?:for|in|over|after|on)(?: [a-z]+){0,2} \d[\d,]*(?: [^$€£=\d]*)?$)",
    re.IGNORECASE,
)
# What a sentence adds to the number that it is about.
_ADDED = re.compile(
    r",? which (?:is|are|was|means) (?:about |only |exactly )?[$\d.,]{1,20}(?:%| percent| times| more| less| fewer)\b"
    r"|,? which (?:is|are|was|means) (?:about |only |exactly )?[\d.,]{1,20}%"
    r"|\s\((?=[a-zA-Z][^()]{0,80}\)|[^()]{1,80}[-*/+=][^()]{0,80}\))"
    r"|\s(?:because|since|(?:that|which) (?:costs?|weighs?|lasts?|holds?|contains?|has|have))\s"
    r"|\s(?:out of|from)\s(?![^.]{0,30}\bto\b)"
    r"|,? (?:while|whereas|compared (?:to|with)|as opposed to)\s"
    r"|\s(?:after|before|until|past) (?=\d{1,2}:\d\d)|(?: old)? in (?=(?:1[5-9]|20)\d\d\b)|(?<= old) in\s"
    r"|,? (?:after|before|when|by) [a-z]{2,15}ing\s|\sfor (?=(?:[a-z]+ ){0,3}\d+ [^.\d]{1,40}\bto [a-z])"
)
_CHOICE = re.compile(r"\s*(?:or|and|to|in)\s*")
_ROUNDED = re.compile(r"\bround\w*\s[^.]{0,30}\Z", re.IGNORECASE)
# "x_1 = 17, x_2 = 19": several values of one name.
_VALUES = re.compile(
    r"(?<![\w^)*/+-])([a-zA-Z])(?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d(?:,|\s?,?\s?\b(?:and|or)\b)\s?\1(?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d\W*\Z"
)
_BOUND = re.compile(
    r"(?<!no )(?<!not )\b(?:exceeds?|(?:more|less|fewer|greater|larger|smaller|higher|lower) than)\s?[$]?\Z", re.IGNORECASE
)
_LISTED = re.compile(r"(?::|\bare)[^a-zA-Z:]*\d,\s[^a-zA-Z:]*$")
# Behind these a number tells which things are meant, not how many there are.
_KNOWN = re.compile(r"\b(?:the|these|those|all|both|his|her|their|every)\s$", re.IGNORECASE)
_AFTER = re.compile(r"[:_]\d|\\(?:pi|sqrt)|[xyznπ]\b| ?[*/+] ?[\d(a-zA-Z]")


def last_number(text: str) -> str | None:
    """Return the number of the bold passage in the last paragraph, or else the last one of ``text``, or None.

    A remark at the end does not count, nor does a text that breaks off in a calculation or whose last number is but a
    part of one.
    """
    text = _LABEL.sub(" ", _without_remarks(text))
    if breaks_off(text) or _is_cut_off(text) or _UNDETERMINED.search(text, text.rfind("\n\n") + 1):
        return None
    bold = _results_in_bold(text[text.rfind("\n\n") + 1 :])
    number = number_in(bold[-1]) if bold else None
    if number is None and not _DIGIT.search(text):
        return _only_in_words(text)
    return number if number is not None else _last_in(_last_sentence(text))


def _is_cut_off(text: str) -> bool:
    """Whether ``text`` ends within a sentence: on a word that ends none, or on one that has not come to a number."""
    rest = text[max(text.rfind(digit) for digit in "0123456789") + 1 :].rstrip("*_ \n\t")
    sentence = _SENTENCES.split(rest)[-1]
    begun = len(sentence) < len(rest) and _WORD.search(sentence) is not None and not _DETAIL.match(sentence)
    return _CUT_OFF.search(text[-20:]) is not None or rest.endswith(":") or (begun and not _CLOSED.search(rest))


def _results_in_bold(paragraph: str) -> list[str]:
    return [held for held in _BOLD.findall(paragraph) if _RESULT.match(held) and not _HEADING.match(held)]


def _without_remarks(text: str) -> str:
    paragraphs = text.rstrip().split("\n\n")
    while len(paragraphs) > 1 and (not _WORD.search(paragraphs[-1]) or _REMARK.match(paragraphs[-1])):
        paragraphs.pop()
    lines = paragraphs[-1].rstrip().split("\n")
    while len(lines) > 1 and _DETAIL.match(lines[-1]):
        lines.pop()
    paragraphs[-1] = "\n".join(lines)
    end = len(paragraphs)
    while end > 1 and (not _WORD.search(paragraphs[end - 1]) or _AFTERTHOUGHT.match(paragraphs[end - 1])):
        end -= 1
    return "\n\n".join(paragraphs[:end] if _results_in_bold(paragraphs[end - 1]) else paragraphs)


def _only_in_words(text: str) -> str | None:
    """Return the number in English words that the last sentence of a text without digits ends on."""
    sentence = _SENTENCE_END.split(text.strip().rstrip(".!")[-_IN_WORDS:])[-1].rpartition("\n")[2].strip("* _")
    whole = number_in(sentence)
    name = _IS.search(sentence)
    return whole if whole is not None or name is None else number_in(sentence[name.end() :])


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
    amount = _FOR.search(sentence)
    sentence = sentence[: amount.end()] if amount else sentence
    sentence = _UNIT_POWER.sub("", bare(sentence))
    digit = _DIGIT.search(sentence)
    added = _ADDED.search(sentence, digit.end()) if digit else None
    if added and "=" not in sentence[added.end() :]:
        sentence = sentence[: added.start()]
    if _VALUES.search(sentence):
        return None
    result = sentence.rpartition("=")[2]
    if result != sentence and _DIGIT.search(result):
        number = number_in(result)
        if number is not None:
            return number
    numbers = list(_NUMBER.finditer(sentence))
    if not numbers:
        return None
    asked = [number for number in numbers if not _KNOWN.search(sentence, 0, number.start())]
    last = (asked or numbers)[-1]
    before, after = sentence[: last.start()], sentence[last.end() :]
    if last is numbers[-1] and _DIGIT.search(after):  # the last one is not written as a number
        return None
    chosen = len(asked) > 1 and _CHOICE.fullmatch(sentence[asked[-2].end() : last.start()])
    if (chosen and not _ROUNDED.search(sentence, 0, asked[-2].start())) or (len(asked) > 1 and _LISTED.search(before)):
        return None
    if _BOUND.search(before):
        return None
    if _OPERAND.search(before) or _AFTER.match(after):
        return number_in(sentence) if "=" in sentence else None
    return number_in(last.group())
