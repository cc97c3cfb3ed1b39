"""Calculator annotations of GSM8K's solutions, such as ``<<16-3-4=9>>``, and the value of their arithmetic."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable
from fractions import Fraction

#: An annotation; its group is what stands between the brackets.
ANNOTATION = re.compile(r"<<([^<>]*)>>")

_LONGEST = 200  # characters of an expression; what is longer is no step
_MAX_BITS = 4096  # of a power
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}


def arithmetic_value(text: str) -> Fraction | None:
    """Return the exact value of an expression in Python's arithmetic; None where it is none, or divides by zero.

    Numbers, brackets, signs, ``+ - * / // %`` and whole powers are read, never run.
    """
    if len(text) > _LONGEST:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # such as for ``1if``
            tree = ast.parse(text.strip(), mode="eval")
        return _of_node(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _of_node(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return Fraction(str(node.value))
        case ast.UnaryOp(op=ast.USub()):
            return -_of_node(node.operand)
        case ast.UnaryOp(op=ast.UAdd()):
            return _of_node(node.operand)
        case ast.BinOp(op=ast.Pow()):
            return _power(_of_node(node.left), _of_node(node.right))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_of_node(node.left), _of_node(node.right))
    raise ValueError("no arithmetic")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or bits * abs(exponent) > _MAX_BITS:
        raise ValueError("no power of a step")
    return Fraction(base ** int(exponent))
