"""What a teacher is asked, and what is read from its replies.

The requirements on a new question follow LLM2LLM's released prompt in our own words (github SqueezeAILab/LLM2LLM, MIT).
As there, the teacher does not see what the student wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from axolotl_cotmask.augmentation.forms import FORMS
from axolotl_cotmask.augmentation.hard import HardExample
from axolotl_cotmask.augmentation.samples import Asked
from axolotl_cotmask.evaluation.answers import GSM8K_HASH

_SYSTEM = """\
You write practice problems for a student of mathematics. You are shown a problem that the student got wrong, with its \
reference solution. Write one new problem that needs the same skills, and solve it.

- It can be read and solved as text alone, and it is in English.
- It has exactly one answer. A number is written in digits, without a unit: 0.5, not one half.
- Its solution shows every calculation, contains no mistake, and has fewer than 100 words.
- It is a problem of its own: other names, other things, other numbers.

Reply in this form and with nothing else. Write the solution as the reference solution is written, and state its final \
answer as that does.

Question: <the new problem>
Answer: <its solution>"""

_STEPS = "Solve this problem step by step."
_PROGRAM = (
    "Write a Python program that solves this problem and prints the answer alone. Reply with the program in one "
    "```python block."
)

# Markdown around a label, and a number before it, are taken for what they are.
_QUESTION = re.compile(r"^[*#_ \t]*(?:\d{1,2}[.)][*_ \t]*)?question[*_ \t]*:[*_ \t]*", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"^[*#_ \t]*(?:answer|solution)[*_ \t]*:[*_ \t]*", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(r"```(?:python|py)[^\S\n]*\n(.*?)```", re.IGNORECASE | re.DOTALL)


def hard_row(example: HardExample) -> dict[str, Any]:
    """Return the row that asks a teacher for a new problem like a hard one."""
    shown = f"The problem:\n\n{example.question}\n\nIts reference solution:\n\n{example.solution}"
    return {
        "seed_question": example.question,
        "seed_solution": example.solution,
        "student_answer": example.student_answer,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": shown}],
    }


def solve_row(question: str, as_program: bool) -> dict[str, Any]:
    """Return the row that asks a teacher to solve a question of GSM8K's kind, by steps or by a program."""
    told = _PROGRAM if as_program else _step_by_step(GSM8K_HASH.name)
    return {"question": question, "messages": _told(told, question)}


def prompt_row(asked: Asked) -> dict[str, Any]:
    """Return the row that asks a teacher to solve a training question; the gold is not shown."""
    return {
        "question": asked.question,
        "gold": asked.answer,
        "answer_rule": asked.rule,
        "messages": _told(_step_by_step(asked.rule), asked.question),
    }


def _step_by_step(rule: str) -> str:
    return f"{_STEPS} {FORMS[rule].asked_for}"


def _told(instruction: str, question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{instruction}\n\n{question}"}]


@dataclass(frozen=True)
class NewProblem:
    """A question that a teacher wrote, and its solution."""

    question: str
    solution: str


def read_problem(reply: str) -> NewProblem | None:
    """Return the problem in a reply: one line that begins with ``Question:``, and one with ``Answer:`` after it.

    None where there are several, or one is missing or empty. What stands before the question does not count.
    """
    questions, answers = list(_QUESTION.finditer(reply)), list(_ANSWER.finditer(reply))
    if len(questions) != 1 or len(answers) != 1:
        return None
    # Nothing where the answer stands first.
    question = reply[questions[0].end() : answers[0].start()].strip()
    solution = solution_in(reply[answers[0].end() :])
    return NewProblem(question, solution) if question and has_steps(solution) else None


def solution_in(text: str) -> str:
    """Return a solution without what follows the line of its ``####``; empty where there are several answers."""
    before, mark, after = text.partition("####")
    if not mark:
        return text.strip()
    if "####" in after:
        return ""
    # Without the ends of Markdown's bold and code.
    answer = after.strip().partition("\n")[0].rstrip("*` ")
    return f"{before.strip().removesuffix('**').rstrip()}\n#### {answer}".strip()


def has_steps(solution: str) -> bool:
    """Return whether a solution says more than the answer."""
    return bool(solution) and not solution.startswith("####")


def program_in_reply(reply: str) -> str | None:
    """Return the Python program in a reply: its one fenced block, which prints something; None where there is none."""
    programs = _FENCE.findall(reply)
    return programs[0] if len(programs) == 1 and "print(" in programs[0] else None
