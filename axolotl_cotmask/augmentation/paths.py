"""Which reasoning paths rejection sampling keeps (Yuan et al., arXiv 2308.01825, section 3.3 and Algorithm 1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from axolotl_cotmask.evaluation.answers import Judgement, Rule
from axolotl_cotmask.evaluation.answers.annotations import ANNOTATION, arithmetic_value

#: How far a step's result may be from its arithmetic.
TOLERANCE = Fraction(1, 1000)

_SPACE = re.compile(r"\s")


class Fault(StrEnum):
    """Why a sampled path is thrown away."""

    NO_ANSWER = "no answer can be read"
    WRONG_ANSWER = "wrong answer"
    UNREADABLE_EQUATION = "an equation <<a=b>> that is no arithmetic"
    WRONG_EQUATION = "an equation <<a=b>> that is wrong"


def find_fault(path: str, gold: str, rule: Rule) -> Fault | None:
    """Return why a path is thrown away, or None: its answer is right, and each of its ``<<a=b>>`` is.

    A path without any annotation passes. What Python's arithmetic does not read, such as ``<<$5*2=10>>``, is thrown
    away, as it is by the authors' ``eval``; nothing is run here.

    Raises:
        CoTMaskError: the rule reads no answer from ``gold``.
    """
    judgement = rule.judge(path, gold)
    if judgement is not Judgement.TRUE:
        return Fault.NO_ANSWER if judgement is Judgement.INVALID else Fault.WRONG_ANSWER
    annotations = ANNOTATION.findall(path)
    # Brackets that belong to no annotation: one that is not closed, or within another.
    if path.count("<<") != len(annotations):
        return Fault.UNREADABLE_EQUATION
    verdicts = [_holds(annotation) for annotation in annotations]
    if None in verdicts:
        return Fault.UNREADABLE_EQUATION
    return None if all(verdicts) else Fault.WRONG_EQUATION


@lru_cache(maxsize=1 << 16)
def _holds(annotation: str) -> bool | None:
    """Return whether the first two parts between equals signs are within `TOLERANCE`; None where one is unreadable."""
    parts = annotation.split("=")
    if len(parts) < 2:
        return None
    value, stated = arithmetic_value(parts[0]), arithmetic_value(parts[1])
    return None if value is None or stated is None else abs(value - stated) < TOLERANCE


def equation_list(path: str) -> str:
    """Return what two paths must have alike to be the same: their annotations in order, without white space.

    The order of operands and of equations counts.
    """
    return "|".join(_SPACE.sub("", annotation) for annotation in ANNOTATION.findall(path))


def farthest_paths(paths: Iterable[str]) -> list[str]:
    """Return one path per equation list, sorted.

    Of two with the same list stays the one whose edit distances to the others that are kept so far have the larger sum
    (Algorithm 1). That depends on the order of the paths, and the paper gives none: here they come in the order of
    their texts, so that the same paths always give the same result.
    """
    kept: dict[str, str] = {}
    for path in sorted(set(paths)):
        key = equation_list(path)
        others = [other for other_key, other in kept.items() if other_key != key]
        if key not in kept or _distance(path, others) > _distance(kept[key], others):
            kept[key] = path
    return sorted(kept.values())


def _distance(path: str, others: Collection[str]) -> int:
    return sum(Levenshtein.distance(path, other) for other in others)
