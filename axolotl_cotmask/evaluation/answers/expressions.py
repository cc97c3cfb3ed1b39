"""Whether two LaTeX answers are the same: as texts, as numbers, or by Math-Verify."""

from __future__ import annotations

import re
from fractions import Fraction

from axolotl_cotmask.evaluation.answers.arithmetic import Number
from axolotl_cotmask.evaluation.answers.intervals import as_intervals
from axolotl_cotmask.evaluation.answers.latex import latex_form, split_unit, without_wrapping
from axolotl_cotmask.evaluation.answers.quantity import whole_number
from axolotl_cotmask.evaluation.answers.verifier import latex_equal

#: A longer answer is compared as a text only.
LONG = 600
_RELATIVE_NOISE = Fraction(1, 10**9)
_WORDS = re.compile(r"[A-Za-z]{2,}+(?:[ ,'-]++[A-Za-z]++){0,40}|[A-Za-z](?:[ ,]++(?:and |or )?[A-Za-z])+")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}(?![a-zA-Z{(])")
_BASE = re.compile(r"([0-9A-F]+)_ ?\{?(\d{1,2})\}?")
_TIME = re.compile(r"\d{1,2}:[0-5]\d")
_APART = re.compile(r"[\d\s.,]*\d\s+\d[\d\s.,]*")
_TUPLE = re.compile(r"[(\[].*,.*[)\]]")
_LIST = re.compile(r"[^()\[\]{}|\\]*,[^()\[\]{}|\\]*")
_ANGLE = re.compile(r"(\d+(?:\.\d+)?) ?\^\\circ")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")


def math_equal(answer: str, gold: str) -> bool:
    """Return whether ``answer`` is ``gold``, both LaTeX or plain text."""
    if answer.strip() == gold.strip():
        return True
    if max(len(answer), len(gold)) > LONG:
        return False
    forms = [latex_form(text) for text in (answer, gold)]
    if any(_TRIGONOMETRY.search(form) for form in forms):
        forms = [_ANGLE.sub(r"{(\1\\pi/180)}", form) for form in forms]
    (body, unit), (gold_body, gold_unit) = map(split_unit, forms)
    if unit and gold_unit and unit != gold_unit:
        return False
    if _text(body) == _text(gold_body) and body:
        return True
    if _text(forms[0]) == _text(forms[1]) or _same_but_for_a_name(body, gold_body):
        return True
    body, gold_body = as_intervals(*_without_braces(body, gold_body))
    if ("\\pm" in body) != ("\\pm" in gold_body):
        body, gold_body = map(_with_both_signs, (body, gold_body))
    values, gold_values = _values_by_name(body), _values(gold_body)
    if values is not None and _values_by_name(gold_body) is None:
        pairs = zip(values, gold_values, strict=False)
        return len(values) == len(gold_values) and all(math_equal(*pair) for pair in pairs)
    decided = _decided(body, gold_body)
    return latex_equal(without_wrapping(body), without_wrapping(gold_body)) if decided is None else decided


_NAMED = re.compile(r"(?:[a-zA-Z](?:_\{?\w\}?)?|[a-zA-Z]\([a-z]\)) ?= ?(?P<value>[^=]+)")


_SET = re.compile(r"\\\{(.+)\\\}")
_ONE_NAMED = re.compile(r"(?P<name>\\?[a-zA-Z]+(?:_\{?\w\}?)?) ?= ?(?P<value>[^=]+)")


def _same_but_for_a_name(answer: str, gold: str) -> bool:
    """Whether one is ``x = 5`` and the other 5."""
    named = [_NAMED.fullmatch(form) for form in (answer, gold)]
    if (named[0] is None) == (named[1] is None):
        return False
    values = [match["value"] if match else form for match, form in zip(named, (answer, gold), strict=True)]
    return _text(values[0]) == _text(values[1])


def _without_braces(answer: str, gold: str) -> list[str]:
    """Return both forms, a set of one value as the value where the other is no set."""
    sets = [_SET.fullmatch(form) for form in (answer, gold)]
    if (sets[0] is None) == (sets[1] is None):
        return [answer, gold]
    return [
        match[1] if match and len(_values(f"({match[1]})")) == 1 else form
        for match, form in zip(sets, (answer, gold), strict=True)
    ]


def _values(form: str) -> list[str]:
    """Return what the commas of ``form`` part, without brackets around all of it."""
    tuple_ = re.fullmatch(r"[(\[](.*)[)\]]", form)
    parts, depth = [""], 0
    for character in tuple_[1] if tuple_ else form:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _with_both_signs(form: str) -> str:
    """Return ``form`` with ``2 \\pm 1`` written as ``2 + 1, 2 - 1``."""
    return re.sub(
        r"[^,]*\\pm(?![a-z])[^,]*", lambda value: ",".join(value[0].replace("\\pm", sign) for sign in "+-"), form
    )


def _values_by_name(form: str) -> list[str] | None:
    """Return the values of ``x = 2, y = 3`` in the order of the names, or None: it gives none, or one name twice."""
    named = [_ONE_NAMED.fullmatch(part) for part in _values(form.replace("\\text{ and }", ",").replace(" and ", ","))]
    values = {match["name"]: match["value"] for match in named if match}
    if len(values) < 2 or len(values) < len(named):
        return None
    return [values[name] for name in sorted(values)]


def _text(form: str) -> str:
    text = re.sub(r"(?<!\d) | (?!\d)", "", " ".join(without_wrapping(form).split()))
    # x and X are the same name here, but not \pi and \Pi.
    text = re.sub(r"\\?[a-zA-Z]+", lambda word: word[0] if word[0].startswith("\\") else word[0].lower(), text)
    option = re.fullmatch(r"\(?([a-z])\)?[.:]?", text)
    return option[1] if option else text


def _decided(answer: str, gold: str) -> bool | None:
    """Return the verdict where Math-Verify is not to be asked, or None."""
    number, gold_number = whole_number(answer, strict=True), whole_number(gold, strict=True)
    if number is not None and gold_number is not None:
        return numbers_equal(number, gold_number)
    bases = [_BASE.fullmatch(text.replace(" ", "")) for text in (answer, gold)]
    if any(bases):
        (digits, base), (gold_digits, gold_base) = (
            (match[1], match[2]) if match else (text, "") for match, text in zip(bases, (answer, gold), strict=True)
        )
        return digits == gold_digits and (not base or not gold_base or base == gold_base)
    texts = [_text(answer), _text(gold)]
    if texts[0] != texts[1] and texts[0].lower() == texts[1].lower():  # \pi and \Pi, which Math-Verify takes for one
        return False
    # Math-Verify passes over primes and over brackets around one value.
    bracketed = answer.startswith("[") != gold.startswith("[") and "," not in answer + gold
    if bracketed or answer.count("'") != gold.count("'"):
        return False
    words = [_is_words(text) for text in (answer, gold)]
    if any(words) or any(_TIME.fullmatch(text) or _APART.fullmatch(text) for text in (answer, gold)):
        return False
    brackets = [_brackets(text) for text in (answer, gold)]
    if all(brackets) and brackets[0] != brackets[1]:  # a point, a set, intervals that are open or closed
        return False
    if bool(_TUPLE.fullmatch(answer)) != bool(_TUPLE.fullmatch(gold)) and any(map(_LIST.fullmatch, (answer, gold))):
        return False
    return None


def _brackets(form: str) -> str:
    """Return the brackets around ``form`` where they are one pair around several values, or ''."""
    form = form.strip()
    outer = form[:1] + form[-1:] if not form.startswith("\\{") else form[:2] + form[-2:]
    inside = form[len(outer) // 2 : -(len(outer) // 2)]
    if outer not in ("()", "[]", "(]", "[)", "\\{\\}") or "," not in inside or re.search(r"[\[\]()]|\\[{}]", inside):
        return ""
    return outer


def _is_words(form: str) -> bool:
    text = without_wrapping(form).strip()
    # A few small letters are a product, unless they are marked as text.
    if _CAPITALS.fullmatch(text) or (_WORDS.fullmatch(text) and (len(text) > 3 or text != form or not text.islower())):
        return True
    return len(_WORD.findall(_COMMAND.sub(" ", text))) > 3


def numbers_equal(answer: Number, gold: Number) -> bool:
    """Return whether two numbers are equal: exactly, but where one is written with decimals by its last digits."""
    if answer.value == gold.value:
        return True
    difference = abs(answer.value - gold.value)
    # 4.33 is 13/3 to two places. One place would make 0.46 an 0.5, and one digit 0.009 a 0.01.
    places = gold.places
    if places > 1 and len((gold.written or "").lstrip("-0.").replace(".", "")) > 1:
        return difference <= Fraction(1, 2 * 10**places)
    places = max(answer.places, places)
    return places > 0 and difference <= min(abs(gold.value) * _RELATIVE_NOISE, Fraction(1, 10**places))
