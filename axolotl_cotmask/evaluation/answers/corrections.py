"""What a text says after it takes back the answer that it stated: ``The answer is 14. Wait, ... so it is 12``."""

from __future__ import annotations

import re
from collections.abc import Callable

from axolotl_cotmask.evaluation.answers.final_answer import statements

# So many places that take something back are tried, the last ones.
_TRIED = 5
_SENTENCE = 200
#: Words by which a text takes back what it said.
TAKES_BACK = re.compile(
    r"\b(?:(?:wait|oops|hold on|scratch that|on second thought|my mistake|apologies"
    r"|sorry(?! (?:for|if|about|that))|hmm)\b"
    r"|(?:correction|edit|update):|no[,:]|make that\b|i mean\b"
    r"|(?:made|is|was) (?:an?|some|my) (?:\w+ ){0,2}(?:mistake|error)s?\b"
    r"|i (?:forgot|missed|overlooked|misread|miscalculated|miscounted)\b"
    r"|let me (?:correct|fix|redo|recalculate|recompute|reconsider|recheck|re-check)\b"
    r"|(?:this|that|it)(?:'s| is| was) (?:wrong|incorrect|not (?:right|correct))\b"
    r"|(?:the|this|that|my) (?:solution|attempt|answer|result)(?: above)? (?:is|was)"
    r" (?:wrong|incorrect|not (?:right|correct))\b|(?<=: )(?:wrong|incorrect)\."
    r"|(?:claim|guess|assumption) (?:fails|is (?:false|wrong))\b"
    r"|(?:it|this|that) should (?:be|have been)\b(?= [$\d(\\])"
    r"|but (?:it|this|that)(?:'s| is| was) (?:actually|really|in fact)\b|but here it is\b)"
    r"|\((?:incorrect|wrong)\)|(?<=[.!?\n] )actually\b|^[ \t>*-]{0,4}actually\b",
    re.IGNORECASE | re.MULTILINE,
)
_CONFIRMS = re.compile(
    r"\b(?:yes|yep|indeed|match|matches|confirms|confirmed|checks? out|consistent|still|stands|works)\b"
    r"|(?<!not )(?<!n't )\b(?:correct|right|fine|good|ok|okay)(?=\s*(?:[.!,)]|\Z))",
    re.IGNORECASE,
)
# A verdict on what was stated, and on no number of its own sentence: where nothing else is stated, there is no answer.
_OUTRIGHT = re.compile(
    r"(?:\A|[.!?\n] ?)[^.!?\n\d]{0,60}"
    r"(?:\b(?:(?:this|that|it)(?:'s| is| was)|(?:the|this|my) (?:solution|attempt|answer|result)(?: above)? (?:is|was))"
    r" (?:wrong|incorrect|false|impossible|not (?:right|correct|the (?:right |correct |final )?answer))\b"
    r"|\b(?:this|that|it) (?:isn't|wasn't|can't be|cannot be) (?:right|correct|the (?:right |correct |final )?answer)\b"
    r"|\bi(?: have|'ve)? made (?:an?|some) (?:\w+ ){0,2}(?:mistake|error)s?\b"
    r"|\bi (?:forgot|missed|overlooked|misread|miscalculated|miscounted)\b|(?<=: )(?:wrong|incorrect)\."
    r"|\b(?:(?:have|need) to|let me) (?:think|start|look|try|go)\b[^.!?\n]{0,40}\b(?:again|over|once more)\b"
    r"|\b(?:ignore|disregard|discard) (?:the|that|this|my)\b|\b(?:don't|do not) have an? answer\b)",
    re.IGNORECASE,
)
# What others answer is wrong: "many students answer 40. That is incorrect."
_OF_OTHERS = re.compile(
    r"\b(?:many|some|most|others?|people|students|common)\b[^.!?\n]{1,120}\d[^.!?\n]{0,20}[.!]\s\Z", re.IGNORECASE
)
_CLOSED = re.compile(r"(?:[^\w\s:,;-]|\A)\s*\Z")
_DENIES = re.compile(r"(?:n't|\bnot|\bnever)\b[^.!?\n]{0,30}", re.IGNORECASE)


def last_said(text: str, read: Callable[[str], str | None]) -> str | None:
    """Return what ``read`` reads behind the last place of ``text`` that takes a stated answer back, or in all of it.

    A place does not count when no answer was stated before, when nothing can be read behind it (unless the text breaks
    off there: it has no answer), and when what follows states no other answer but confirms the first.
    """
    end = len(text)
    for mark in reversed(list(TAKES_BACK.finditer(text))[-_TRIED:]):
        rest = text[mark.end() : end]
        if next(statements(text[: mark.start()], of_option=True), None) is None:
            break
        if next(statements(rest, of_option=True), None) is None and _CONFIRMS.search(_DENIES.sub("", rest)):
            end = mark.start()
            continue
        answer = read(rest)
        broken_off = end == len(text) and not _CLOSED.search(rest)
        outright = _OUTRIGHT.search(_sentence_and_rest(text, mark.start(), end))
        if answer is not None or broken_off or (outright and not _OF_OTHERS.search(text, 0, mark.start())):
            return answer
    return read(text)


def _sentence_and_rest(text: str, begin: int, end: int) -> str:
    sentence = max(text.rfind(stop, max(0, begin - _SENTENCE), begin) for stop in ".!?\n")
    return text[sentence + 1 if sentence >= 0 else max(0, begin - _SENTENCE) : end]
