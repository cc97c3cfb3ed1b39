"""Where a text states its final answer, whatever form it takes: what the robust rules read (docs/answers.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from axolotl_cotmask.evaluation.answers.headings import computes_on, heads_a_solution, items_below
from axolotl_cotmask.evaluation.answers.quantity import LIMIT

# Of the places that look like a statement so many are tried, the last ones.
_TRIED = 50

_BRACES = re.compile(r"[{}]")
_BOX = re.compile(r"\\(?:boxed|fbox) ?(?=\{)")
_JOINT = re.compile(
    r"[\s$,;()\\]{0,12}(?:and|or|\\text\{ ?(?:and|or) ?\})?[\s$,()\\]{0,12}(?:[a-zA-Z](?:_\{?\d\}?)? ?= ?)?"
    r"|\$? (?:[a-z]+ ){0,2}(?:and|or) "
    r"(?!(?:so|thus|therefore|hence|then|the|it|that|this|answer|final|equivalent\w*|simply)\b)"
    r"(?:[a-zA-Z]+ ){0,2}[$\\(]{0,2}"
)
# A box of a step, or of another case, is no answer.
_STEP_BEHIND = re.compile(r"^\W{0,8}step \d", re.IGNORECASE | re.MULTILINE)
_BOX_IMAGINED = re.compile(
    r"\b(?:if|were|had|suppose)\b[^.!?\n]{0,120}\bwould (?:be|have been)[^.!?\n]{0,20}\Z", re.IGNORECASE
)
_VALUE = re.compile(r"(?=[^\n]{0,20}\w)[-+$\\(.0-9A-E]")
_JOINS = re.compile(r"\b(?:and|or)\b|,")
_HASH = re.compile(r"(?<![\"'`])####[ \t]{0,8}([^\n]*)")
_HASH_ANSWER = re.compile(r"[*_`]{0,3}(?:[-+(]? ?[$£€]? ?[-+]?\.?\d|[$\\])")
_LIST_LABEL = re.compile(r"[*_`]{0,3}\d{1,3}[.):]\s+\D")
# "Answer" in the languages that models answer in; a question has to be English for the rest to be read.
_FOREIGN = (
    r"|\b(?:r[ée]ponse|respuesta|antwort|resposta|risposta|ответ)(?: (?:final|finale|corre(?:ct[ae]|t[ao]))){0,2}\b"
    r"|答案|答え|정답"
)
_ANSWER = re.compile(
    rf"(?:\b|(?<=final_))(?:answers?\b|ans\b\.?){_FOREIGN}|^[ \t*_]{{0,8}}A(?=[ *_]{{0,4}}:)",
    re.IGNORECASE | re.MULTILINE,
)
_OPTION = re.compile(
    rf"{_ANSWER.pattern}|\b(?:option\b|choice\b|correct(?=[ *_]{{0,4}}:))",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL_B = re.compile(r"^[ \t*_-]{0,8}B[ *_]{0,4}[:)]", re.IGNORECASE | re.MULTILINE)
# "If the answer were 5", "a wrong answer is 5": and a tag that closes, or one of another name.
_NOT_STATED = re.compile(
    r"(?:\b(?:if|suppose|supposing|assuming|assume|unless|whether|wrong|incorrect|previous|expected|given"
    r"|claimed|old|first|initial|original|draft|possible|tempting|naive|check|checking|verify|verifying"
    r"|confirm|test)[ ,*_:]{1,3}"
    r"(?:(?:the|an?|this|that|my|our|your|his|her|their|final|correct)[\s*_]{1,3}){0,3}|</)$",
    re.IGNORECASE,
)
# "The expected answer was 30".
_OF_OTHERS = re.compile(r"\b(?:expected|claimed|previous|wrong|incorrect|old|naive|tempting) \Z", re.IGNORECASE)
# What "the answer is 5" follows when it is not meant: "one might think", "at first I thought".
_DOUBTED = re.compile(
    r"\b(?:but if|might|maybe|perhaps|possibly|at first|initially|i(?: \w+)? thought"
    r"|(?:may|could|(?<!\bi )would|tempt(?:ed|ing) to|not|n't|never) (?:think|say|guess|believe)|doubt|unlikely"
    r"|(?!(?:it|this|that|which|problem|question|table|step|method|calculation)\b)(?-i:[A-Z])[a-z]+"
    r" (?:says?|said|thinks?|thought|claim(?:s|ed)|believe[sd]|guess(?:es|ed))"
    r"|(?:some|others|many|people|students?|someone|textbook|book|key|manual|author|friend|teacher|classmate|s?he|they)"
    r" (?:says?|said|thinks?|thought|claim(?:s|ed)?|argue[sd]?|believe[sd]?)"
    r"|(?:false|untrue|not true|wrong|incorrect) that)\b(?:(?!\bbut\b)[^.;\n]){0,40}$",
    re.IGNORECASE,
)
# "If it is not, the answer is 14": one of two answers, where the other one has a condition as well.
_CONDITION = re.compile(
    r"\b(?:if|otherwise|else|assuming|alternatively|in (?:this|that|the (?:first|second|other)) case|when)\b"
    r"[^.!?\n]{0,58}$",
    re.IGNORECASE,
)
# "If you round to the nearest ten, the answer is 10": beside what was asked for.
_BESIDE = re.compile(
    r"\b(?:note|however|also)[:,]? (?:that )?if\b[^.!?\n]{0,50}$|\bif (?:you|we|one|they) (?:also |only "
    r"|instead |really )?"
    r"(?:round|want|prefer|wish|need to round)\b[^.!?\n]{0,50}$",
    re.IGNORECASE,
)
# "If she sold 20, the answer would be 40".
_HYPOTHETICAL = re.compile(r"\b(?:if|suppose|had|were|unless|assuming)\b[^.!?\n]{1,59}$", re.IGNORECASE)
_LINK = re.compile(
    r"(?:[ ,]{1,2}(?:to|for|of|in|then|therefore|hence|thus)\b[^.\n:=]{0,80}?)?[\"'\s*_`]{0,8}(?:"
    r"(?:is|are|was|were|(?:should|would|must|will|could) be|comes (?:out )?to|equals|becomes|[ei]st|es|é|è)\b\s?[:=]?"
    r"|[是为は은는]\s?[:=]?"
    r"|[:=→⇒]|[-=]?>|[ ]-[ ]|(?=\n)|(?<=\bans\.)(?=[ ])|(?=[ ](?:cannot|can't|can not)\b))",
    re.IGNORECASE,
)
_FINAL = re.compile(r"\bfinal\s$", re.IGNORECASE)
_DIRECT = re.compile(r"[\s*_`]{0,6}(?=[$£€\\*]|-?\d)")
_MARKUP = re.compile(
    r"(?:[\s*_`:#=}\"',]++|^[ \t]{0,8}(?:-{3,}+|[-•+>] "
    r"|1[.)] (?=[^\n]{0,200}\d)(?![^\n]{0,200}\n[ \t]{0,8}2[.)]))|(?<=```)[a-z]{1,10}(?=\n)"
    r"|(?:that|therefore|thus|hence|simply|just|equal to|exactly)\b)+",
    re.IGNORECASE | re.MULTILINE,
)
_DISPLAYS = (("\\[", "\\]"), ("$$", "$$"), ("\\(", "\\)"), ("$", "$"))
#: Before what ends a sentence: no abbreviation.
NOT_SHORT = r"(?<![a-z]\.[a-z])(?<!approx)(?<!\blbs)(?<!\bhrs)(?<!\bft)(?<!\bvs)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)"
_SENTENCE_END = re.compile(
    rf"(?:{NOT_SHORT}[.?]"
    r"|(?<=[a-zA-Z)*])!)(?=[*_\"]{0,3}(?:\s|$))|(?<=\d)!(?=\s[A-Z])|\n|</|\"\}"
)
_CLAUSE_END = re.compile(r"[.!?](?=\s|\Z)|[;\n]|,\s")
# What follows "the answer is" without being the answer.
_NO_ANSWER = re.compile(
    r"(?:in|to|of|as|also|still|when|because|since|if|what|where|correct|right|wrong|incorrect|reasonable|valid"
    r"|the same|given|found|obtained|calculated"
    r"|computed|based|below|above|rounded|shown|supposed|therefore|yes|unique|not (?:clear|obvious))\b",
    re.IGNORECASE,
)
_IS_THE = r"\s(?:is|are|=) (?:the|my|our) (?:final |correct |right |best |only )?"
_REVERSED = re.compile(rf"{_IS_THE}(?:answer|option|choice)\b", re.IGNORECASE)
_IS_REVERSED = re.compile(rf"{_IS_THE}\Z", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\bnot|\bno longer|\banything but|\bcannot|n't|\brather than|\binstead of|\bunlike) "
    r"(?:be |equal |to |the |just |option |choice |answer ){0,3}"
    r"[$(*\\]{0,3}(?:-?\d++(?:[.,/]\d++)*(?![.,/]\d)%?|[A-Ea-e](?![a-zA-Z]))(?:\*\*|[$)*]|\\\)){0,2}"
    r"(?P<instead>[,;]? (?:but|rather|it is|it's)(?: rather)?(?= ))?"
    r"(?:,? (?:because|since) (?:(?!\b(?:so|but|rather)\b)[^.\n=]){1,120}(?=[.\n]|\Z))?"
)
_REJECTED = re.compile(
    r"(?:not|n't|never) (?:think|believe) [^.\n\d]{0,40}?\b(?:is|was) "
    r"[$(*\\]{0,3}(?:\d++(?:[.,/]\d++)*(?![.,/]\d)|[A-E]\b)|"
    r"\(?(?:(?<![\d.,/^])\d++(?:[.,/]\d++)*(?![.,/]\d)|\b[A-E])\)? "
    r"(?:is|was|would be|can) ?(?:definitely |clearly |certainly |surely |also )?"
    r"(?:not|wrong|incorrect|impossible|too|false)\b"
    # "but Sue says it is 15"
    r"|(?:but|and|while) (?!(?:It|This|That)\b)[A-Z][a-z]{1,20} (?:says|said|thinks|claims|believes)"
    r" (?:that )?(?:it|this) (?:is|was) [$]?\d++(?:[.,/]\d++)*(?![.,/]\d)"
)


def without_denials(text: str) -> str:
    """Return ``text`` without what it says the answer is not: ``not 5``, ``instead of (B)``, ``5 is wrong``."""
    text = _REJECTED.sub("", _DENIED.sub(lambda match: "" if match["instead"] else "not", text))
    kept, end = [], 0
    for mark in _ANSWER.finditer(text):
        before = max(0, mark.start() - 60)
        if mark.start() >= end and (
            _DOUBTED.search(text, before, mark.start()) or _OF_OTHERS.search(text, before, mark.start())
        ):
            kept.append(text[end : mark.start()])
            stop = _CLAUSE_END.search(text, mark.end())
            end = stop.start() if stop else len(text)
    return "".join(kept) + text[end:]


def statements(text: str, *, of_option: bool = False) -> Iterator[str]:
    r"""Yield the passages of ``text`` that state its answer, the one that counts most first.

    The last ``\boxed{}`` (several that ``and``, ``or`` or a comma joins are one list), unless an ``answer is`` with a
    value follows it; the line of the first ``####`` that is no heading; what follows ``answer is``, ``Answer:`` and the
    like, the last first; what comes before ``is the answer``. With ``of_option`` also ``the option is``.
    """
    text = _without_cut_box(text)
    box = _last_box(text)
    if box is not None:
        begin, end, passage = box
        yield from (later for later in _after_marks(text[end:], of_option) if _VALUE.match(later))
        yield passage
        text = text[:begin]
    line = _hash_line(text)
    if line is not None:
        yield line
    yield from _after_marks(text, of_option)
    for mark in list(_REVERSED.finditer(text))[-1:]:
        yield re.split(r"[.,;:!?]\s|\n", text[max(0, mark.start() - 80) : mark.start()])[-1]


def _last_box(text: str) -> tuple[int, int, str] | None:
    """Return where the last box, or those that are joined with it, begins and ends, and what is in it."""
    step = max((mark.start() for mark in _STEP_BEHIND.finditer(text)), default=-1)
    boxes = [
        box
        for box in list(_BOX.finditer(text))[-_TRIED:]
        if box.start() > step and not _BOX_IMAGINED.search(text, max(0, box.start() - 200), box.start())
    ]
    closings = _closing_braces(text) if boxes else {}
    held: list[str] = []
    begin = end = len(text)
    for box in reversed(boxes):
        closing = closings.get(box.end(), len(text))
        inside = text[box.end() + 1 : closing].strip()
        if closing >= begin or not inside:
            continue
        between = text[closing + 1 : begin]
        if held and not (len(between) < LIMIT and _JOINT.fullmatch(between) and _JOINS.search(between)):
            break
        end = end if held else closing
        held.insert(0, inside)
        begin = box.start()
    return (begin, end, ", ".join(held)) if held else None


def _without_cut_box(text: str) -> str:
    """Return ``text`` without a last box that is cut off, where a whole one stands before it."""
    boxes = list(_BOX.finditer(text))[-_TRIED:]
    closings = _closing_braces(text) if len(boxes) > 1 else {}
    cut = closings and boxes[-1].end() not in closings and any(box.end() in closings for box in boxes)
    return text[: boxes[-1].start()] if cut else text


def _closing_braces(text: str) -> dict[int, int]:
    """Return where each brace that is closed is closed."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACES.finditer(text):
        if brace.group() == "{":
            opened.append(brace.start())
        elif opened:
            closings[opened.pop()] = brace.start()
    return closings


def _hash_line(text: str) -> str | None:
    lines = (match[1].strip() for match in _HASH.finditer(text))
    return next((line for line in lines if _HASH_ANSWER.match(line) and not _LIST_LABEL.match(line)), None)


def _after_marks(text: str, of_option: bool) -> Iterator[str]:
    labelled = _LABEL_B.search(text) is not None
    conditional = ""
    for mark in reversed(list((_OPTION if of_option else _ANSWER).finditer(text))[-_TRIED:]):
        before = text[max(0, mark.start() - 60) : mark.start()]
        if (
            _NOT_STATED.search(before)
            or _DOUBTED.search(before)
            or (labelled and mark.group().strip(" \t*_").upper() == "A")
        ):
            continue
        link = _LINK.match(text, mark.end()) or (_DIRECT.match(text, mark.end()) if _FINAL.search(before) else None)
        if link is None or (not link.group().strip() and _IS_REVERSED.search(before)):
            continue
        items = items_below(text, link.end())
        passage = ", ".join(items) if items else _passage(text, link.end())
        if not of_option and heads_a_solution(text, mark, link, items[0] if items else passage):
            continue
        imagined = "would" in link.group()
        if imagined and (_HYPOTHETICAL.search(before) or " if " in passage or computes_on(text, link.end())):
            continue
        if "could" in link.group() and not _JOINS.search(passage):
            continue
        if not passage or _NO_ANSWER.match(passage):
            continue
        if conditional:
            yield f"{conditional}, {passage}" if _CONDITION.search(before) else conditional
            conditional = ""
        elif _BESIDE.search(before):
            continue
        elif _CONDITION.search(before):
            conditional = passage
            continue
        yield passage
    if conditional:
        yield conditional


def _passage(text: str, begin: int) -> str:
    """Return the sentence that begins there in ``text``, behind markup; a displayed formula counts as one line."""
    markup = _MARKUP.match(text, begin)
    begin = markup.end() if markup else begin
    text = text[begin : begin + LIMIT]
    for opening, closing in _DISPLAYS:
        end = text.find(closing, len(opening)) if text.startswith(opening) else -1
        if end > 0:
            formula = text[: end + len(closing)].replace("\n", " ")
            return formula + _SENTENCE_END.split(text[len(formula) :], maxsplit=1)[0].rstrip()
    stop = _SENTENCE_END.search(text)
    sentence = text[: stop.start()].strip() if stop else text.strip()
    # "4!." is a factorial, "4!" an exclamation.
    if stop and stop.group() == ".":
        return sentence
    sentence = sentence.rstrip(' \t"✓✔✅☑')
    return sentence.rstrip("!") if sentence.endswith("!!") else sentence.removesuffix("!")
