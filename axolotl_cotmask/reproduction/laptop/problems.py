"""Procedural word problems for the laptop reproduction: GSM8K's fields and annotations, in a language of 200 words.

A problem takes two to four steps, each needed by the next. Every token stands between spaces, numbers are single
tokens, and no value leaves 1 to 60, so that a model of half a million parameters can learn language and sums within
minutes::

    Ann has 5 apples . Ben has 3 more apples than Ann . Ben buys 4 apples . How many apples does Ben have now ?
    Ben has 5 + 3 = << 5 + 3 = 8 >> 8 apples . Ben has 8 + 4 = << 8 + 4 = 12 >> 12 apples . #### 12

An irrelevant sentence has one of the eight kinds of GSM-IC (Shi et al. 2023, arXiv 2302.00093) and stands before the
question, as there.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

PEOPLE = ("Ann", "Ben", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jack", "Kim", "Leo", "Mia", "Nora", "Tom")
THINGS = ("apples", "books", "cards", "coins", "eggs", "flowers", "marbles", "pens", "shells", "stamps")
#: No stated or computed number is larger.
LARGEST = 60
# How many steps a problem takes, each as often as it stands here.
_STEPS = (2, 2, 2, 3, 3, 4)
#: Share of the training problems that carry an irrelevant sentence.
IRRELEVANT_SHARE = 0.15

_RELATIVES = ("brother", "sister", "father", "mother")
_IN_TOPIC = ("{role} has {number} {things} .", "{role} lost {number} {things} last year .")
_OUT_TOPIC = ("{role} is {number} years old .", "{role} lives {number} miles away .", "{role} ran {number} laps .")
#: (role, number, sentence): the kinds of irrelevant sentence that GSM-IC labels.
KINDS = tuple(product(("overlapped", "nonoverlapped"), ("in_range", "out_range"), ("in_topic", "out_topic")))

#: The result of a calculation, by its sign.
CALCULATE: Mapping[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass(frozen=True)
class Problem:
    """A word problem: the sentences before its question, the question, the worked steps.

    ``numbers`` are the numbers that the sentences state, in their order; ``people`` and ``things`` the problem's own.
    """

    context: tuple[str, ...]
    question: str
    steps: tuple[str, ...]
    answer: int
    numbers: tuple[int, ...]
    people: tuple[str, ...]
    things: str

    @property
    def text(self) -> str:
        """The question text, as in GSM8K's field ``question``."""
        return " ".join((*self.context, self.question))

    @property
    def solution(self) -> str:
        """The steps and ``#### answer``, as in GSM8K's field ``answer``."""
        return " ".join((*self.steps, f"#### {self.answer}"))


def annotated(left: int, sign: str, right: int) -> str:
    """Return a calculation with its annotation, such as ``5 + 3 = << 5 + 3 = 8 >> 8``."""
    result = CALCULATE[sign](left, right)
    return f"{left} {sign} {right} = << {left} {sign} {right} = {result} >> {result}"


class _Story:
    """A problem in the making: who has how many, and what was said and calculated so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.things = rng.choice(THINGS)
        self.strangers = rng.sample(PEOPLE, len(PEOPLE))
        self.people = [self.strangers.pop()]
        start = rng.randint(1, LARGEST // 2)
        self.have = {self.people[0]: start}
        self.numbers = [start]
        self.context = [f"{self.people[0]} has {start} {self.things} ."]
        self.steps: list[str] = []
        # Whether the last person's number came from a multiplication: only then does a difference need every step.
        self.multiplied = False

    def calculate(self, who: str, left: int, sign: str, right: int, ending: str) -> int:
        """Write a step; return its result."""
        verb = "have" if " " in who else "has"
        self.steps.append(f"{who} {verb} {annotated(left, sign, right)} {ending} .")
        return CALCULATE[sign](left, right)

    def follow(self) -> None:
        """Add a sentence about the last person's things, or about a new person who has more or fewer; and its step."""
        last = self.people[-1]
        have = self.have[last]
        sign, number, stated = self._change(have)
        if stated and sign != "*" and self.rng.random() < 0.4:
            who = last
            self.context.append(f"{who} {'buys' if sign == '+' else 'loses'} {number} {self.things} .")
        else:
            who = self.strangers.pop()
            self.people.append(who)
            self.multiplied = sign == "*"
            relation = {"+": "more {t} than", "-": "fewer {t} than", "*": "times as many {t} as"}[sign]
            amount = f"{number} {relation}" if stated else "twice as many {t} as"
            self.context.append(f"{who} has {amount.format(t=self.things)} {last} .")
        if stated:
            self.numbers.append(number)
        self.have[who] = self.calculate(who, have, sign, number, self.things)

    def _change(self, have: int) -> tuple[str, int, bool]:
        """Draw what happens to a number: ``+``, ``-`` or ``*``, by how much, and whether that is stated as a number."""
        kinds = ["more"] * (have < LARGEST) + ["fewer"] * (have > 1)
        kinds += ["twice"] * (2 * have <= LARGEST) + ["times"] * (3 * have <= LARGEST)
        kind = self.rng.choice(kinds)
        if kind == "more":
            return "+", self.rng.randint(1, min(LARGEST - have, LARGEST // 2)), True
        if kind == "fewer":
            return "-", self.rng.randint(1, have - 1), True
        if kind == "twice":
            return "*", 2, False
        return "*", self.rng.randint(3, min(5, LARGEST // have)), True

    def end(self, compares: bool) -> Problem | None:
        """Ask the question; with ``compares`` about the last two people, which takes a step more.

        None when there is no such question that needs every step.
        """
        things, last = self.things, self.people[-1]
        answer, question = self.have[last], f"How many {things} does {last} have now ?"
        if compares:
            if len(self.people) < 2:
                return None
            first, second = self.people[-2:]
            one, two = self.have[first], self.have[second]
            if one + two <= LARGEST and self.rng.random() < 0.5:
                answer = self.calculate(f"{first} and {second}", one, "+", two, things)
                question = f"How many {things} do {first} and {second} have in total ?"
            elif one != two and self.multiplied:
                more, less = (first, second) if one > two else (second, first)
                answer = self.calculate(more, self.have[more], "-", self.have[less], f"more {things}")
                question = f"How many more {things} does {more} have than {less} ?"
            else:
                return None
        return Problem(
            tuple(self.context),
            question,
            tuple(self.steps),
            answer,
            tuple(self.numbers),
            tuple(self.people),
            things,
        )


def draw_problem(rng: random.Random, n_steps: int | None = None) -> Problem:
    """Draw one problem of ``n_steps`` steps, or of two, three or four."""
    n_steps = n_steps or rng.choice(_STEPS)
    while True:
        story = _Story(rng)
        compares = n_steps > 1 and rng.random() < 0.4
        for _ in range(n_steps - compares):
            story.follow()
        problem = story.end(compares)
        if problem is not None:
            return problem


def draw_irrelevant(rng: random.Random, problem: Problem, kind: tuple[str, str, str] | None = None) -> dict[str, Any]:
    """Draw a sentence that does not bear on ``problem``, in GSM-IC's terms.

    Args:
        rng: the source of randomness.
        problem: the problem that the sentence will stand in; nobody the sentence is about is asked for in it.
        kind: GSM-IC's ``role_label``, ``number_label`` and ``sentence_label``; None draws one of the eight.

    Returns:
        ``role``, ``number``, ``sentence_template`` and the three labels, as GSM-IC's rows have them.
    """
    role_label, number_label, sentence_label = kind or rng.choice(KINDS)
    if role_label == "overlapped":
        role = f"The {rng.choice(_RELATIVES)} of {problem.people[0]}"
    else:
        role = rng.choice([name for name in PEOPLE if name not in problem.people])
    low, high = min(problem.numbers), max(problem.numbers)
    number = rng.randint(low, high) if number_label == "in_range" else rng.randint(high + 1, 99)
    template = rng.choice(_IN_TOPIC if sentence_label == "in_topic" else _OUT_TOPIC)
    return {
        "role": role,
        "number": str(number),
        "sentence_template": template.replace("{things}", problem.things),
        "role_label": role_label,
        "number_label": number_label,
        "sentence_label": sentence_label,
    }


def with_irrelevant(problem: Problem, irrelevant: Mapping[str, Any]) -> str:
    """Return the text of ``problem`` with the irrelevant sentence right before its question."""
    sentence = irrelevant["sentence_template"].format(role=irrelevant["role"], number=irrelevant["number"])
    return " ".join((*problem.context, sentence, problem.question))
