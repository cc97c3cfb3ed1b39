"""What a user can mend, and how it reaches them: one sentence, no traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


#: Characters of a sentence: of a longer one the middle is left out, since the place stands at its beginning and the
#: mend at its end.
_LONGEST = 1000


class CoTMaskError(ValueError):
    """A config, a data row or a file that the user can mend; its text names the place and the mend in one sentence.

    Whatever values it holds, it stays one line, of at most 1,000 characters, which a terminal shows as it is.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def one_line(text: str) -> str:
    """Return a text on one line: without the middle where it is long, and with escapes for what cannot be printed."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[: half - 3]} ... {line[2 - half :]}"


#: Where something stands in a config: keys, and numbers of list elements, from the top; () is the whole.
Key = tuple[str | int, ...]


def key_name(key: Key) -> str:
    """Return how a sentence calls a place of a config, such as ``datasets[0].noise``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a config: where, and the sentence that says what, and the mend."""

    key: Key
    sentence: str


def one_sentence(function: Callable[P, T]) -> Callable[P, T]:
    """Make ``function`` end the process with the sentence of a CoTMaskError instead of a traceback.

    For the functions that Axolotl calls. SystemExit passes through Axolotl's broad ``except Exception`` clauses, so
    that nothing swallows it.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except CoTMaskError as error:
            # The new line takes the sentence off the end of a progress bar.
            raise SystemExit(f"\naxolotl-cotmask: {error}") from None

    return wrapper


def shown(value: Any) -> str:
    """Return how a sentence shows a value of a config: as YAML writes it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) if str(value).strip() else repr(value)


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about ``name``: the nearest of the ``known`` names, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {near[0]}?" if near else f": the options are {', '.join(known)}"


def reason(detail: Mapping[str, Any]) -> str:
    """Return what an entry of a pydantic error's ``errors()`` says of its value, as the end of a sentence."""
    value = detail["input"]
    if detail["type"] in ("literal_error", "enum") and isinstance(value, str):
        return closest(value, re.findall("'([^']*)'", detail["ctx"]["expected"])).removeprefix(": ")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    return str(message[:1].lower() + message[1:])
