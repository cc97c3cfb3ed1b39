"""What a user can mend, and how it reaches them: one sentence, no traceback."""

from __future__ import annotations

from collections.abc import Callable
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
