"""Where a text states its answer, whatever form it takes: what the robust rules read."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.math_text import last_boxed

# A model that does not stop goes on with a question of its own; what follows is no longer about the one that was asked.
_NEXT_QUESTION = re.compile(
    r"(?<=\S)\s*\n\W*(?:question|problem|instruction|user|human|q)(?:\s*\d+)?\s*:|(?<=\S)\s*\n#+ Instruction",
    re.IGNORECASE,
)
_HASH = re.compile(r"####[ \t]*(\S[^\n]*)")
_STATED = re.compile(
    r"\banswer\b[ \t*]*(?:(?:is|are|was)\b(?:\s*(?:that|therefore|thus|simply|equal to)\b)?|[:=]|\n)+[\s*]*:?|^\W*A:",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n")
_ANNOTATION = re.compile(r"<<[^<>]*>>")
# Bold, as chat models write a result: "**$18**", "**18 eggs**"; but not "**4. Total**", which is a heading.
_BOLD = re.compile(r"\*\*\s*([-$£€]*\s?\d(?![\d,]*\.\s)[^*\n]*)\*\*")
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+?)(?<!\\)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)


def about_the_question(text: str) -> str:
    """Return ``text`` up to where it begins another question, without calculator annotations (``<<1+2=3>>``)."""
    # As in the authors' script, what follows the first NUL character is not part of the generation.
    text = text.split("\0", maxsplit=1)[0]
    return _ANNOTATION.sub("", _NEXT_QUESTION.split(text, maxsplit=1)[0])


def stated_answer(text: str) -> str | None:
    r"""Return the passage of ``text`` that says which answer it gives, or None when it does not say.

    In this order: the last ``\boxed{}``, the line of the first ``####``, the sentence after the last ``answer is``,
    ``Answer:`` or ``A:``.
    """
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed.strip() or None
    line = _HASH.search(text)
    if line is not None:
        return line[1].strip()
    marks = list(_STATED.finditer(text))
    for mark in reversed(marks):
        after = text[mark.end() :].strip().lstrip("*: ")
        passage = _SENTENCE_END.split(after, maxsplit=1)[0].strip()
        if passage:
            return passage
    return None


def bold_result(text: str) -> str | None:
    """Return the last bold passage that begins with a number, in the last paragraph of ``text``, or None."""
    passages = _BOLD.findall(text.strip().rpartition("\n\n")[2])
    return passages[-1] if passages else None


def formulas(text: str) -> list[str]:
    """Return what the formulas of ``text`` hold, between dollars or LaTeX's brackets, in order, without empty ones."""
    formulas = ("".join(groups).strip() for groups in _FORMULA.findall(text))
    return [formula for formula in formulas if formula]
