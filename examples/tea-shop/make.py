"""Makes train.jsonl and test.jsonl: orders of a tea shop, with reasoned answers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent
GUESTS = ("Ada", "Bo", "Chen", "Dina", "Emil", "Fatima", "Goran", "Hana")
TEAS = ("mint tea", "green tea", "black tea", "lemon tea", "ginger tea")
CAKES = ("apple cake", "carrot cake", "plum cake", "cheese cake")
TRAIN_ROWS, TEST_ROWS = 96, 60

#: A question, the steps of its answer, and the answer.
Row = tuple[str, list[str], int]


def _bill(rng: random.Random) -> Row:
    cups, slices, cup, piece = (rng.randint(2, 9) for _ in range(4))
    tea, cake, guest = rng.choice(TEAS), rng.choice(CAKES), rng.choice(GUESTS)
    total = cups * cup + slices * piece
    return (
        f"A cup of {tea} costs {cup} coins and a slice of {cake} costs {piece} coins. "
        f"{guest} orders {cups} cups and {slices} slices. How many coins does {guest} pay?",
        [
            f"The tea costs {cups} * {cup} = {cups * cup} coins.",
            f"The cake costs {slices} * {piece} = {slices * piece} coins.",
            f"Together that is {cups * cup} + {slices * piece} = {total} coins.",
        ],
        total,
    )


def _change(rng: random.Random) -> Row:
    cups, cup, more = rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 20)
    tea, guest = rng.choice(TEAS), rng.choice(GUESTS)
    given = cups * cup + more
    return (
        f"{guest} buys {cups} cups of {tea} at {cup} coins each and gives {given} coins. "
        f"How many coins does {guest} get back?",
        [
            f"{guest} has to pay {cups} * {cup} = {cups * cup} coins.",
            f"{guest} gets back {given} - {cups * cup} = {more} coins.",
        ],
        more,
    )


def _stock(rng: random.Random) -> Row:
    boxes, each, sold = rng.randint(2, 9), rng.randint(4, 9), rng.randint(2, 7)
    tea = rng.choice(TEAS)
    left = boxes * each - sold
    return (
        f"The shop has {boxes} boxes of {tea} with {each} bags each. On Monday it sells {sold} bags. "
        "How many bags are left?",
        [
            f"At first there are {boxes} * {each} = {boxes * each} bags.",
            f"Then {boxes * each} - {sold} = {left} bags are left.",
        ],
        left,
    )


def _shared(rng: random.Random) -> Row:
    guests, each, own = rng.randint(2, 6), rng.randint(2, 9), rng.randint(1, 5)
    cake, guest = rng.choice(CAKES), rng.choice(GUESTS)
    bill = guests * each
    return (
        f"{guests} guests share a bill of {bill} coins equally. {guest}, who is one of them, also buys {cake} for "
        f"{own} coins. How many coins does {guest} pay?",
        [
            f"The share of each guest is {bill} / {guests} = {each} coins.",
            f"{guest} pays {each} + {own} = {each + own} coins.",
        ],
        each + own,
    )


KINDS: tuple[Callable[[random.Random], Row], ...] = (_bill, _change, _stock, _shared)


def files() -> dict[Path, str]:
    """Return what the files hold: chats to train on, and other questions with their answers to be tested with."""
    rng = random.Random(20)
    rows = [KINDS[number % len(KINDS)](rng) for number in range(TRAIN_ROWS + TEST_ROWS)]
    train, test = rows[:TRAIN_ROWS], rows[TRAIN_ROWS:]
    chats = [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": "\n".join((*steps, f"#### {answer}"))},
            ]
        }
        for question, steps, answer in train
    ]
    questions = [{"question": question, "answer": f"#### {answer}"} for question, _, answer in test]
    return {FOLDER / "train.jsonl": _lines(chats), FOLDER / "test.jsonl": _lines(questions)}


def _lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
