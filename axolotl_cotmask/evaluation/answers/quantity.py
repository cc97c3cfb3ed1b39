"""One number in a passage: what people write for it, with words, units, currency, LaTeX and arithmetic around it."""

from __future__ import annotations

import re
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.arithmetic import Number, UnreadableError, parsed
from axolotl_cotmask.evaluation.answers.number_words import ADDED, PARTS, SCALES, leading_number

#: Commands of LaTeX that change how their text looks.
LOOKS = r"text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf)|boldsymbol|bm|underline|mbox"
_WRAPPED = re.compile(rf"\\(?:{LOOKS}|operatorname|emph|boxed|fbox)\*? ?\{{([^{{}}]*)\}}")
_OPEN_WRAP = re.compile(rf"\\(?:{LOOKS}|boxed|fbox) ?\{{")
_FRACTION = re.compile(r"\\[dtc]?frac ?(?:\{([^{}]*)\}|(\d)) ?(?:\{([^{}]*)\}|(\d))")
_ROOT = re.compile(r"(?:\\sqrt|√) ?(?:[({]([^{}()]*)[)}]|(\d+))")
_POWER = re.compile(r"\^ ?\{([^{}]*)\}")
_NESTED = 4
#: What LaTeX writes between groups of digits.
GROUPS = re.compile(r"(?<=\d)(?:,\\! ?|\\[,!;:]|\{,\}|~)(?=\d{3}(?!\d))")
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\([$%&#])", r"\1"),
        (r"\\left(?![a-z])|\\right(?![a-z])|\\!|\\displaystyle|\\[bB]igg?[lr]?(?![a-z])", ""),
        (r"\\[,;: \[\]()]|~|\\q?quad", " "),
        (r"(?<=\d)\*\*(?=\d)", "^"),
        (r"\*\*|__|`", ""),
        (r"(?<=[\d ])([mck]?m|in|ft|yd|mi)([23])\b", r"\1^\2"),
        (r"\^ ?\{?\\circ\}?|°", " degrees "),
        (r"\\times(?![a-z])|\\cdot(?![a-z])|[×·]", "*"),
        (r"\\div(?![a-z])|÷", "/"),
        (r"\\approx(?![a-z])|\\simeq(?![a-z])", "≈"),
        (r"[-=]>|\\(?:right|Right)arrow(?![a-z])|\\to(?![a-z])|[→⇒]", "="),
        (r"[$€£¥₹]", ""),
        (r"\|\s?-?(\d[\d.,]*)\s?\|", r"\1"),
        (r"(?<=[\d)]) ?[xX] ?(?=[\d(])", "*"),
        (r"(?<=\d) and (?=\d+/\d)", " "),
        (r"(?<![\w.,-])(\d[\d.]{0,9})(?: degrees?(?: [A-Z][a-z]*)?)? below zero\b", r"-\1"),
        (r"(?<![\d.,])(\d{1,9})(?: dollars?,?)? and (\d\d) cents?\b", r"\1.\2 dollars"),
        (r"(?<![\d.,])(\d{1,9})(?: dollars?,?)? and (\d) cents?\b", r"\1.0\2 dollars"),
        (r"(?i)\b(?:minus|negative) (?=\d)", "-"),
    )
)
# "half of 30", "20% of 350", all of it.
_PART = r"(?:an? |one )?(?P<part>half|quarter|third|fourth|fifth|sixth|eighth|tenth)"
_SHARE = r"(?P<share>\d{1,6}(?:\.\d{1,6})? ?(?=%|percent)|\d{1,6}/\d{1,6})(?:%|percent)?"
_PART_OF = re.compile(
    rf"\s*(?:{_PART}|{_SHARE}) of (?:the |his |her |their )?(?=\d[\d.,]*\s*\Z)",
    re.IGNORECASE,
)
_FOURTHS = {"quarter": "fourth"}
_CLAUSE = re.compile(
    r"[,:]?\s(?:because|since|as|where|when|if|which|given|so|but|after|although|while|thus|therefore"
    r"|hence|giving|making)\b"
    r"|;|\s\((?=[a-zA-Z])|\s[-—]+\s(?=[a-zA-Z])|(?<!\s):\s"
)
#: What stands between commas beside the rest.
ASIDE = re.compile(r",\s(?:who|which|whose)\b[^,]{1,60},")
# The label of a part or an option, "(a) 5", "B) 12", and brackets around a lone number.
_LABEL = re.compile(
    r"\(?[A-Ea-e]\)\s+|[A-E][.:]\s+(?=[-(]?\.?\d)|\([a-zA-Z ]{2,30}\) "
    r"|\[([^][,]{1,40})\]$|\{([^{},]{1,40})\}$|<([^<>,]{1,40})>$"
)
# "38 vs. 12", "Ken: 38, Bob: 12", "38 (Ken) and 12 (Bob)".
_SEVERAL = re.compile(
    r"\d[^\d]{0,30}(?:\bvs\b\.?|\bversus\b|,\s[A-Z][a-z]{1,20}\s?[:=-]|\)\s?and)\s?-?\d"
    r"|\d[^\d\n]{0,40}\b(?:but|and|while) [A-Z][a-z]{1,20} (?:says?|said|thinks?|got|gets|claims?) [^\d\n]{0,30}\d"
    r"|\d[^\n]{1,80}\botherwise\b(?! (?:it|that|there) would)[^\d\n]{0,30}\d|\A\W*[\d.,]+ ?; ?-?[\d.,]+\W*\Z"
)
# "In 9 days, she has 18": what the sentence begins with is not what it states.
_BEFORE_THE_CLAUSE = re.compile(
    r"(?:(?i:from|in|on|after|for|with|at|by|during|of)) (?:[a-z]+ ){0,3}\d+(?: [a-z]+){0,3}?,? "
    r"(?=(?:he|she|they|it|there|we|you|I)\b|[A-Z][a-z]+ )"
)
# "15 percent of 60 is 9", "half of 50, or 25".
_SHARE_IS = re.compile(
    r"[\d./]{1,12} ?(?:%|percent)? of [^\n]{1,40}? (?:is|equals) (?=-?[\d.]+\b)"
    rf"|(?:{_PART}|{_SHARE}) of (?:the )?[\d.,]{{1,20}}(?: [a-z]+){{0,3}},?"
    r" (?:or |i\.e\.,? |that is,? )?(?=-?[\d.]+\b)",
    re.IGNORECASE,
)
_REPEATING = re.compile(r"(?<![\d.])(\d{0,9})\.(\d{0,9})\\overline ?\{(\d{1,9})\}")
_WHICH_IS = re.compile(r"\bi\.e\.|\bnamely\b|\b(?:which|that)(?: then)? (?:is,?|equals|gives|makes|comes to)\b")
# Behind a semicolon: no step to the answer.
_ASIDE_STEP = re.compile(r"\W*(?:check|verif|note|where|because|since)", re.IGNORECASE)
_BEGINS = re.compile(r"[-+(]?\s?\.?\d")
_RELATION = re.compile(r"[<>≤≥≠±]|\\pm(?![a-z])|\\(?:[lg](?:e|t|eq)|neq?)(?![a-z])")
_DIGIT = re.compile(r"\d")
_RESULT = re.compile(r"=\s*\d")
_BREAKS_OFF = re.compile(r"(?:[\w)%}] ?[-+/=(^{]|[\w)%] \*|≈|<<)\s*$")
# "1/3 of 90, which is 30": of such a calculation its result counts.
_SHARE_OF = re.compile(
    r"[\d/ .()]{1,20}%? of (?:the |these |those |her |his |their )?[\d.,]{1,20}\s*\Z"
    r"|\d[\d.,]*(?: [a-z]+)? (?:more|less|fewer) than [\d.,]+(?:\W*\Z|,? (?:i\.e\.|namely))"
)
# "33.33, which we round to 33"; "approximately 41.67, so she needs 42 boxes": the next whole number.
# "3x + 4y = 20" gives no name its value.
_UNSOLVED = re.compile(r"[^=]*(?:\d ?[xyzn]\b|\b[xyzn] ?(?:[-+*/^] ?\w|\())[^=]*=[^=]*")
_ABOUT = r"(?:(?:approximately|about|around|roughly|≈) ?)?"
_ROUNDED_TO = re.compile(
    rf"{_ABOUT}[\d,]{{1,12}}\.\d+(?:\.\.\.)?[%a-z ]{{0,20}}"
    r", (?:which|and) (?:we |is |it |I )?round(?:s|ed)?(?: it)? (?:up |down )?to (?=\d)"
)
_WHOLE_SO = re.compile(
    rf"{_ABOUT}(\d{{1,12}}\.\d{{1,20}})[^\d.;]{{0,40}}?,? so [^\d.;]{{0,60}}(?=(\d{{1,12}})(?![.,]?\d))"
)
# What stands between a number and another one that makes the first not the answer, or not alone.
_ANOTHER = re.compile(
    r"(?P<join>,?\s*(?:and|or|to|through|plus|minus|times)\b(?: (?:possibly|perhaps|maybe))?|,)\s*(?=[-(]?\.?\d)"
)
# "3 less than 10, so 7".
_SO = re.compile(r",? (?:so|hence|thus|therefore|that is)\b,? (?:it is |it's |we get |the [a-z]+ is )?(?=-?\d)")
# "12 minus what he ate".
_TAKEN = re.compile(r"(?:plus|minus)\b|than [\d.,]+\W*\Z")
# "1 in 6" is a chance.
_ONLY_A_NUMBER = re.compile(r"\s*\d{1,3}\W*")
# "5 days' pay" is not 5.
_OF_THEM = re.compile(r"s' ?[a-z]")
_SIDE_BY_SIDE = re.compile(
    r",?\s?and (?!(?:it|this|that|which|so)\b)(?:\w+ ){1,3}"
    r"(?:has|have|had|gets?|got|pays?|paid|needs?|makes?|earns?|sells?|sold|eats?|ate|is|are|was|were) \(?\d",
    re.IGNORECASE,
)
# "12 according to Tom and 15 according to Sue".
_AND_ANOTHER = re.compile(r" [a-zA-Z][^\d,;:.(]{1,60}? and -?\.?\d")
_NOT_ANOTHER = re.compile(
    r"(?:[a-z]+ (?=more|less|fewer))?(?:of|more|less|for|from|each|were|was|are|is|in|on)\b", re.IGNORECASE
)
_CONNECTED = re.compile(
    r"\b(?:over|in|per|for|after|with|from|out|of|by|on|at|each|every|within|during|into|than|until|among"
    r"|around|about|only)"
    r"(?: (?:the|these|those|all|his|her|their))?$",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"\s?[α-ω]|[_\\{*/+^≈]|[a-zA-Z]|:(?!00\b)\d|\s:\s?\d|'\d|\s[b-zB-HJ-Z](?![a-zA-Z.])|\s[-+*/] ")
_WORDS_ONLY = re.compile(r"[a-zA-Z ,.'-]{1,200}")
_PREAMBLE = frozenset(
    ("the", "a", "total", "of", "exactly", "about", "around", "approximately", "just", "only", "altogether")
)
#: Characters of a statement that are read; no answer is longer.
LIMIT = 2000
#: Longer numbers are compared as texts.
LONG = 400


def bare(text: str) -> str:
    r"""Return ``text`` without markup, currency and LaTeX's dress: ``\frac{1}{2}`` is ``1/2``, ``\times`` is ``*``."""
    text = _REPEATING.sub(_repeating, GROUPS.sub(",", text))
    for _ in range(_NESTED):
        text = _WRAPPED.sub(r" \1 ", text)
    text = _OPEN_WRAP.sub(" ", text)
    for pattern, new in _REPLACED:
        text = pattern.sub(new, text)
    if (part := _PART_OF.match(text)) is not None:
        text = f"({_part(part)}) * {text[part.end() :]}"
    for _ in range(_NESTED):
        text = _POWER.sub(r"^(\1)", _ROOT.sub(_root, _FRACTION.sub(_ratio, text)))
    return text


def _part(match: re.Match[str]) -> str:
    if (name := match["part"]) is not None:
        return str(PARTS[_FOURTHS.get(name.lower(), name.lower())])
    return match["share"] if "/" in match["share"] else f"{match['share']}/100"


def _repeating(match: re.Match[str]) -> str:
    whole, digits, period = match[1] or "0", match[2], match[3]
    value = Fraction(int(whole + digits), 10 ** len(digits))
    value += Fraction(int(period), 10 ** len(digits) * (10 ** len(period) - 1))
    return f"(({value.numerator})/({value.denominator}))"


def _root(match: re.Match[str]) -> str:
    return f"sqrt({match[1] or match[2]})"


def _ratio(match: re.Match[str]) -> str:
    above, below = (match[1] or match[2] or "").strip(), (match[3] or match[4] or "").strip()
    if not (above.isdigit() and below.isdigit()):
        return f"(({above})/({below}))"
    before = match.string[: match.start()].rstrip()[-1:] if match.start() else ""
    return f" {above}/{below}" if before.isdigit() else f"{above}/{below}"


def whole_number(text: str, *, strict: bool = False) -> Number | None:
    """Return the number that all of ``text`` is, with its unit, or None."""
    try:
        return parsed(bare(text), lead=False, strict=strict) if len(text) < 2 * LONG else None
    except UnreadableError:
        return None


def number_in(passage: str) -> str | None:
    """Return the number that a stated answer comes to, as a text, or None: it names none, several, or another thing.

    What a calculation ends on, a number before the clause that explains it, one with words around it; not one of a
    list, a bound (``more than 5``), a time of day, a term with a letter, or of a calculation that breaks off.
    """
    if len(passage) > LIMIT:
        return passage if passage.isdecimal() else None
    text = bare(passage)
    text = _without_label(ASIDE.sub("", text).strip().strip("*_").strip())
    if breaks_off(passage) or _SEVERAL.search(text):
        return None
    text = text[rounded.end() :] if (rounded := _ROUNDED_TO.match(text)) else text
    whole = _WHOLE_SO.match(text)
    text = text[whole.end() :] if whole and abs(Fraction(whole[1]) - int(whole[2])) < 1 else text
    steps = [step for step in text.split(";") if not _ASIDE_STEP.match(step)] or [text]
    text = steps[-1].strip() if _RESULT.search(steps[-1]) else text
    text = text[before.end() :] if (before := _BEFORE_THE_CLAUSE.match(text)) else text
    text = text[share.end() :] if (share := _SHARE_IS.match(text)) else text
    digit = _DIGIT.search(text)
    clause = _CLAUSE.search(text, digit.end() if digit else 0)
    head = text[: clause.start()] if clause else text
    which = None if _BEGINS.match(head) and not _SHARE_OF.match(head) else _WHICH_IS.search(text)
    if which is not None:
        head = text[which.end() :].lstrip(" ,:")
    if _RELATION.search(head):
        return None
    number = _of_equation(head)
    conclusion = _SO.search(text, len(head)) if number is None or _DIGIT.search(number.rest) else None
    if conclusion is not None and head is not text:
        return number_in(text[conclusion.end() :])
    return number.text if number is not None else _in_words(head)


def breaks_off(text: str) -> bool:
    """Whether ``text`` ends in the middle of a calculation."""
    if text.rfind("<<") > text.rfind(">>"):
        return True
    return _BREAKS_OFF.search(bare(text[-LONG:]).rstrip("_ \n")) is not None


def _without_label(text: str) -> str:
    label = _LABEL.match(text)
    return text if label is None else (label[1] or label[2] or label[3] or text[label.end() :])


def _of_equation(text: str) -> Number | None:
    """Return the side of an equation that is a number: the last one on which nothing is left to compute."""
    exact, _, rounded = text.partition("≈")
    if rounded:
        number = _of_equation(exact)
        return number if number and not (number.written and "." in number.written) else _of_equation(rounded)
    if _UNSOLVED.fullmatch(text):
        return None
    sides = text.split("=")
    if any(re.search(r",\s|\b(?:and|or)\b", side) for side in sides[1:-1]):
        return None
    numbers = [number for side in sides if (number := _side(side)) is not None]
    if _DIGIT.search(sides[-1]) and _side(sides[-1]) is None:
        return None
    alone = [number for number in numbers if number.alone]
    return (alone or numbers)[-1] if numbers else None


def _side(text: str) -> Number | None:
    try:
        number = parsed(text, prefix=True)
        return number if _is_alone(number) else None
    except UnreadableError:
        return None


def _is_alone(number: Number) -> bool:
    """Whether what was not read behind ``number`` leaves it the only number that is meant."""
    rest = number.rest
    if _SYMBOL.match(rest) or _OF_THEM.search(number.unit) or _AND_ANOTHER.match(rest):
        return False
    if re.match(r"\s*\.?\d", rest):  # another number, with words between them
        share = (number.unit == "in" and _ONLY_A_NUMBER.fullmatch(rest)) or (
            number.unit.endswith("of") and (number.written is None or number.unit.startswith("%"))
        )
        # "8 years old 4 years from now"; one word alone parts two quantities: "5 feet 3 inches".
        return (_CONNECTED.search(number.unit) is not None or " " in number.unit) and not share
    rest = rest.lstrip()
    if _TAKEN.match(rest):
        return False
    join = _ANOTHER.match(rest)
    if join is None:
        return _SIDE_BY_SIDE.match(rest) is None
    other = parsed(rest[join.end() :], prefix=True, lead=False)
    more = _NOT_ANOTHER.match(other.unit) is not None
    if join["join"].endswith("or"):
        in_other_units = bool(number.unit and other.unit) and number.unit != other.unit
        in_cents = other.unit.startswith("cent") and other.value == 100 * number.value
        whole = whole_number(rest[join.end() :])  # "70, or 20% of 350"
        same = number.value in (other.value, whole.value if whole else None)
        return same or in_cents or in_other_units or other.unit.startswith("per ")
    return join["join"].startswith(",") and more


def _in_words(text: str) -> str | None:
    """Return the number that ``text`` is in English words, with a unit of a few words."""
    if not _WORDS_ONLY.fullmatch(text):
        return None
    words = text.lower().replace("-", " ").replace(",", " ").replace(".", " ").split()
    sign = 1
    if words[:1] in (["minus"], ["negative"]):
        sign, words = -1, words[1:]
    while words and words[0] in _PREAMBLE:
        words.pop(0)
    if words and words[0] in SCALES:  # a hundred
        words.insert(0, "one")
    found = leading_number(words)
    if found is None and words in (["half"], ["quarter"]):
        found = ADDED[f"a {words[0]}"], 1
    if found is None:
        return None
    value, taken = found
    unit = words[taken:]
    if unit[:1] == ["and"] and " ".join(unit[1:3]) in ADDED:
        value, unit = value + ADDED[" ".join(unit[1:3])], unit[3:]
    if unit and unit[0] in PARTS and (words[0] != "one" or len(words) == 2):
        value, unit = value * PARTS[unit[0]], unit[1:]
    if len(unit) > 3 or {"of", "and", "or", "to", "more", "less"} & set(unit):
        return None
    return Number(sign * value, None, alone=True, unit="", rest="").text
