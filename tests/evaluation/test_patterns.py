"""The rules' regular expressions mean the same in every Python that the package is for."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from axolotl_cotmask.evaluation import answers

MODULES = [
    answers.__name__,
    *(f"{answers.__name__}.{module.name}" for module in pkgutil.iter_modules(answers.__path__)),
]
ONE_CHARACTER = (_constants.IN, _constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY)


def patterns(name: str) -> list[re.Pattern[str]]:
    if name.endswith("verifier_process"):
        # It is a program.
        return []
    return list(held(list(vars(importlib.import_module(name)).values())))


def held(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from held(one)


def is_one_character(part: Any) -> bool:
    return len(part) == 1 and part[0][0] in ONE_CHARACTER


def possessive_groups(part: Any) -> Iterator[str]:
    """Python before 3.11.5 matches them wrongly (gh-106052); of one character they are right."""
    if isinstance(part, _parser.SubPattern):
        for operation, arguments in part:
            if operation is _constants.ATOMIC_GROUP:
                yield "an atomic group"
            elif operation is _constants.POSSESSIVE_REPEAT and not is_one_character(arguments[2]):
                yield "a possessive group"
            yield from possessive_groups(arguments)
    elif isinstance(part, (list, tuple)):
        for one in part:
            yield from possessive_groups(one)


@pytest.mark.parametrize("name", MODULES)
def test_they_mean_the_same_in_every_python(name: str) -> None:
    for pattern in patterns(name):
        assert not list(possessive_groups(_parser.parse(pattern.pattern, pattern.flags))), pattern.pattern


def test_such_groups_would_be_found() -> None:
    assert list(possessive_groups(_parser.parse(r"a(?:b\d++|(?:,\d)*+)c"))) == ["a possessive group"]
    assert list(possessive_groups(_parser.parse(r"a(?>b+)\d++[x-z]*+"))) == ["an atomic group"]
    assert sum(len(patterns(name)) for name in MODULES) > 50
