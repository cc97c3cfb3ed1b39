r"""LaTeX answers in one form to compare them: brackets of fractions and roots, spacing, names, units."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.plain import plain
from axolotl_cotmask.evaluation.answers.quantity import GROUPS, LOOKS

_DISPLAYED = re.compile(r"\s*(?:\$\$?|\\\[|\\\()\s*(.*?)\s*(?:\$?\$|\\\]|\\\))\s*", re.DOTALL)
_BOXED = re.compile(r"\s*\\boxed ?\{(.*)\}\s*", re.DOTALL)
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (GROUPS.pattern, ","),
        (r"(?<=\d) (?=\d{3}(?!\d))", ","),
        (r"\\left(?![a-z])|\\right(?![a-z])|\\!|\\displaystyle|\\[bB]igg?[lr]?(?![a-z])", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad", " "),
        (r"\\[dtc]frac", r"\\frac"),
        (r"(\\(?:text|mathrm) ?\{ ?[a-zA-Z]{1,12}) ?\} ?/ ?\\(?:text|mathrm) ?\{ ?(?=[a-zA-Z])", r"\1/"),
        (r"\\frac ?(\d) ?(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac ?(\d) ?\{", r"\\frac{\1}{"),
        (r"\A\s*\\text ?\{[^{}\d]{0,80}(?:\bis|\bare|:)\s*\}(?=\s*[-\d\\(a-z])", ""),
        (r"(?<![\\a-zA-Z])sqrt ?\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\a-zA-Z])sqrt ?(?=[\d{])", r"\\sqrt"),
        (r"\\sqrt ?(\d)", r"\\sqrt{\1}"),
        (r"√ ?(\d+)", r"\\sqrt{\1}"),
        (r"√", r"\\sqrt"),
        (r"\^ ?\{? ?(?:\\circ|\\degree) ?\}?|°|\\degree", r"^\\circ "),
        (r"\*\*", "^"),
        (r"[×]|(?<=[\w)}])\*(?=[\w(\\{])", r"\\cdot "),
        (r"·", r"\\cdot "),
        (r"÷", r"\\div "),
        (r"∞|(?<![\\a-zA-Z])(?:infinity|infty|inf)(?![a-zA-Z])", r"\\infty "),
        (r"π|(?<![\\a-zA-Z])pi(?![a-zA-Z])", r"\\pi "),
        (r"θ|(?<![\\a-zA-Z])theta(?![a-zA-Z])", r"\\theta "),
        (r"≤|<=", r"\\le "),
        (r"≥|>=", r"\\ge "),
        (r"≠|!=", r"\\ne "),
        (r"∪", r"\\cup "),
        (r"∩", r"\\cap "),
        (r"∈", r"\\in "),
        (r"∅|\\varnothing(?![a-z])", r"\\emptyset "),
        (r"±", r"\\pm "),
        (r"\A\\(?:math|bold)[a-z]{2,8} ?\{ ?([a-zA-Z]) ?\} ?(?==)", r"\1 "),
    )
)
_ALIGNED = re.compile(r"\\begin\{(?:aligned?|align\*|split|gathered)\}([^{}]*)\\end\{[a-z*]{4,8}\}")
_WRAPPED = re.compile(rf"\\(?:{LOOKS}|operatorname|emph)\*? ?\{{([^{{}}]*)\}}")
_UNIT = re.compile(
    rf"\s*(?:\\(?:{LOOKS})"
    r" ?\{ ?(?P<latex>[a-zA-Z%°][^{}\d,]*)\}"
    r"(?P<power>\^ ?\{?-?[1-4]\}?)?"
    r"|(?P<words>(?: ?[ap]\.?m(?![a-z])|(?: [a-zA-Z]{2,20}(?:\^\{?[23]\}?)?){1,8}))"
    r"|(?<=[\d}])(?P<attached>(?:cm|mm|km|kg|ml|mph|deg|degrees)(?:\^\{?[23]\}?)?)"
    r"|(?P<modulus>\\pmod ?\{?\d+\}?|\(?\\(?:mod|bmod) ?\d+\)?)"
    r"|(?P<degree>\^\\circ)|(?P<percent>\\?%))[\s.]*$"
)
_CURRENCY = re.compile(r"^(-?)\s*(?:\\?\$|€|£)\s*(?=-?[\d.])")
_NOT_UNITS = frozenset(
    ("and", "or", "to", "pi", "theta", "sqrt", "if", "for", "is", "million", "billion", "thousand", "hundred", "dozen")
)
#: Units that are known, by their names: two that are known and differ are different answers.
_SAME = (
    ("degrees", "degree", "deg", "^\\circ"),
    ("%", "percent"),
    ("$", "dollars", "dollar", "usd"),
    ("cents", "cent", "¢"),
    ("€", "euros", "euro"),
    ("£", "pounds", "pound", "lbs", "lb"),
    ("mm", "millimeters", "millimeter"),
    ("cm", "centimeters", "centimeter"),
    ("m", "meters", "meter", "metres", "metre"),
    ("km", "kilometers", "kilometer", "kilometres"),
    ("in", "inches", "inch"),
    ("ft", "feet", "foot"),
    ("yd", "yards", "yard"),
    ("mi", "miles", "mile"),
    ("g", "grams", "gram"),
    ("kg", "kilograms", "kilogram"),
    ("oz", "ounces", "ounce"),
    ("ml", "milliliters", "milliliter"),
    ("l", "liters", "liter", "litres"),
    ("s", "sec", "seconds", "second"),
    ("min", "minutes", "minute"),
    ("h", "hr", "hrs", "hours", "hour"),
    ("days", "day"),
    ("weeks", "week"),
    ("months", "month"),
    ("years", "year"),
    ("am", "a.m.", "a.m"),
    ("pm", "p.m.", "p.m"),
    ("mph", "miles per hour"),
    ("radians", "radian", "rad"),
)
_POWERS = {"square": "2", "sq": "2", "sq.": "2", "cubic": "3", "cu": "3", "cu.": "3"}
_NAMES = {name: names[0] for names in _SAME for name in names}


def latex_form(text: str) -> str:
    r"""Return ``text`` without delimiters and ``\boxed``, with one spelling of what LaTeX spells in several ways."""
    text = plain(text).strip().rstrip(".").strip().removesuffix("\\")
    displayed = _DISPLAYED.fullmatch(text)
    if displayed is not None and not re.search(r"\$|\\\(|\\\[", displayed[1].replace("\\$", "")):
        text = displayed[1]
    boxed = _BOXED.fullmatch(text)
    text = boxed[1] if boxed is not None else text
    for pattern, new in _REPLACED:
        text = pattern.sub(new, text)
    return _ALIGNED.sub(_last_line, text).strip()


def _last_line(aligned: re.Match[str]) -> str:
    """Return the value that lines of one calculation come to, as they stand where they are several."""
    first, *lines = aligned[1].replace("&", "").split("\\\\")
    if not lines or not all(line.strip().startswith("=") for line in lines):
        return aligned.group()
    return first.partition("=")[0] + lines[-1].strip()


def split_unit(text: str) -> tuple[str, str]:
    """Return `latex_form` text without the unit behind it or the currency before it, and the unit's one name or ''."""
    currency = _CURRENCY.match(text)
    if currency is not None:
        return currency[1] + text[currency.end() :], _NAMES.get("$", "") if "$" in currency.group() else "€"
    whole = _WRAPPED.fullmatch(text)
    if whole is not None and re.match(r"\s*\\?\$?[-\d.]", whole[1]):
        text = whole[1].strip()
    unit = _UNIT.search(text)
    if unit is None or not unit.start() or not re.search(r"[\d}]", text[: unit.start()]):
        return text, ""
    if unit["modulus"]:
        return text[: unit.start()].rstrip(), "mod " + re.sub(r"\D", "", unit["modulus"])
    name = next(
        name for name in (unit["latex"], unit["words"], unit["attached"], unit["degree"], unit["percent"]) if name
    )
    words = name.lower().replace("\\", "" if "%" in name else "\\").split()
    if _NOT_UNITS & set(words):
        return text, ""
    return text[: unit.start()].rstrip(), _one_name(words, unit["power"] or "")


def _one_name(words: list[str], power: str) -> str:
    """Return the one name of a known unit, with its power: ``cm^3`` of ``cubic centimeters``; or ''."""
    power = power.strip("^{ }")
    if words[0] in _POWERS:
        power, words = _POWERS[words[0]], words[1:]
    elif words[-1][-1] in "23":
        name, _, power = words[-1].rstrip("}").rpartition("^")
        power, words = power.strip("{"), [*words[:-1], name]
    names = [_NAMES.get(part, "") for part in " ".join(words).replace(" per ", "/").split("/")]
    name = "/".join(names) if all(names) else _NAMES.get(" ".join(words), "")
    return f"{name}^{power}" if name and power else name


def without_wrapping(text: str) -> str:
    r"""Return ``text`` without ``\text{}`` and the like around its words."""
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    return text
