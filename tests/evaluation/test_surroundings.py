"""What stands around an answer and says nothing of it changes no verdict: thinking, quotations, programs, further turns."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from axolotl_cotmask.evaluation.answers import RULES

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "hostile_answers.jsonl").read_text(encoding="utf-8").splitlines()
]
#: Of each rule so many cases, drawn by a seed. Of a lone letter or label it is not sure what it is beside other lines, and
#: a text that breaks off is another one with something behind it.
CASES = 60
SHORT = 8
BROKEN_OFF = "42.\nThe answer is 4"


def behind(addition: str) -> Callable[[str], str]:
    return lambda text: text.rstrip() + addition


SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "a wish": behind("\n\nLet me know if you have any questions!"),
    "a face": behind("\n\nI hope this helps! 😊"),
    "a tick": behind(" ✅"),
    "special tokens": behind("<|im_end|>\n<|endoftext|>"),
    "text behind the end": behind("</s> 55 56 57"),
    "a rule": behind("\n\n---"),
    "a remark": behind("\n\n*Note: we assume that every week has 7 days.*"),
    "a confidence": behind("\n\nConfidence: 95%"),
    "a program": behind("\n\n```python\nprint(55)\n```"),
    "another question": behind(
        "\n\nQuestion: Tom has 30 apples and buys 25. How many has he?\nAnswer: The answer is 55."
    ),
    "another prompt": behind("\n\n### Instruction:\nCompute 30 + 25.\n\n### Response:\nThe answer is: 55"),
    "another turn": behind("\nUser: and 30 + 25?\nAssistant: The answer is 55."),
    "empty lines": lambda text: f"\n\n{text}\n\n\n",
    "thinking": lambda text: f"<think>\nOkay, maybe the answer is 55. Or (E)? \\boxed{{55}}\n</think>\n\n{text}",
    "a beginning": lambda text: f"Sure! Here is the solution to this problem:\n\n{text}",
    "a quotation": lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n") + "\r\n",
}


def cases() -> list[dict[str, Any]]:
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for row in random.Random(7).sample(ROWS, len(ROWS)):
        said = row["prediction"]
        if row["right_verdict"] != "invalid" and len(said.partition("\n")[0]) > SHORT and not said.endswith(BROKEN_OFF):
            by_rule.setdefault(row["rule"], []).append(row)
    return [row for rows in by_rule.values() for row in rows[:CASES]]


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_verdicts_stay(name: str) -> None:
    changed = []
    for row in cases():
        text = SURROUNDINGS[name](row["prediction"])
        verdict = RULES[row["rule"]].about(row.get("question")).judge(text, row["gold"]).value
        if (verdict == "true") != (row["right_verdict"] == "true"):
            changed.append((row["rule"], text, row["gold"], row["right_verdict"]))
    assert not changed, "\n".join(map(repr, changed))
