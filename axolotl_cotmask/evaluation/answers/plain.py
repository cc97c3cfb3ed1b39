"""A text in plain characters: what the robust rules read, whichever alphabet, signs and spaces it was written with."""

from __future__ import annotations

import html
import re
import unicodedata

_MINUS = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₙ"
_LEVEL = "0123456789+-n"
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_OTHERS = {
    "∕": "/",
    "⁄": "/",
    "∗": "*",
    "✕": "×",
    "✖": "×",
    "⨯": "×",
    "⋅": "·",
    "‘": "'",
    "’": "'",
    "ʼ": "'",
    "“": '"',
    "”": '"',
    "。": ".",
    "、": ",",
    "٫": ".",
    "٬": ",",
    "\r": "\n",
    "\x0b": "\n",
    "\x0c": "\n",
    "\x85": "\n",
    "\u2028": "\n",
    "\u2029": "\n",
}
# Spaces that are there to part thousands, or not to break a line: where they part thousands they become a comma.
_GROUPING = "\N{NO-BREAK SPACE}"
_GROUPED = re.compile(rf"(?<=\d){_GROUPING}(?=\d{{3}}(?!\d))")
# A line break in JSON: not \nu and other names of LaTeX, nor a row of a matrix that ends before an n.
_WRITTEN_BREAK = re.compile(r"<br ?/?>\n?|(?<!\\)(?:\\n(?![a-z]|Right|Left|[vV]))+")
_ENTITY = re.compile(r"&(?:#\d{1,5}|[a-zA-Z]{2,6});")
# ">>> 37 <<<" on a line of its own.
_POINTED_AT = re.compile(r"^[ \t]*>{2,3} ?([^<>\n]{1,60}?) ?<{2,3}[ \t]*$", re.MULTILINE)
_STRUCK_OUT = re.compile(r"~~[^~\n]{1,80}~~")
_LEVELS = re.compile(rf"([{_RAISED}]+)|([{_LOWERED}]+)")
_VULGAR_FRACTION = re.compile(rf"(?<=\d)\s?([{_VULGAR}])|([{_VULGAR}])")


def plain(text: str) -> str:
    """Return ``text`` up to its first NUL (as the authors' scripts read it), in plain characters.

    Digits of all scripts, fullwidth and mathematical letters, minus signs, dashes, quotes and spaces become ASCII;
    a raised 2 becomes ``^{2}``, a lowered one ``_{2}``, a half ``1/2``; signs without a width go, and what is struck
    out (``~~5~~``); half a surrogate pair is a replacement character.
    """
    text = _WRITTEN_BREAK.sub("\n", text.split("\0", maxsplit=1)[0].replace("\r\n", "\n"))
    text = _POINTED_AT.sub(r"\1", _STRUCK_OUT.sub("", text))
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    if text.isascii() and "\r" not in text:
        return text
    text = _LEVELS.sub(_on_the_line, _VULGAR_FRACTION.sub(_written_out, text))
    return _GROUPED.sub(",", text.translate(_TABLE)).replace(_GROUPING, " ")


def _on_the_line(match: re.Match[str]) -> str:
    sign, characters, level = ("^", _RAISED, match[1]) if match[1] else ("_", _LOWERED, match[2])
    return f"{sign}{{{level.translate(str.maketrans(characters, _LEVEL))}}}"


def _written_out(match: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKC", match[1] or match[2]).replace("⁄", "/")
    return f" {fraction}" if match[1] else fraction


class _Table(dict[int, str]):
    def __missing__(self, code: int) -> str:
        self[code] = character = _plain_character(chr(code))
        return character


_TABLE = _Table()


def _plain_character(character: str) -> str:
    if character in _OTHERS:
        return _OTHERS[character]
    if character in _MINUS:
        return "-"
    match unicodedata.category(character):
        case "Nd":
            return str(unicodedata.decimal(character))
        case "Zs" if character != " ":
            return _GROUPING
        case "Cf":
            return ""
        case "Cs":
            return "\N{REPLACEMENT CHARACTER}"
    # One by one: to normalise a whole text takes the square of its length where marks are heaped on a letter.
    if "\uff00" <= character <= "\uffef" or "\U0001d400" <= character <= "\U0001d7ff":
        return unicodedata.normalize("NFKC", character)
    return character
