"""The last number of a text that does not say what its answer is."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.answering import listed_results, number_that_answers, turns_away
from axolotl_cotmask.evaluation.answers.asked import Asked
from axolotl_cotmask.evaluation.answers.final_answer import NOT_SHORT
from axolotl_cotmask.evaluation.answers.last_sentence import NONE_LEFT, QUANTITY, is_comment, number_of_sentence
from axolotl_cotmask.evaluation.answers.quantity import bare, number_in
from axolotl_cotmask.evaluation.answers.remarks import gives_no_answer, is_cut_off, results_in_bold, without_remarks

_WINDOW = 600
# So many sentences at the end that only compare are passed over.
_COMMENTS = 3
# Of a text without digits so many characters are read.
_IN_WORDS = 120
_IS = re.compile(
    r".*\b(?:is|are|was|were|equals|(?:comes?|came|amounts?|adds? up) to|ha(?:s|ve|d)|needs?|gets?|got|makes?|made"
    r"|pays?|paid|earns?|costs?|spends?|spent|saves?|sells?|sold|buys?|bought|eats?|ate|takes?|leaves?)\s"
)
_DIGIT = re.compile(r"\d")
_SENTENCE_END = re.compile(rf"{NOT_SHORT}[.?!](?=\s|$)")
# A last sentence without digits that concludes, or says that nothing is left.
_CONCLUDED_IN_WORDS = re.compile(
    r"(?:^|(?<=[.!?] ))(?:(?:so|thus|hence|therefore),? ([^\n\d=.]{5,120})"
    r"|([^\n\d=.]{2,40} (?:no|nothing|none|nobody)\b[^\n\d=.]{0,40}))[.!]?\s*\Z",
    re.IGNORECASE | re.MULTILINE,
)
_CLOSED = re.compile(r"[^\w\s,;:-]\s*\Z")
# Nothing but options with their values.
_OPTION = re.compile(r"\(?[A-E][:.)]\s[^=]{1,40}")
# "Step 4", "[1]": no quantity.
_LABEL = re.compile(
    r"(?m:^)[ \t]{0,8}\(?\d{1,2}[.)] (?=[*_]{0,2}[A-Za-z])|"
    r"\b(?:step|part|chapter|equation|eq\.|figure|example|note|method|case) #?\d{1,3}\b(?![.,]\d)"
    r"|(?<=[\w.] )\[\d{1,2}\](?=[\s.]|\Z)",
    re.IGNORECASE,
)


def last_number(text: str, asked: Asked | None = None) -> str | None:
    """Return the number of the bold passage in the last paragraph, or else the last one of ``text``, or None.

    Of several in the last sentence it is the one that is ``asked`` for, where that can be told.

    A remark at the end does not count, nor does a text that breaks off, or whose last number is but a part of one.
    """
    text = _LABEL.sub(" ", without_remarks(text))
    if is_cut_off(text) or gives_no_answer(text) or _is_list_of_options(text):
        return None
    number = _result_in_bold(text[text.rfind("\n\n") + 1 :])
    if number is None and not _DIGIT.search(text):
        return _only_in_words(text)
    if number is None and (concluded := _CONCLUDED_IN_WORDS.search(text)) is not None:
        number = _only_in_words(concluded[1] or concluded[2])
    if number is not None:
        return number
    sentence, start = _last_sentence(text)
    for _ in range(_COMMENTS):
        if not _DIGIT.search(text, 0, start):
            break
        comment = is_comment(sentence)
        if not comment and (asked is None or not turns_away(sentence, _last_sentence(text[:start])[0], asked)):
            break
        if not _CLOSED.search(sentence):  # it breaks off before it says what is new
            return None
        text = text[:start]
        sentence, start = _last_sentence(text)
    number = number_of_sentence(sentence, text[max(0, start - _WINDOW) : start])
    if asked is not None and (listed := listed_results(text)) is not None:
        return number_that_answers(listed, number, asked)
    return number if asked is None or "=" in sentence else number_that_answers(sentence, number, asked)


def _result_in_bold(paragraph: str) -> str | None:
    """Return the number of the last passage in bold, unless its sentence, or what is in bold, holds several."""
    bold = results_in_bold(paragraph)
    if not bold or _SENTENCE_END.search(bold[-1].rstrip(".!? ")) or _holds_several(bold[-1]):
        return None
    line = paragraph[paragraph.rfind("\n", 0, paragraph.rfind(bold[-1])) + 1 :].partition("\n")[0]
    beside = results_in_bold(next((part for part in reversed(_SENTENCE_END.split(line)) if bold[-1] in part), ""))
    return None if len({number_in(held) for held in beside}) > 1 else number_in(bold[-1])


def _holds_several(passage: str) -> bool:
    return "=" not in passage and len(QUANTITY.findall(bare(passage))) > 1


def _is_list_of_options(text: str) -> bool:
    lines = text.strip().split("\n") if len(text) < _WINDOW else []
    return len(lines) > 1 and all(_OPTION.fullmatch(line.strip()) for line in lines)


def _only_in_words(text: str) -> str | None:
    """Return the number in English words that the last sentence of a text without digits ends on."""
    sentence = _SENTENCE_END.split(text.strip("*_.!✓✔✅ \n")[-_IN_WORDS:])[-1].rpartition("\n")[2].strip("* _")
    if NONE_LEFT.search(sentence):
        return "0"
    whole = number_in(sentence)
    name = _IS.search(sentence)
    return whole if whole is not None or name is None else number_in(sentence[name.end() :])


def _last_sentence(text: str) -> tuple[str, int]:
    """Return the last sentence of ``text`` with a digit, and where it begins."""
    last = max(text.rfind(digit) for digit in "0123456789")
    if last < 0:
        return "", 0
    begin = max(text.rfind("\n", 0, last) + 1, last - _WINDOW)
    end = text.find("\n", last)
    line = text[begin : len(text) if end < 0 else end][: 2 * _WINDOW]
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    before = [place for place in ends if place <= last - begin]
    after = [place for place in ends if place > last - begin]
    start = before[-1] if before else 0
    return line[start : after[0] if after else len(line)], begin + start
