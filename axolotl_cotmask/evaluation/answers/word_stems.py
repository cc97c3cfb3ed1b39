"""The words of a sentence in a form in which they can be held against those of another one."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[A-Za-z]+|\d[\d,]*(?:\.\d+)?")
# "Tom's sister" is not about Tom.
_KIN = (
    "mother|mom|father|dad|sister|brother|son|daughter|wife|husband|uncle|aunt|cousin|friend|grandmother|grandfather"
    "|grandson|granddaughter|niece|nephew|neighbor|teacher|boss"
)
_OF_KIN = re.compile(rf"\b[A-Z][a-z]+'s? (?=(?:[a-z]+ )?(?:{_KIN})\b)")
#: Who is spoken of without a name.
KIN = frozenset(_KIN.split("|"))
#: A name within a sentence.
NAME = re.compile(rf"(?<=[a-zA-Z0-9,;:] )[A-Z][a-z]+|\b(?:{_KIN})\b")
_FIRST = re.compile(r"(?:\A|[.!?]\s)\s*([A-Z][a-z]+)\b")
_PHRASES = (
    (re.compile(r"n't\b", re.IGNORECASE), " not"),
    (re.compile(r"\bin all\b", re.IGNORECASE), "total"),
    (re.compile(r"'s?\b"), ""),
)

#: Words that change what is meant by a number: of the same things there is a total, a rest, one of each.
MODIFIERS = frozenset(("total", "left", "each", "more", "not"))
_SAME = {
    word: meaning
    for meaning, words in (
        ("total", "altogether together combined overall totals totaling sum entire whole"),
        ("left", "keep keeps kept keeping remain remains remained remaining leftover leaves leave leaving"),
        ("each", "per every apiece"),
        ("more", "fewer less difference extra longer shorter taller older younger heavier lighter higher lower bigger"),
        ("more", "smaller larger greater faster slower cheaper farther further wider deeper"),
        ("not", "no never none"),
        ("other", "others rest"),
        ("child", "children"),
        ("man", "men"),
        ("woman", "women"),
        ("person", "people persons"),
        ("foot", "feet"),
        ("give", "gave given"),
        ("pay", "paid"),
        ("sell", "sold"),
        ("buy", "bought"),
        ("spend", "spent"),
        ("eat", "ate eaten"),
        ("take", "took taken"),
        ("make", "made"),
        ("drive", "drove driven"),
        ("run", "ran"),
        ("win", "won"),
        ("lose", "lost"),
        ("grow", "grew grown"),
        ("drink", "drank"),
        ("write", "wrote written"),
        ("bring", "brought"),
        ("catch", "caught"),
        ("find", "found"),
        ("light", "lit"),
    )
    for word in words.split()
}
_STOP = frozenset(
    (
        "a", "an", "the", "of", "to", "in", "on", "at", "for", "by", "with", "from", "and", "or", "but", "so", "then",
        "than", "that", "this", "these", "those", "it", "its", "he", "she", "they", "his", "her", "hers", "their",
        "him", "them", "we", "you", "i", "my", "our", "your", "me", "is", "are", "was", "were", "be", "been", "being",
        "do", "does", "did", "has", "have", "had", "having", "will", "would", "can", "could", "should", "must", "may",
        "how", "many", "much", "what", "which", "who", "whose", "when", "where", "while", "there", "here", "if", "as",
        "also", "just", "only", "about", "thus", "therefore", "hence", "because", "since", "after", "before", "all",
        "some", "any", "get", "got", "up", "out", "into", "number", "amount", "find", "value", "s", "t", "re", "ve",
        "let", "both", "us",
    )
)  # fmt: skip


def words(text: str) -> frozenset[str]:
    """Return what ``text`` speaks of: its words without endings and small words, one for words of one meaning."""
    text = _OF_KIN.sub("", text)
    for pattern, new in _PHRASES:
        text = pattern.sub(new, text)
    return frozenset(form for token in _TOKEN.findall(text) if (form := stem(token)))


def names(text: str) -> frozenset[str]:
    """Return the stems of the names within the sentences of ``text``: Ann, Monday, sister."""
    return frozenset(stem(name) for name in NAME.findall(_OF_KIN.sub("", text))) - {""}


def first_names(text: str) -> frozenset[str]:
    """Return the stems of words that sentences of ``text`` begin with and that it never writes small: Tom, not Pens."""
    small = words(" ".join(re.findall(r"\b[a-z]+\b", text))) | MODIFIERS
    first = {word for word in _FIRST.findall(_OF_KIN.sub("", text)) if word.lower() not in _STOP}
    return frozenset(stem(word) for word in first) - small


def stem(token: str) -> str:
    """Return a word without its ending, or the one word for its meaning; nothing for a small word."""
    if token[0].isdigit():
        return token.replace(",", "").rstrip(".")
    word = token.lower()
    if word in _STOP and (word == token or len(word) == 1):  # Will and May are names
        return ""
    if word in _SAME:
        return _SAME[word]
    if word in MODIFIERS:
        return word
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 2 and word.endswith(ending):
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    else:
        word = word.removesuffix("e") if len(word) > 3 else word
    return _SAME.get(word, word)
