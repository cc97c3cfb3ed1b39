"""The letter of an option in a text."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.final_answer import statements
from axolotl_cotmask.evaluation.answers.quantity import LIMIT, bare
from axolotl_cotmask.evaluation.answers.remarks import (
    ends_before_its_answer,
    ends_within_a_sentence,
    gives_no_answer,
    without_remarks,
)

_STRIPPED = re.compile(r"[$\\*_`]")
_ARTICLE_BEFORE = r"(?! (?!(?:because|since|as|is|which|and|or|for|by|with|so|in|at|given|from)\b)[a-z])"
_LETTER = rf"(?:A(?![A-Za-z]|'[a-z]){_ARTICLE_BEFORE}|[B-E](?![A-Za-z]|'[a-z]))"
_FIRST = re.compile(
    rf"\W{{0,6}}(?:(?:the|la|correct|right|option|choice|letter|answer|is)\W{{1,4}}){{0,4}}[(\[]?({_LETTER}"
    rf"|[a-e](?=[)\]]|\W*$))"
)
_SEVERAL = re.compile(
    r"[)\].]{0,2}\s?(?:/|&|and|or|,(?=\s?\(?[A-E]\)?(?:\s?(?:,|and\b|or\b)|\W*$)))\s?"
    r"(?:option |choice )?[(\[]?([A-E])(?![A-Za-z'])"
)
# "B if n is odd, and C if n is even".
_UNDER_CONDITIONS = re.compile(rf"{_LETTER}[)\]]? if\b[^\n]{{1,80}}{_LETTER}[)\]]? if\b")
# All options, once more.
_OPTIONS = re.compile(r"\W{0,6}A(?:[).:\]]|\s)[^\n]{1,80}?\WB[).:\]][^\n]{1,80}?\WC[).:\]]")
_LAST = re.compile(rf"[:=,(]\s?[(\[]?({_LETTER})[)\]]?\W*$")
_NAMED = re.compile(rf"\(({_LETTER})\)|\b(?:option|choice|letter)\W{{1,3}}({_LETTER})", re.IGNORECASE)
_ALONE = re.compile(rf"(?<![\w']){_LETTER}")
_CHOSEN = re.compile(
    r"(?:\b|(?=[→⇒=-]))(?:so|thus|hence|therefore|it is|it's|is|be|only|choose|guess|pick|select|chose|picked|selected"
    r"|go(?:ing)? with|went with|opt(?:ing)? for"
    r"|settl(?:ed?|ing) (?:on|for)|likely|probably|choosing|picking|selecting"
    r"|option|choice|answer|match(?:es|ing)|correspond(?:s|ing) to"
    r"|leav(?:es|ing)(?: only)?|[→⇒]|[-=]>)"
    rf"\W{{1,3}}(?:really |actually |option |choice |answer |the |is ){{0,3}}[(\[*]{{0,3}}({_LETTER})"
    r"(?!\)? (?:is (?:not|wrong|out|false|incorrect)|isn't|fails)\b)",
    re.IGNORECASE,
)
# "If the lid counts, B. If not, A."
_IF_NOT = re.compile(r"\b(?:if not|otherwise)\b[:,]? \(?[A-E]\b", re.IGNORECASE)
# "option c", but not "is a".
_CHINESE = re.compile(r"[选選](?:择|擇|项|項)?\s?[(]?([A-E])(?![A-Za-z])")
_SMALL = re.compile(r"\b(?:option|choice|answer) [b-e]\Z", re.IGNORECASE)
_LONE = re.compile(r"\b[aA]\s*\Z")
_ONLY_NAMED = re.compile("option|choice", re.IGNORECASE)
# "D over option B", "second choice: B".
_WORSE = re.compile(
    r"\b(?:(?:over|than|against) (?:option |choice )?|(?:second|alternative|backup|next)(?:[ -](?:choice"
    r"|guess|best|option))? ?(?:is |: ?)?)"
    r"\(?[A-E]\b\)?"
)
_SAID = re.compile(rf"\b(?:i'd|i would|i'll) (?:say|guess)\W{{1,3}}(?:option )?\(?({_LETTER})", re.IGNORECASE)
# Behind this a letter is chosen only by a word that says so.
_NONE_FITS = re.compile(
    r"\bnot (?:among|one of|in|listed)\b[^.\n]{0,30}\b(?:options|choices)"
    r"|(?:\A|[.\n] ?)none of (?:these\b|them\b|the (?:options|choices)\b|\(?A\)?,)",
    re.IGNORECASE,
)
_CHOSEN_ANYWAY = re.compile(
    rf"\b(?:so|thus|hence|therefore|choose|guess|pick|select|go with)\b[^.\n]{{0,40}}?\b({_LETTER})", re.IGNORECASE
)
# How a line on one option begins.
_LINE_OF = r"^\W{0,6}(?:option |choice )?((?-i:[A-E]))[).:\]]"
_CONFIRMED = re.compile(
    r"\b((?-i:[A-E]))[)\]]? is (?:the )?(?:right|correct|true|better|best|(?:more|most) likely)\b"
    r"|\A\W{0,4}((?-i:[A-E])),? (?:since|because)\b"
    rf"|{_LINE_OF}[^\n]{{1,100}}(?:[-(:,.✓✔✅]\s?(?:this is )?|\d )(?:right|correct|true|yes)\b"
    rf"|{_LINE_OF}[^\n]{{1,100}}[✓✔✅]|{_LINE_OF} (?:yes|true|correct|right)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ON_A_LINE = re.compile(r"[^\w\n]*(?:(?:option|choice)\W{1,2}([a-e])|([A-E]|\(?[a-e]\)))[^\w\n]*")
_WHOLE = re.compile(r"\W{0,6}([a-e])\W{0,6}")
_LABEL = re.compile(
    r"\(([A-E])\)|\b(?<![A-Z]\.)([A-E])(?:\)|\.(?![A-Z]\.))(?= ?\S)"
    r"|(?:(?<=[.?!:] )([A-E])[.!]?|(?<=, )([A-E])[.!])(?=\s*\Z)"
    r"|\*\*\(?([A-E])\)?[.:]?\*\*|\A([A-E])(?::| -| =| (?=\())(?![^\n]*\b[B-E] =)(?=\s[^\n]*\Z)"
    r"|\A\(([a-e])\)(?=\s[^\n]*\Z)"
)
_JOINED = re.compile(r"\s?(?:,|and|or|&|/)\s?(?:and |or )?(?:option |choice )?")
_ANOTHER_SENTENCE = re.compile(r"[.!?]\s+\w")


def letter_in(text: str) -> str | None:
    """Return the letter of the option that ``text`` (`cuts.about_the_question`) names, or None.

    From a statement; else behind ``so``, ``it is``, ``choose`` and the like; alone on the last line; or the last one in
    brackets that is not of a list of all options. A statement of several letters is returned as it stands.
    """
    if (whole := _WHOLE.fullmatch(text)) is not None:
        return whole[1].upper()
    text = _WORSE.sub("", text)
    for passage in statements(text, of_option=True):
        letter = _letter_of(_STRIPPED.sub("", bare(passage[:LIMIT])).strip())
        if letter is not None:
            return letter
    if (chinese := _CHINESE.findall(text)) and len(set(chinese)) == 1:
        return chinese[0]
    if ends_before_its_answer(text):
        return None
    marked, text = text, _STRIPPED.sub("", text)
    if _IF_NOT.search(text) or gives_no_answer(text):
        return None
    none = _NONE_FITS.search(text)
    if none is not None:
        anyway = _CHOSEN_ANYWAY.search(text, none.end())
        return anyway[1] if anyway and anyway[1] in "ABCDE" else None
    chosen = [match for match in _CHOSEN.finditer(text) if match[1] in "ABCDE" or _SMALL.search(match.group())]
    decided = [match for match in chosen if not _ONLY_NAMED.match(match.group())]
    if decided or len({match[1] for match in chosen}) == 1:
        chosen = decided or chosen
        return None if _SEVERAL.match(text, chosen[-1].end()) else chosen[-1][1].upper()
    confirmed = list(_CONFIRMED.finditer(text))
    if confirmed:
        return confirmed[-1][confirmed[-1].lastindex or 0]
    said = _SAID.search(text)
    if said is not None and said[1] in "ABCDE":
        return said[1]
    *_, above, last = ["", "", *text.rstrip().split("\n")]
    line = _ON_A_LINE.fullmatch(last)
    if line is not None and _ON_A_LINE.fullmatch(above):
        return None
    if line is not None:
        return (line[1] or line[2]).strip("()").upper()
    line = _ON_A_LINE.fullmatch(text.lstrip().partition("\n")[0])
    if line is not None and line[2]:
        return line[2].strip("()").upper()
    cut_off = ends_within_a_sentence(text) and not _LONE.search(text)
    return None if cut_off else _last_label(without_remarks(marked))


def _letter_of(passage: str) -> str | None:
    first, last = _FIRST.match(passage), _LAST.search(passage, max(0, len(passage) - 80))
    if _UNDER_CONDITIONS.search(passage) or _OPTIONS.match(passage):
        return passage[:80]
    if first is not None:
        several = _SEVERAL.match(passage, first.end())
        if several is None or several[1] == first[1]:
            return first[1].upper()
        return last[1] if last is not None and last.start() > several.end() else passage[:80]
    if last is not None:
        return last[1]
    named = [match[1] or match[2] for match in _NAMED.finditer(passage)]
    alone = {match.group() for match in _ALONE.finditer(passage)}
    if named:
        return named[-1].upper()
    return alone.pop() if len(alone) == 1 else None


def _last_label(text: str) -> str | None:
    """Return the letter that labels the end of ``text``: of several ones only one that no other sentence follows."""
    labels = list(_LABEL.finditer(text))
    letters = [match[match.lastindex or 0].upper() for match in labels]
    # A, B, C and so on is the list of options, once more.
    run = 1
    while run < len(letters) and ord(letters[-run]) - ord(letters[-run - 1]) == 1:
        run += 1
    if not letters or run > 2:
        return None
    if len(set(letters)) > 1:
        joined = _JOINED.fullmatch(text, labels[-2].end(), labels[-1].start())
        if joined or _ANOTHER_SENTENCE.search(text, labels[-1].end()):
            return None
    return letters[-1]
