"""Procedural multi-step word problems in GSM8K's format, for a demonstration that needs nothing but the package index.

Every problem takes two to four steps, one line each with GSM8K's calculator annotation, and ends in ``#### answer``.
Numbers are small, because the demonstration's model has a few minutes on a CPU to learn both language and arithmetic.
About 15 % of the training problems carry one irrelevant sentence, so that the irrelevant sentence of the twin test set
is hard for the model without being a thing it has never met.

The twin test set follows GSM-IC (Shi et al. 2023, arXiv 2302.00093): each test problem once more with one irrelevant
sentence in front of its question, and GSM-IC's labels. A test question is never a training question; templates, names
and number ranges are shared, so the test measures in-distribution accuracy only.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from axolotl_cotmask.data import SOURCES
from axolotl_cotmask.errors import CoTMaskError
from axolotl_cotmask.files import whole_file

# How many steps a problem takes, each as often as it stands here.
_STEPS = (2, 2, 2, 3, 3, 4)

#: Share of the training problems that carry an irrelevant sentence.
IRRELEVANT_SHARE = 0.15

_PEOPLE = ("Ann", "Ben", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jack", "Kim", "Leo", "Mia", "Nora", "Tom")
_THINGS = ("apples", "books", "cards", "coins", "eggs", "flowers", "marbles", "pens", "shells", "stamps")
_HOLDERS = ("bags", "boxes", "baskets")

_LOSSES = (("{p} gives {n} {t} to {o}.", "giving"), ("{p} loses {n} {t}.", "losing"), ("{p} sells {n} {t}.", "selling"))
_GAINS = (
    ("{p} buys {n} more {t}.", "buying"),
    ("{p} gets {n} {t} from {o}.", "getting"),
    ("{p} finds {n} {t}.", "finding"),
)

_IN_TOPIC = ("{role} has {number} {things}.", "{role} lost {number} {things} last year.")
_OUT_TOPIC = ("{role} is {number} years old.", "{role} lives {number} miles away.", "{role} ran {number} laps.")
_RELATIVES = ("brother", "sister", "father", "mother")

# (role, number, sentence): the eight kinds of irrelevant sentence that GSM-IC labels.
_KINDS = tuple(product(("overlapped", "nonoverlapped"), ("in_range", "out_range"), ("in_topic", "out_topic")))


@dataclass(frozen=True)
class Problem:
    """One word problem: the sentences before its question, the question, and the worked steps.

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
        """One line per step and ``#### answer``, as in GSM8K's field ``answer``."""
        return "\n".join((*self.steps, f"#### {self.answer}"))


@dataclass(frozen=True)
class Irrelevant:
    """A sentence that does not bear on its problem, in the terms of GSM-IC."""

    template: str
    role: str
    number: int
    things: str
    role_label: str
    number_label: str
    sentence_label: str

    @property
    def sentence(self) -> str:
        """The sentence itself."""
        return self.template.format(role=self.role, number=self.number, things=self.things)


def _calculate(left: int, operator: str, right: int, unit: str = "") -> tuple[str, int]:
    """Return GSM8K's text of one calculation, such as ``3+4=<<3+4=7>>7``, and its result."""
    if operator == "/" and left % right:
        raise ValueError(f"{left}/{right} is no whole number")
    result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[operator]
    return f"{left}{operator}{right}={unit}<<{left}{operator}{right}={result}>>{result}", result


def _change(rng: random.Random, have: int, person: str, other: str, things: str) -> tuple[str, str, str, int]:
    """Draw something that changes how many things a person has: sentence, what it was, ``+`` or ``-``, and amount."""
    if have > 3 and rng.random() < 0.5:
        amount = rng.randint(2, min(9, have - 1))
        text, doing = rng.choice(_LOSSES)
        sign = "-"
    else:
        amount = rng.randint(2, 9)
        text, doing = rng.choice(_GAINS)
        sign = "+"
    return text.format(p=person, o=other, n=amount, t=things), doing, sign, amount


def _follow(
    rng: random.Random, count: int, have: int, person: str, other: str, things: str
) -> tuple[list[str], list[str], list[int], int]:
    """Draw ``count`` changes after a person has ``have`` things: sentences, steps, amounts and what is left."""
    sentences, steps, amounts = [], [], []
    for _ in range(count):
        sentence, doing, sign, amount = _change(rng, have, person, other, things)
        calculation, have = _calculate(have, sign, amount)
        sentences.append(sentence)
        steps.append(f"After {doing}, {person} has {calculation} {things}.")
        amounts.append(amount)
    return sentences, steps, amounts, have


def _running_count(rng: random.Random, n_steps: int) -> Problem:
    person, other = rng.sample(_PEOPLE, 2)
    things = rng.choice(_THINGS)
    start = rng.randint(2, 12)
    sentences, steps, amounts, left = _follow(rng, n_steps, start, person, other, things)
    return Problem(
        (f"{person} has {start} {things}.", *sentences),
        f"How many {things} does {person} have now?",
        tuple(steps),
        left,
        (start, *amounts),
        (person, other),
        things,
    )


def _holders(rng: random.Random, n_steps: int) -> Problem:
    person, other = rng.sample(_PEOPLE, 2)
    things, holders = rng.choice(_THINGS), rng.choice(_HOLDERS)
    many, each = rng.randint(2, 5), rng.randint(2, 6)
    calculation, have = _calculate(many, "*", each)
    sentences, steps, amounts, left = _follow(rng, n_steps - 1, have, person, other, things)
    return Problem(
        (f"{person} has {many} {holders} with {each} {things} in each.", *sentences),
        f"How many {things} does {person} have now?",
        (f"{person} has {calculation} {things}.", *steps),
        left,
        (many, each, *amounts),
        (person, other),
        things,
    )


def _compare(rng: random.Random, have: int, who: str, than: str, things: str) -> tuple[str, str, int, int]:
    """Draw ``who`` has n more or fewer things than ``than``: sentence, step, n, and how many ``who`` has."""
    if have > 3 and rng.random() < 0.5:
        amount, word, sign = rng.randint(2, min(9, have - 1)), "fewer", "-"
    else:
        amount, word, sign = rng.randint(2, 9), "more", "+"
    calculation, result = _calculate(have, sign, amount)
    return f"{who} has {amount} {word} {things} than {than}.", f"{who} has {calculation} {things}.", amount, result


def _together(rng: random.Random, n_steps: int) -> Problem:
    first, second, third = rng.sample(_PEOPLE, 3)
    things = rng.choice(_THINGS)
    start = rng.randint(2, 12)
    sentence, step, amount, have = _compare(rng, start, second, first, things)
    calculation, total = _calculate(start, "+", have)
    context, steps, numbers = [f"{first} has {start} {things}.", sentence], [step], [start, amount]
    people: tuple[str, ...] = (first, second)
    names = f"{first} and {second}"
    if n_steps == 4:
        sentence, step, amount, more = _compare(rng, have, third, second, things)
        context.append(sentence)
        steps.append(step)
        numbers.append(amount)
        people = (first, second, third)
        names = f"{first}, {second} and {third}"
    steps.append(f"{first} and {second} have {calculation} {things}.")
    if n_steps == 4:
        calculation, total = _calculate(total, "+", more)
        steps.append(f"Together they have {calculation} {things}.")
    question = f"How many {things} do {names} have together?"
    if n_steps == 3:
        amount = rng.randint(2, min(9, total - 1))
        calculation, total = _calculate(total, "-", amount)
        context.append(f"Together they sell {amount} {things}.")
        steps.append(f"Then they have {calculation} {things}.")
        numbers.append(amount)
        question = f"How many {things} do {names} have left?"
    return Problem(tuple(context), question, tuple(steps), total, tuple(numbers), people, things)


def _shop(rng: random.Random, n_steps: int) -> Problem:
    (person,) = rng.sample(_PEOPLE, 1)
    things = rng.choice(_THINGS)
    many, price = rng.randint(2, 5), rng.randint(2, 6)
    calculation, cost = _calculate(many, "*", price, "$")
    context = [f"{person} buys {many} {things} for ${price} each."]
    steps, numbers = [f"The {things} cost {calculation}."], [many, price]
    for extra in ("hat", "bag")[: n_steps - 2]:
        amount = rng.randint(2, 9)
        context.append(f"{person} buys a {extra} for ${amount}.")
        calculation, cost = _calculate(cost, "+", amount, "$")
        steps.append(f"With the {extra} it is {calculation}.")
        numbers.append(amount)
    purse = cost + rng.randint(2, 9)
    context.append(f"{person} had ${purse}.")
    calculation, left = _calculate(purse, "-", cost, "$")
    steps.append(f"{person} has {calculation} left.")
    numbers.append(purse)
    question = f"How much money does {person} have left?"
    return Problem(tuple(context), question, tuple(steps), left, tuple(numbers), (person,), things)


def _share(rng: random.Random, n_steps: int) -> Problem:
    person, other = rng.sample(_PEOPLE, 2)
    things = rng.choice(_THINGS)
    friends, each = rng.randint(2, 5), rng.randint(3, 6)
    mine = rng.randint(2, friends * each - 2)
    calculation, total = _calculate(mine, "+", friends * each - mine)
    context = [f"{person} picks {mine} {things}.", f"{other} picks {total - mine} {things}."]
    steps, numbers = [f"They have {calculation} {things}."], [mine, total - mine]
    context.append(f"They share them among {friends} friends.")
    calculation, have = _calculate(total, "/", friends)
    steps.append(f"Each friend gets {calculation} {things}.")
    numbers.append(friends)
    question = f"How many {things} does each friend of {person} get?"
    for again in range(n_steps - 2):
        amount = rng.randint(2, 9)
        context.append(f"Each friend {'then' if again else 'also'} finds {amount} {things}.")
        calculation, have = _calculate(have, "+", amount)
        steps.append(f"Then each friend has {calculation} {things}.")
        numbers.append(amount)
        question = f"How many {things} does each friend of {person} have now?"
    return Problem(tuple(context), question, tuple(steps), have, tuple(numbers), (person, other), things)


_TEMPLATES: tuple[Callable[[random.Random, int], Problem], ...] = (_running_count, _holders, _together, _shop, _share)


def draw_problem(rng: random.Random) -> Problem:
    """Draw one problem: of two steps as often as of more."""
    return rng.choice(_TEMPLATES)(rng, rng.choice(_STEPS))


def draw_irrelevant(rng: random.Random, problem: Problem, kind: tuple[str, str, str] | None = None) -> Irrelevant:
    """Draw a sentence that does not bear on ``problem``.

    Args:
        rng: the source of randomness.
        problem: the problem that the sentence will stand in; nobody the sentence is about is asked for in it.
        kind: GSM-IC's ``role_label``, ``number_label`` and ``sentence_label``; None draws one of the eight.
    """
    role_label, number_label, sentence_label = kind or rng.choice(_KINDS)
    if role_label == "overlapped":
        role = f"{problem.people[0]}'s {rng.choice(_RELATIVES)}"
    else:
        role = rng.choice([name for name in _PEOPLE if name not in problem.people])
    if number_label == "in_range":
        number = rng.randint(min(problem.numbers), max(problem.numbers))
    else:
        number = rng.randrange(max(problem.numbers) + 1, 100)
    template = rng.choice(_IN_TOPIC if sentence_label == "in_topic" else _OUT_TOPIC)
    return Irrelevant(template, role, number, problem.things, role_label, number_label, sentence_label)


def with_irrelevant(problem: Problem, irrelevant: Irrelevant) -> str:
    """Return the text of ``problem`` with the irrelevant sentence right before its question."""
    return " ".join((*problem.context, irrelevant.sentence, problem.question))


def _twin(problem: Problem, irrelevant: Irrelevant) -> dict[str, Any]:
    return {
        "original_question": problem.text,
        "new_question": with_irrelevant(problem, irrelevant),
        "answer": str(problem.answer),
        "n_steps": len(problem.steps),
        "role": irrelevant.role,
        "number": str(irrelevant.number),
        "sentence_template": irrelevant.template,
        "role_label": irrelevant.role_label,
        "number_label": irrelevant.number_label,
        "sentence_label": irrelevant.sentence_label,
    }


def demo_rows(seed: int, train_rows: int, test_rows: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all four data sets, by their names in `axolotl_cotmask.data.SOURCES`.

    The test problems are drawn first, so that the test set depends on the seed and its own size only.

    Raises:
        CoTMaskError: a row count is below 1.
    """
    for name, rows in (("train_rows", train_rows), ("test_rows", test_rows)):
        if rows < 1:
            raise CoTMaskError(f"{name} is {rows}: the demonstration needs at least 1 row")
    rng = random.Random(f"{seed} test")
    seen: set[str] = set()
    test: list[Problem] = []
    while len(test) < test_rows:
        problem = draw_problem(rng)
        if problem.text not in seen:
            seen.add(problem.text)
            test.append(problem)
    twins = [_twin(problem, draw_irrelevant(rng, problem, _KINDS[i % len(_KINDS)])) for i, problem in enumerate(test)]

    rng = random.Random(f"{seed} train")
    train: list[dict[str, Any]] = []
    while len(train) < train_rows:
        problem = draw_problem(rng)
        if problem.text in seen:
            continue
        seen.add(problem.text)
        text = problem.text
        if rng.random() < IRRELEVANT_SHARE:
            text = with_irrelevant(problem, draw_irrelevant(rng, problem))
        train.append({"question": text, "answer": problem.solution})
    return {
        "gsm8k_train": train,
        "gsm8k_test": [{"question": problem.text, "answer": problem.solution} for problem in test],
        "gsm_ic_2step": [twin for twin in twins if twin["n_steps"] == 2],
        "gsm_ic_mstep": [twin for twin in twins if twin["n_steps"] > 2],
    }


def write_demo_data(directory: str | os.PathLike[str], seed: int, train_rows: int, test_rows: int) -> dict[str, Path]:
    """Write the four data sets as JSON lines, under the names that ``COTMASK_DATA_DIR`` expects.

    The same arguments give the same bytes. Each file appears whole or not at all.

    Args:
        directory: where to write; created when it is missing.
        seed: decides every row.
        train_rows: number of training problems.
        test_rows: number of test problems, and of their twins (both GSM-IC files together).

    Returns:
        The path of each file by its name in `axolotl_cotmask.data.SOURCES`.

    Raises:
        CoTMaskError: a row count is below 1, or the directory cannot be written.
    """
    directory = Path(directory)
    paths = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, rows in demo_rows(seed, train_rows, test_rows).items():
            paths[name] = directory / SOURCES[name].file
            with whole_file(paths[name]) as temporary:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                temporary.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise CoTMaskError(f"{directory}: cannot write the demonstration data there ({error.strerror})") from error
    return paths
