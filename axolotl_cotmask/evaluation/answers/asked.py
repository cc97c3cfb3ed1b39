"""What a question asks for, in words that can be held against those beside a number: how many apples, Tom, left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from axolotl_cotmask.evaluation.answers.plain import plain

# Of a question so many characters at its end are read.
_WINDOW = 2000
_TOKEN = re.compile(r"[A-Za-z]+|\d[\d,]*(?:\.\d+)?")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE_END = re.compile(r"(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?](?=\s|\Z)|\n")
_ASKS = re.compile(
    r"\b(?:(?:how|what|which|who|when)\b|(?:find|calculate|determine|compute|give|tell)\b)", re.IGNORECASE
)
_HOW_MANY = re.compile(r"\bhow (?:many|much)((?: (?!of\b)[a-z]+){0,6})", re.IGNORECASE)
_IN_UNITS = re.compile(r"\bin (?:square |cubic )?([a-z]{2,12})\b[^.]{0,20}\Z", re.IGNORECASE)
_MONEY = re.compile(r"[$£€]|\b(?:dollars?|cents?|euros?|pounds)\b", re.IGNORECASE)
_HOW_MUCH_MONEY = re.compile(
    r"\bhow much(?: (?:more|less|extra|total|total profit))*"
    r" (?:money|does|did|do|is|are|was|were|will|would|should|has|have|had|can|could|profit|change|each)\b"
    r"|\bhow many (?:dollars|cents|euros)\b|\b(?:price|cost|profit|revenue|income|salary|bill|fee)\b[^?]{0,40}\?",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"\b(?:what|which|how many) (?:is the )?percent(?:age)?\b|\bpercent(?:age)? of\b", re.IGNORECASE)
_TIME_ASKED = re.compile(
    r"\bhow long (?:does|did|do|will|would|should) [^?]{0,60}\b(?:take|need|last|spend|stay|wait)|\bhow old\b",
    re.IGNORECASE,
)
# Possessives of a name do not speak of that person, but of a relative.
_KIN = (
    "mother|mom|father|dad|sister|brother|son|daughter|wife|husband|uncle|aunt|cousin|friend|grandmother|grandfather"
    "|grandson|granddaughter|niece|nephew|neighbor|teacher|boss"
)
_OF_KIN = re.compile(rf"\b[A-Z][a-z]+'s? (?=(?:[a-z]+ )?(?:{_KIN})\b)")
_TIMES = frozenset(
    (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march",
        "april", "may", "june", "july", "august", "september", "october", "november", "december",
    )
)  # fmt: skip
KIN = frozenset(_KIN.split("|"))
_CONDITION = re.compile(r",? (?:if|given that|assuming)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:s?he|they|it)\b")
_NAME = re.compile(rf"(?<=[a-zA-Z0-9,;:] )[A-Z][a-z]+|\b(?:{_KIN})\b")
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
_TIME = frozenset(("second", "minut", "hour", "day", "week", "month", "year"))
# The name whose value is asked for: "what is $x$?", "for which $n$ does".
_NAME_ASKED = re.compile(
    r"\b(?:what is|find|compute|determine|solve for|which|values? of) \$([a-zA-Z](?:_\d|_\{\d\})?)\$"
    r"(?=[?.:]|\Z|,? (?:when|such|does|do|is|are|will)\b)",
    re.IGNORECASE,
)


class Kind(Enum):
    """What a number counts, where its sign or unit says it."""

    MONEY = "money"
    PERCENT = "percent"
    TIME = "time"
    THINGS = "things"


def words(text: str) -> frozenset[str]:
    """Return what ``text`` speaks of: its words without endings and small words, one for words of one meaning."""
    text = _OF_KIN.sub("", text)
    for pattern, new in _PHRASES:
        text = pattern.sub(new, text)
    return frozenset(stem for token in _TOKEN.findall(text) if (stem := _stem(token)))


def names(text: str) -> frozenset[str]:
    """Return the stems of the names within the sentences of ``text``: Ann, Monday, sister."""
    return frozenset(_stem(name) for name in _NAME.findall(_OF_KIN.sub("", text))) - {""}


def _first_names(text: str) -> frozenset[str]:
    """Return the stems of words that sentences of ``text`` begin with and that it never writes small: Tom, not Pens."""
    small = words(" ".join(re.findall(r"\b[a-z]+\b", text))) | MODIFIERS
    first = {word for word in _FIRST.findall(_OF_KIN.sub("", text)) if word.lower() not in _STOP}
    return frozenset(_stem(word) for word in first) - small


def kind_of(unit: frozenset[str]) -> Kind | None:
    """Return what a number counts by the words of its unit."""
    if not unit:
        return None
    if unit & {"dollar", "cent", "euro"}:
        return Kind.MONEY
    if "percent" in unit:
        return Kind.PERCENT
    return Kind.TIME if unit & _TIME else Kind.THINGS


def _stem(token: str) -> str:
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


@dataclass(frozen=True)
class Asked:
    """What a question asks for.

    ``words`` are those of its last asking clause, ``names`` those of them that are names, ``units`` what is counted
    (how many apples), ``given`` the numbers of the whole question, ``known_names`` all its names.
    """

    words: frozenset[str]
    names: frozenset[str]
    units: frozenset[str]
    kind: Kind | None
    given: frozenset[str]
    known_names: frozenset[str]

    @classmethod
    def of(cls, question: str) -> Asked | None:
        """Return what ``question`` asks for, or None where no sentence of it asks."""
        text = plain(question)[-_WINDOW:]
        clause = _asking(text)
        if clause is None:
            return None
        asked, known = words(clause), names(text) | _first_names(text)
        named = known & asked
        # "How many more does he need to beat Alex": he is not Alex. On Monday is on Monday.
        first = _NAME.search(clause)
        if _PRONOUN.search(clause, 0, first.start() if first else len(clause)) is not None:
            named &= _TIMES
        units = _units(clause)
        return cls(asked, named, units, _kind(clause, text, units), _numbers(text), known)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(number.replace(",", "") for number in _NUMBER.findall(text))


def _asking(text: str) -> str | None:
    begin, last = 0, None
    for end in [mark.end() for mark in _SENTENCE_END.finditer(text)] + [len(text)]:
        sentence = text[begin:end]
        if (asks := _ASKS.search(sentence)) is not None and ("?" in sentence or asks.group()[0].lower() not in "hw"):
            last = _CONDITION.split(sentence[asks.start() :], maxsplit=1)[0]
        begin = end
    return last


def _units(clause: str) -> frozenset[str]:
    many = _HOW_MANY.search(clause)
    units: set[str] = set()
    if many is not None:
        for token in many[1].split():
            if (stem := _stem(token)) == "":
                break
            if stem not in MODIFIERS:
                units.add(stem)
    elif (unit := _IN_UNITS.search(clause)) is not None:
        units.add(_stem(unit[1]))
    return frozenset(units - {""})


def _kind(clause: str, text: str, units: frozenset[str]) -> Kind | None:
    if _PERCENT.search(clause):
        return Kind.PERCENT
    if _HOW_MUCH_MONEY.search(clause) and _MONEY.search(text):
        return Kind.MONEY
    if _TIME_ASKED.search(clause):
        return Kind.TIME
    if re.search(r"\bhow many\b", clause, re.IGNORECASE):
        return Kind.TIME if units & _TIME else Kind.THINGS
    return None


def name_asked(question: str) -> str | None:
    """Return the ``x`` of ``what is $x$?``, where the question asks for the value of one name, and of no other one."""
    found = {name[1] for name in _NAME_ASKED.finditer(_asking(plain(question)[-_WINDOW:]) or "")}
    return found.pop() if len(found) == 1 else None
