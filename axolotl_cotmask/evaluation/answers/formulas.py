"""Formulas in a text: what stands between dollars or LaTeX's brackets."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.quantity import LIMIT, breaks_off

_DELIMITER = re.compile(r"(?<!\\)\$\$?|\\[\[\](){1}]")
_CLOSING = {"$": "$", "$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_WORDS = re.compile(r"(?<![\\a-zA-Z{])[a-z]{3,}(?![a-zA-Z{(])")
_DIGIT = re.compile(r"\d")
_LEAD = re.compile(r"(?:[a-zA-Z'-]{1,20}[ ,:]{1,2}){0,8}\W{0,2}$")
_JOINT = re.compile(r"[\s,]{0,3}(?:and|or|,)?[\s,]{0,3}(?:[a-z] ?= ?)?")
_CIRCUMSTANCE = re.compile(
    r"[ ,(]{1,3}(?:[a-z]{1,15} ){0,3}(?:at(?! least| most)|when|where|for|if|since|because|with|given)"
    r" (?:(?:divided by|all|every|each|any|some|real|integers?|positive) ){0,4}"
)
_REJECTS = re.compile(
    r"\b(?:not|instead of|rather than|unlike|except|excluding|than|as (?:many|much) as|compared (?:to"
    r"|with)|of which|divisible by)\s\Z"
    r"|\b(?:reject|discard|exclud|except"
    r"|disregard|ignor|rule out|ruling out)\w*[^.,;\n]{0,30}\Z",
    re.IGNORECASE,
)
_MULTIPLE = re.compile(r"\b(?:times|twice|half|double|triple)\s\Z", re.IGNORECASE)
_REJECTED = re.compile(
    r" (?:cannot|can't|can not) be\b"
    r"|[^.$\\\n]{0,20}\b(?:extraneous|rejected|discarded|impossible|invalid|not (?:valid|allowed|possible|a solution)"
    r"|(?:does not|doesn't)(?: work| satisfy|(?=\W*\Z)))"
)
# "$x = 3$ is the only solution in $[0, 5]$".
_WITHIN = re.compile(r" (?:[a-z]{1,15} ){0,6}(?:in|on|over) (?:the interval )?")
# Of which things a result is the number, as in: there are $6$ sums of the $4$ dice.
_OF_THE = re.compile(r" (?:[a-z]{1,15} ){1,4}(?:of|for|among|with|from) (?:the|all|these|those) ")
_LETTER = re.compile(r"[a-zA-Z]")
_RELATION = re.compile(r"[<>]|\\(?:[lg](?:e|t|eq)q?|neq?|in|equiv|cong|sim|perp|parallel)(?![a-z])")
_BOUND = re.compile(r"[<>]|\\[lg](?:e|eq|t)(?:slant)?(?![a-z])")
_EITHER = re.compile(r",? or ")
_AND = re.compile(r",? (?:and|or) |, ")
_CLAUSE = re.compile(
    r"[,:]?\s(?:because|since|where|when|if|which|given|so|but|after|although|while|thus|therefore|hence"
    r"|giving|making)\b"
    r"|[,:]?\sas (?!the\b)|(?<!\\);\s|\s\((?=[a-zA-Z]{2})|\s[-—]+\s(?=[a-zA-Z]{2})"
)
_GOES_ON = re.compile(r"\s(?:plus|minus|times|divided by)\b")
_WHICH_IS = re.compile(r"\b(?:i\.e\.,?|which (?:is|equals|gives|makes)|that is,)\s(?=[^\n]{0,40}[\d$\\])")
_NAME_IS = re.compile(r"(?:[a-zA-Z'-]{1,20} ){1,8}(?:is|are|equals) (?=[-\d$\\])")
# An expression in plain characters: operators, names of a letter, roots.
_EXPRESSION = re.compile(
    r"(?:\b(?:is|are|equals)|[=:])\s++((?=[^a-z\n]{0,80}[a-z√π(])(?:(?:sqrt|pi|sin|cos|tan|log|ln"
    r"|[a-zA-Z0-9])(?![a-zA-Z]{2})"
    r"|[-+*/^()√π_{}., ]|\d){1,80})[*_.!\"]{0,4}\Z"
)
# The label of an option before its value.
_OPTION = re.compile(
    r"(?:\\(?:text|mathrm|mathbf)(?:bf|rm)?\{\(?[A-E][).:]\s*\}|\([A-E]\)(?=\s|\\))\s*(?:\\[ ,;])?\s*(?=\S)"
)
# "not 7 but 8".
_DENIED = re.compile(r"not (?:[^\n]{1,60}?(?P<but>,? (?:but|rather) (?:rather )?)|(?=[$\\\d]))")
_SPACE_AROUND = re.compile(r"\A(?:\s|\\[,;:!]){1,12}|(?:\s|\\[,;:!]){1,12}\Z")
_ENDS = (".", ",", ";", ":", "**", "*", "`", '"', "}")


def formula_in(passage: str) -> str | None:
    """Return the answer that a stated passage gives: its formula, several that are joined as a list, or its words."""
    passage = _SPACE_AROUND.sub("", passage.strip()).strip()
    passage = passage[option.end() :] if (option := _OPTION.match(passage)) else passage
    if denied := _DENIED.match(passage):
        return formula_in(passage[denied.end() :]) if denied["but"] else None
    if len(passage) > LIMIT:
        return passage
    found = formulas(passage)
    if found and _LEAD.fullmatch(passage[: found[0][0]]):
        held = [found[0][2]]
        end = found[0][1]
        for begin, after, formula in found[1:]:
            between = passage[end:begin]
            if not _JOINT.fullmatch(between) or not between.strip():
                break
            end = after
            # "$\\frac{1}{2}$, or $50\\%$" is one value.
            if not formula.endswith("%") or held[0].endswith("%"):
                held.append(formula)
        if _GOES_ON.match(passage, end):  # "$120$ minus the 20 bad ones, i.e. $100$"
            result = _WHICH_IS.search(passage, end)
            return formula_in(passage[result.end() :]) if result else passage
        # "$5$ million": a formula with words behind it is read with them.
        rest = re.match(r" (?:hundred|thousand|million|billion|trillion|dozen)\b", passage[end:])
        return ", ".join(held) + (rest.group() if rest else "")
    clause = _CLAUSE.search(passage)
    head = (passage[: clause.start()] if clause else passage).strip()
    name = _NAME_IS.match(head)
    head = head[name.end() :] if name else head
    while head.endswith(_ENDS) and not (head.endswith("}") and head.count("{") >= head.count("}")):
        head = head[:-1].rstrip()
    return None if not head or breaks_off(head) else head


def last_formula(text: str) -> str | None:
    """Return the last formula of ``text``, or None where it has none or a number stands behind one that has none.

    All of ``text`` where it only says what the answer is not.
    """
    found = formulas(text)
    if not found or breaks_off(text):
        return None
    if _DIGIT.search(text, found[-1][1]) and not _DIGIT.search(found[-1][2]):
        return None
    # Where something is attained, as in: the greatest value is $5$, attained at $x = 1$.
    place = len(found) - 1
    while place > 0:
        between = text[found[place - 1][1] : found[place][0]]
        inside = _WITHIN.fullmatch(between) is not None and "=" in found[place - 1][2]
        inside = inside or ("=" in found[place - 1][2] and _OF_THE.fullmatch(between) is not None)
        inside = inside or (between.strip() == "as" and "\\to" in found[place][2])
        if inside or _CIRCUMSTANCE.fullmatch(between):
            del found[place:]
        elif between.strip() != "and":
            break
        place -= 1
    while found and (
        _REJECTS.search(text, max(0, found[-1][0] - 60), found[-1][0]) or _REJECTED.match(text, found[-1][1])
    ):
        found.pop()
    # What it is not, or a multiple of: no answer is left to read.
    if not found or _MULTIPLE.search(text, max(0, found[-1][0] - 20), found[-1][0]):
        return text
    begin, _, formula = found[-1]
    held, joint = [formula], ", "
    # Several that are one answer, as in: the solutions are $x = 2$ and $x = 3$.
    for first, after, other in reversed(found[:-1]):
        names = [_name(other), _name(formula)]
        same = names[0] == names[1] is not None or all(name is not None and _LETTER.fullmatch(name) for name in names)
        either = _EITHER.fullmatch(text, after, begin) is not None and _is_bound(other) and _is_bound(formula)
        if not _AND.fullmatch(text, after, begin) or not (same or either):
            break
        joint = " or " if either else joint
        held.insert(0, other)
        begin = first
    return joint.join(held)


def value_of(text: str, name: str) -> str | None:
    """Return the formula by which the last sentence of ``text`` gives ``name`` its value: of ``$x = 5$ and $y = 3$``.

    None where it does not, or where it ends on another formula than the value of a name.
    """
    held = [formula for _, _, formula in formulas(text.rstrip().rpartition("\n")[2].rpartition(". ")[2])]
    if not held or _LETTER.fullmatch(_name(held[-1]) or "") is None:
        return None
    return next((formula for formula in reversed(held) if _name(formula) == name), None)


def plain_expression(text: str) -> str | None:
    """Return what a text without formulas ends on behind ``is`` or ``=``, where it is more than a number."""
    found = _EXPRESSION.search(text.rstrip().rpartition("\n")[2][-LIMIT:])
    return None if found is None or breaks_off(found[1]) else found[1].rstrip(" .*_")


def _is_bound(formula: str) -> bool:
    return _BOUND.search(formula) is not None


def _name(formula: str) -> str | None:
    """Return the ``x`` of ``x = 2``, nothing for a value, or None for another relation."""
    name, equals, _ = formula.partition("=")
    return None if _RELATION.search(formula) else name.strip() if equals else ""


def formulas(text: str) -> list[tuple[int, int, str]]:
    r"""Return where each formula of ``text`` begins and ends, and what it holds: not what stands between two prices."""
    found: list[tuple[int, int, str]] = []
    opened: re.Match[str] | None = None
    for mark in _DELIMITER.finditer(text):
        if opened is not None and mark.group() == _CLOSING.get(opened.group()):
            held = text[opened.end() : mark.start()]
            if _is_formula(held, text[mark.end() : mark.end() + 1], opened.group()):
                if held.strip():
                    found.append((opened.start(), mark.end(), held.strip()))
                opened = None
                continue
        if mark.group() in _CLOSING:
            opened = mark
    return found


def _is_formula(held: str, following: str, delimiter: str) -> bool:
    if delimiter != "$":
        return True
    return not (following.isdigit() or (held != held.rstrip() and _WORDS.search(held[-LIMIT:])) or "\n\n" in held)
