"""The process behind `evaluation.answers.verifier`: ``[answer, gold, seconds]`` in, ``equal`` or ``unequal`` out.

Both are lines, of JSON and of text. A request that takes more seconds of computing time ends the process.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from typing import Any

#: Bytes of address space; an expression that needs more ends the process.
MEMORY_LIMIT = 4 * 2**30

_DIGITS = 30
# Decimals are read as floats; what has none must agree in all digits but the last ones.
_NOISE = 1e-9


def main() -> None:
    """Answer requests until the input ends."""
    # Whatever a library prints must not be read as a reply.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    import math_verify  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    print("ready", file=replies)
    for line in sys.stdin:
        answer, gold, seconds = json.loads(line)
        # The signal's own action ends the process, also in the middle of arithmetic, which would hold up a handler.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            reply = "equal" if _equal(answer, gold) else "unequal"
        except Exception:  # whatever a parser or computer algebra meets: the answers were not found equal
            reply = "unequal"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(reply, file=replies)


def _equal(answer: str, gold: str) -> bool:
    from math_verify import LatexExtractionConfig, parse, verify

    parsed, parsed_gold = (
        parse(f"${text}$", extraction_config=[LatexExtractionConfig()], parsing_timeout=None) for text in (answer, gold)
    )
    try:
        close = _close(parsed[0], parsed_gold[0])
    except Exception:  # no number after all: Math-Verify says what it is
        close = None
    return (
        close
        if close is not None
        else bool(verify(parsed_gold, parsed, allow_set_relation_comp=True, timeout_seconds=None))
    )


def _close(answer: Any, gold: Any) -> bool | None:
    """Return whether two expressions agree in their digits, or None where they are no numbers and do not disagree.

    Math-Verify compares up to an absolute error, so that small values are all equal to it, and takes ``i`` for a name.
    """
    from sympy import Expr, I, MatrixBase, MatrixExpr, Rational, UnevaluatedExpr

    both = (answer, gold)
    if not all(isinstance(value, Expr) and not isinstance(value, MatrixBase | MatrixExpr) for value in both):
        return None
    if any(value.has(UnevaluatedExpr) for value in both):  # a percentage
        return None
    names = {symbol for value in both for symbol in value.free_symbols if symbol.name != "i"}
    # Any value does: what is equal is equal there too.
    values = {name: Rational(sum(map(ord, name.name)) * 7919 % 1009 + 1, 503) for name in names}
    values |= {symbol: I for value in both for symbol in value.free_symbols - names}
    first, second = (value.doit().subs(values).evalf(_DIGITS) for value in both)
    if not (first.is_number and second.is_number and first.is_finite and second.is_finite):
        return None
    agree = bool(abs(first - second) <= max(abs(first), abs(second)) * _NOISE)
    return None if agree and names else agree


if __name__ == "__main__":
    main()
