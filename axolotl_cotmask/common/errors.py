"""What a user can mend, and how it reaches them: one sentence, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CoTMaskError(ValueError):
    """A config, a data row or a file that the user can mend; its text names the place and the mend in one sentence."""


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


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about ``name``: the nearest of the ``known`` names, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {near[0]}?" if near else f": the options are {', '.join(known)}"
