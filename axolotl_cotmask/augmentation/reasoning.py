"""Reasoning before an answer: whether a text has it, and the text without."""

from __future__ import annotations

import re

#: Fewer words before the answer are no reasoning, such as "So the answer is (B)."
FEWEST_WORDS = 5

_ANSWER_BEGINS = re.compile(r"####|\\boxed|\b(?:the )?(?:final |correct )?answer(?: is\b|:)", re.IGNORECASE)


def has_reasoning(text: str) -> bool:
    """Tell whether an equation or at least `FEWEST_WORDS` stand before the answer.

    The answer begins at ``####``, a box, ``answer is`` or ``answer:``; in a text without these all of it counts.
    """
    mark = _ANSWER_BEGINS.search(text)
    return is_reasoning(text[: mark.start() if mark else None])


def is_reasoning(before: str) -> bool:
    """Tell whether what stands ``before`` an answer has an equation or at least `FEWEST_WORDS`."""
    return "=" in before or len(before.split()) >= FEWEST_WORDS


def states_answer(text: str) -> bool:
    """Tell whether an answer begins in a text, by ``####``, a box, ``answer is`` or ``answer:``."""
    return _ANSWER_BEGINS.search(text) is not None


def is_answer_alone(text: str) -> bool:
    """Tell whether a text is an answer on one line, without reasoning before it and without an equation behind."""
    return "=" not in text and "\n" not in text.strip() and not has_reasoning(text)


def without_reasoning(text: str) -> str | None:
    """Return the answer of ``text`` alone, such as ``#### 7``; None where it has no beginning, or stands in a box."""
    mark = _ANSWER_BEGINS.search(text)
    return text[mark.start() :].strip() if mark is not None and mark[0] != "\\boxed" else None
