"""The number of a sentence that states none: the last one that is neither of a circumstance nor of an explanation."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.arithmetic import NUMBER
from axolotl_cotmask.evaluation.answers.circumstances import CHANGES, is_circumstance, is_known, only_main
from axolotl_cotmask.evaluation.answers.derived import derived_number
from axolotl_cotmask.evaluation.answers.number_words import ADDED, is_number_word
from axolotl_cotmask.evaluation.answers.quantity import ASIDE, bare, number_in

_DIGIT = re.compile(r"\d")
#: A number of a sentence as `bare` leaves it, with its sign, fraction, power and scale.
QUANTITY = re.compile(
    rf"(?:(?<![\w.)\]%])-)?(?<![\d.,^_])(?:\d{{1,9}} (?=\d{{1,9}} ?/))?{NUMBER}(?:[eE][-+]?\d{{1,3}}(?![\w.]))?"
    r"(?:(?: ?\* ?10)?\^\(?-?\d{1,3}\)?)?(?: ?/ ?\d{1,9}(?![\d.,]?\d))?"
    rf"(?: (?:hundred|thousand|million|billion|trillion|dozen)\b|(?:[kKM]|mn|bn)\b| and (?:{'|'.join(ADDED)})\b)?"
)
_OPERAND = re.compile(r"[\d)%a-zA-Z]\s?(?:[*/+]|\s-\s|(?<=\d)-)\s?[( ]*$|(?<=\d):$")
_UNIT_POWER = re.compile(r"(?<=[a-zA-Z])\^\(?[-+]?[1-4]\)?")
# A bracket with words or a calculation behind a number.
_BRACKET = re.compile(r"(?<=[\w%.✓✔]) \((?=[^()]{0,80}(?:[a-zA-Z%]|[-*/+=]))[^()]{1,80}\)")
# What a sentence adds behind the number that it is about.
_ADDED = re.compile(
    r"(?P<converted>,? which (?:is|are|was|means) (?:about |only |exactly )?[$\d.,]{1,20}"
    r"(?:%|(?: percent| times| more| less| fewer)\b)|,? or (?:about )?[\d.]{1,20}(?:%| percent))"
    r"|\s(?:because|since|(?:that|which) (?:costs?|weighs?|lasts?|holds?|contains?|has|have))\s"
    r"|\s(?:out of|from)\s(?![^.]{0,30}\bto\b|[^.]{0,60}: )"
    r"|,? (?:while|whereas|(?:even )?though|although|compared (?:to|with)|as opposed to|down from"
    r"|up from)\s|,? and the check\b"
    r"|(?<=[\w%]),? (?:i\.e\.,?|that is,) (?=(?:an?|you|s?he|they|it|the|we|there) )"
    r"|,? (?:after|before|once|until|when|if|now that) (?:you|we|s?he|they|it|his|her|their|its|the|[A-Z][a-z]+)\s"
    r"(?![^,\d]{0,60}\d[^,]{0,60},[^,]{0,60}\d)"
    rf"|, (?:which is )?(?=-?{NUMBER}(?: [a-z]+){{0,2}}"
    r" (?:more|less|fewer|short|shy|higher|lower|[a-z]+er)(?: than| of)\b)"
    rf"|, (?:which is )?(?=-?{NUMBER} [a-z]{{1,12}} (?:above|below)\b)"
    rf"|, (?=-?{NUMBER} [a-z]{{1,12}} (?:behind|beyond|ahead of|away from|from|before|after)\b)"
    rf"|:(?= {NUMBER} (?:plus|times|divided by|[-+*/]) ?{NUMBER}\W*\Z)"
    r"| [-–—]+ (?=(?:s?he|they|it|we|you|I|because|since|the)\b)"
    r"|,? (?:of which|given that|provided that|assuming(?: that)?)\s"
    rf"|,? (?:and|with) (?={NUMBER}(?: [a-z]+){{0,2}} (?:left over|to spare|remaining|left)\b)"
    r"|, or (?=\d{1,4} [a-z]{2,8}(?: and)? \d)"
    rf"|, (?={NUMBER} times as\b)|, from (?=[^,]{{0,40}}\d[^,]{{0,20}} to [^,]{{0,20}}\d[^,]{{0,20}}\Z)"
    r"|, (?:(?:with|there)\s(?:[a-z]+\s){0,4}?)?"
    r"(?!(?:leav|giv|mak|mean|total|yield|earn|bring|add|result|com|turn|rais)ing|saving)[a-z]+ing\s"
    rf"|, (?={NUMBER} of (?:it|them|which|these|those)\b(?![^\n]*:))"
    rf"|:(?= [^:=\n]*\d[^:=\n]*(?:,|\band\b|\bof\b|\bon\b) {NUMBER}(?: [a-z]+){{0,3}}\W*\Z)"
    r"|,? (?:and|but|when) [^,\d]{0,30}(?=\d[\d.]*(?: [a-z-]+){1,4} ago\b)"
    r"|\s(?:after|before|until|past) (?=\d{1,2}:\d\d)"
    r"|,? (?:after|before|when|by) [a-z]{2,15}ing\s"
)
# "7.5 days, and since only whole days count, 8 days".
_AND_SINCE = re.compile(r"\band (?:since|because|as) [^,\d]{1,60}, (?=[^,]{0,60}\d[^,]{0,60}\Z)")
_YIELDS = re.compile(
    r".*\b(?:giving|leaving|meaning|gives|leaves|yields|yielding"
    r"|(?<=, )[a-z]+ing (?:the|its|his|her|their) (?:[a-z']+ ){1,4}to"
    r"|making(?: an? [a-z]+ of| (?:the|his|her|their)(?: [a-z]+){1,3})?|totaling|totalling|in total|altogether|in all"
    r"|for an? (?:[a-z]+ )?total of|brings? (?:h[ei][rm]|them|it|us|the total|[A-Z][a-z]+) to)"
    r"(?::|(?: (?:us|him|her|them|you|[A-Z][a-z]+))?(?: with)?) +(?=\d)"
    rf"|.*(?:\bi\.e\.,?|\bnamely) (?:(?:after|in|about) )?(?={NUMBER}[^\d]*\Z)",
    re.DOTALL,
)
# What comes before the clause that a sentence ends on.
_CLAUSE = re.compile(
    r".*(?:,? (?:so|thus|hence|therefore|but)(?: that)?|, only|:),? (?=[^\n]*\d)"
    r"|\W*(?i:(?:(?:and|so|thus|hence|therefore|then),? )?(?:to|since|because|as|if|when|while|although"
    r"|once|given|by|in|after|before|with|without|for|at|from|of|out|on|[a-z]+ing) )"
    r"[^,\n]*?\d[^\n]*?(?:, | (?=(?:s?he|they|it|we|you|I|there)\b))(?=[^\n]*\d)"
    rf"|.*, or (?={NUMBER}[^\d\n]*\Z)"
    r"|.* and [^,\d\n]{2,20} (?:that|this) (?:is|makes|gives|leaves|equals) (?=[^\n]*\d)",
)
_CHOICE = re.compile(
    r"\s*(?:or|and|to|remainder|in(?! [\d.]+ (?:more )?(?:second|minute|hour|day|week|month|year))|by|against"
    r"|through|vs\.?)\s*(?=-?\.?\d)"
)
_OR_BEFORE = re.compile(r"\d or (?:[a-z] = )?\Z")
_OR_BEHIND = re.compile(r" or (?:[a-z] = )?-?\.?\d")
_ROUNDED = re.compile(r"\bround\w*\s[^.]{0,30}\Z", re.IGNORECASE)
# "There are 12 boys and 16 girls."
_THINGS = re.compile(
    r"(?:\b(?:are|has|have|is|with)|:) (?P<one>\d[\d.,]*) [a-z]+(?: and|,) (?!\1)\d[\d.,]* [a-z]+\W*\Z"
)
# "The width is 12 and the length is 28."
_SUBJECTS = re.compile(
    r"\b(is|was|are|were|has|gets) -?\d[\d.,]*(?: [a-z]+){0,2}(?:,? and|;) (?:(?:the|his|her|its) )?"
    r"(?!(?:[a-z]+ ){0,2}(?:total|sum|difference|average|product|result|answer|it|this|that|so"
    r"|thus)\b)(?:[\w'-]+ ){1,6}(?:\1|costs?) -?\d[\d.,]*(?: [a-z]+){0,2}\W*\Z"
)
# "12 each, 24 altogether".
_IN_TOTAL = re.compile(
    rf"[,;:] (?:or |so |and |which is |making )?({NUMBER})(?: [a-z]+){{0,3}}"
    r" (?:in total|in all|altogether|total|overall|combined)\W*\Z"
)
# "15 5 dollar bills", behind a calculation.
_THINGS_OF = re.compile(rf"\s*({NUMBER})\s+\d+(?:\.\d+)? [a-z]")
# "80% of 250".
_SHARE = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,6})?)(?:%| percent) of \Z")
# "= 50 miles an hour, so at 2 hours he is at 100 miles".
_SO = re.compile(r",? so (?=[^=]*\d)")
# "the difference is six"; "she has no apples left".
_IN_WORDS = re.compile(r"\b(?:is|are|was|were|equals|comes to)\s((?!one\b)[a-z][a-z -]{2,40})\W*\Z")
NONE_LEFT = re.compile(
    r"\b(?:no (?:more )?[a-z]+(?: [a-z]+)?|no one|nobody|nothing|none) (?:is |are )?(?:left|remains?|remaining)"
    r"(?: after\b[^\n=]{0,60})?\W*\Z"
)
# "x_1 = 17, x_2 = 19": values of several names.
_VALUES = re.compile(
    r"(?<![\w^)*/+-])[a-zA-Z](?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d(?:,|\s?,?\s?\b(?:and"
    r"|or)\b)\s?[a-zA-Z](?:_\(?\{?\d\}?\)?)?\s?=\s?-?[\d.,/]*\d\W*\Z"
)
#: Before a bound: "it exceeds 5".
BOUND = re.compile(
    r"(?<!no )(?<!not )\b(?:exceeds?|(?:more|less|fewer|greater|larger|smaller|higher|lower) than)\s?[$]?\Z"
    r"|\b(?:is|are|was|were|has|have) (?:well |just )?(?:over|under|above|below)\s\Z"
    r"|(?<![\w.])[a-z]\s?(?:[<>≤≥≠]|\\(?:[lg](?:e|t|eq)|neq?))\s?\Z",
    re.IGNORECASE,
)
# The second of two answers.
_OTHERWISE = re.compile(r"\W*(?:otherwise|if not|else|in the other case)\b", re.IGNORECASE)
# "with the coupon he pays $18, without it $24".
_TWO_CASES = re.compile(
    r"\b(?:with [^\d\n]{1,60}\d[^\n]{1,60}\bwithout|without [^\d\n]{1,60}\d[^\n]{1,60}\bwith)"
    r" [^\d\n]{1,60}\d[\d.,]*[^\d\n]{0,30}\Z|\bassuming\b[^\n]{1,80}\d[^\n]{1,60}\bassuming\b[^\n]{1,60}\d",
    re.IGNORECASE,
)
# What compares the number of the sentence before, or imagines another case: that sentence is read then.
_COMPARES = re.compile(
    r"\W*(?:s?he|they|you|we|it|one) (?:could|might)\b"
    r"|\W*(?:if|without|with|had)\b[^\n]{1,120}\bwould\b"
    r"|\W*(?:this|that|it)(?:'s| is) (?:an? |one )?(?:half|third|quarter|fourth|fifth|tenth|twice|double)\b"
    r"|"
    rf"\W*(?:this|that|it)(?:'s| is) (?:about |exactly |only )?{NUMBER}(?:%"
    rf"| percent)?(?: [a-z]+){{0,2}} "
    r"(?:(?:more|less|fewer|higher|lower|[a-z]+er) than|above|below|over|under|short of)\b",
    re.IGNORECASE,
)
_IMAGINED = re.compile(r"\b(?:would|could)\b")
# "4n + 2 = 18", and nothing else.
_EQUATION = re.compile(
    r"\W*(?:(?:so|then|thus|we have|we get|(?:the )?equation(?: is)?)\b\W{0,3}){0,3}"
    r"(?:\d+ ?\*? ?[a-z](?: ?[-+] ?\d+)?|[a-z] ?[-+] ?\d+) ?= ?-?[\d.]+\W*\Z",
    re.IGNORECASE,
)
# A result of the text before, and what begins a clause that goes on from it.
_WINDOW = 600
_COMPUTED = re.compile(rf"= ?({NUMBER})")
_ANOTHER_CLAUSE = re.compile(
    r"[-+*/=]|\b(?:s?he|they|it|there|we|you|I|so|or|and|but|is|are|was|were|has|have|had|leav\w+|makes|making|giv\w+"
    r"|i\.e|that|which|not)\b"
)
_LISTED = re.compile(r"(?::|\bare)[^a-zA-Z:]*\d,\s[^a-zA-Z:]*$")
_AFTER = re.compile(r"[:_]\d|\\(?:pi|sqrt)|[xyznπ]\b| ?[*/+] ?[\d(a-zA-Z]")


def number_of_sentence(sentence: str, before: str = "") -> str | None:
    """Return the number that ``sentence`` comes to, or None: it names none, or several.

    ``before`` is what the text says before it: the last result there is what a sentence is about that names it.
    """
    sentence = sentence.rstrip("!")
    if _SUBJECTS.search(_main(sentence)) or (_TWO_CASES.search(sentence) and not _IMAGINED.search(sentence)):
        return None
    clauses = [clause for clause in sentence.split("; ") if _DIGIT.search(clause)] or [sentence]
    sentence = next((clause for clause in reversed(clauses) if not _IMAGINED.search(clause)), clauses[-1])
    if (total := _IN_TOTAL.search(bare(sentence))) is not None:
        return number_in(total[1])
    if NONE_LEFT.search(sentence):
        return "0"
    whole = " ".join(bare(sentence).split())
    numbers = list(QUANTITY.finditer(whole))
    added = _ADDED.search(whole, numbers[1].end()) if len(numbers) == 3 and "=" not in whole else None
    if numbers and "=" not in whole and (added is None or added["converted"]) and (of := derived_number(numbers)):
        return number_in(of.group())
    sentence = _main(sentence)
    if _OTHERWISE.match(sentence):
        return None
    if _EQUATION.match(sentence) or _VALUES.search(sentence):
        return None
    if _THINGS.search(sentence):
        return None
    words = _IN_WORDS.search(sentence)
    if words is not None and is_number_word(words[1]):
        return number_in(words[1])
    result = sentence.rpartition("=")[2]
    if result != sentence and (so := _SO.search(result)) is not None:
        return _last_of(_main(result[so.end() :]))
    if result != sentence and (total := _YIELDS.match(result)) is not None:
        return _last_of(result[total.end() :])
    if result != sentence and _DIGIT.search(result) and not _IMAGINED.search(result):
        number = number_in(result)
        number = number if number is not None else _of_things(result)
        if number is not None:
            return number
    yields = _YIELDS.match(sentence)
    if yields is not None:
        return _last_of(sentence[yields.end() :])
    if _knows_all(sentence):  # what explains is read where there is nothing else
        sentence = whole
    computed = list(_COMPUTED.finditer(bare(before[-_WINDOW:])))
    return _last_of(sentence, computed[-1][1] if computed else None)


def is_comment(sentence: str) -> bool:
    """Whether ``sentence`` says nothing new: it compares what the one before it says, or imagines another case."""
    plain = bare(sentence)
    new = "=" in sentence or _YIELDS.match(plain) is not None
    return not new and (_COMPARES.match(plain) is not None or _knows_all(plain))


def _knows_all(sentence: str) -> bool:
    """Whether all numbers of ``sentence`` tell which things are meant: the 30 that she sold."""
    return all(is_known(sentence, number) for number in QUANTITY.finditer(sentence))


def _of_things(result: str) -> str | None:
    """Return the 15 of ``15 5 dollar bills``."""
    things = _THINGS_OF.match(bare(result))
    return number_in(things[1]) if things else None


def _main(sentence: str) -> str:
    """Return ``sentence`` without what explains its number or stands around it."""
    sentence = _UNIT_POWER.sub("", ASIDE.sub("", " ".join(bare(sentence).split())))
    sentence = sentence[since.end() :] if (since := _AND_SINCE.search(sentence)) else sentence
    digit = _DIGIT.search(sentence)
    if digit is None:
        return sentence
    # From the digit on, so that a bracket right behind it is seen.
    head, rest = sentence[: digit.start()], _BRACKET.sub("", sentence[digit.start() :])
    added = _ADDED.search(rest)
    if added is None or _YIELDS.match(rest, added.end()):
        return head + rest
    explained = head + rest[: added.start()]
    if "=" in rest[added.end() :] and not _is_checked(explained, added.group(), rest[added.end() :]):
        return head + rest
    return explained


def _is_checked(explained: str, word: str, calculation: str) -> bool:
    """Whether a calculation begins with the only number that it explains, or is imagined: 12, because 12 + 8 = 20."""
    numbers = list(QUANTITY.finditer(explained))
    first = QUANTITY.search(calculation)
    if len(numbers) != 1 or first is None or word.strip(" ,") not in ("because", "since", "and the check"):
        return False
    return _IMAGINED.search(calculation, 0, first.start()) is not None or first.group() == numbers[0].group()


def _last_of(sentence: str, computed: str | None = None) -> str | None:
    numbers = list(QUANTITY.finditer(sentence))
    if not numbers:
        return None
    asked = [number for number in numbers if not is_known(sentence, number)]
    result = next((number for number in asked if number.group() == computed), None)
    if (
        result is not None
        and not is_circumstance(sentence, result)
        and not _OR_BEFORE.search(sentence, 0, result.start())
        and not _OR_BEHIND.match(sentence, result.end())
        and not _ANOTHER_CLAUSE.search(sentence, result.end())
    ):
        return number_in(result.group())
    if not asked:
        return None
    last = asked[-1]
    if last is numbers[-1] and _DIGIT.search(sentence, last.end()):  # the last one is not written as a number
        return None
    before = sentence[: last.start()]
    choice = _CHOICE.match(sentence, asked[-2].end()) if len(asked) > 1 else None
    chosen = choice is not None and choice.end() == last.start()
    changed = chosen and any(words.search(sentence, 0, asked[-2].start()) for words in (_ROUNDED, CHANGES))
    if (chosen and not changed) or (len(asked) > 1 and _LISTED.search(before)):
        return None
    if len(asked) > 1 and "=" not in sentence and not changed and _SHARE.search(before) is None:
        clause = _CLAUSE.match(sentence)
        if clause is not None:
            return _last_of(sentence[clause.end() :])
        only = only_main(sentence, asked, computed)
        only = derived_number(numbers, also_and=True) if only is None else only
        if only is None:
            return None
        last = only
    before, after = sentence[: last.start()], sentence[last.end() :]
    if BOUND.search(before):
        return None
    if (share := _SHARE.search(before)) is not None:
        return number_in(f"{share[1]} * {last.group()} / 100")
    if _OPERAND.search(before) or _AFTER.match(after):
        return number_in(sentence) if "=" in sentence else None
    return number_in(last.group())
