"""No text hangs or ends a rule: what regular expressions may be, how work grows with length, and the worst texts."""

from __future__ import annotations

import importlib
import pkgutil
import re
import re._constants as sre
import re._parser as parser
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from axolotl_cotmask.evaluation import answers
from axolotl_cotmask.evaluation.answers import RULES, Judgement, Rule
from axolotl_cotmask.evaluation.benchmarks import corrupted_step

MODULES = [
    corrupted_step,
    *(
        importlib.import_module(f"{answers.__name__}.{module.name}")
        for module in pkgutil.iter_modules(answers.__path__)
    ),
]
GOLDS = {"choice": "B", "boxed": "\\frac{1}{2}", "_math": "\\frac{1}{2}", "": "2"}


def _gold(rule: Rule) -> str:
    return next(gold for kind, gold in GOLDS.items() if kind in rule.name)


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in MODULES:
        for name, value in vars(module).items():
            values = value if isinstance(value, tuple) else (value,)
            for part in values:
                for item in part if isinstance(part, tuple) else (part,):
                    if isinstance(item, re.Pattern):
                        yield f"{module.__name__}.{name}", item


def _nested(tree: Any, inside: bool = False) -> bool:
    """Whether an unbounded repetition that can give back holds another one: the number of ways doubles with each turn."""
    for operation, argument in tree:
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _, most, body = argument
            unbounded = most is sre.MAXREPEAT
            if (inside and unbounded) or _nested(body, inside or unbounded):
                return True
        elif operation is sre.POSSESSIVE_REPEAT:
            if _nested(argument[2]):
                return True
        elif operation is sre.BRANCH:
            if any(_nested(branch, inside) for branch in argument[1]):
                return True
        elif operation is sre.SUBPATTERN:
            if _nested(argument[3], inside):
                return True
        elif operation is sre.ATOMIC_GROUP:
            if _nested(argument):
                return True
        elif operation in (sre.ASSERT, sre.ASSERT_NOT) and _nested(argument[1]):
            return True
    return False


def test_no_repetition_stands_within_another_one() -> None:
    patterns = list(_patterns())
    assert len(patterns) > 80
    assert [name for name, pattern in patterns if _nested(parser.parse(pattern.pattern, pattern.flags))] == []


def test_the_check_finds_what_hung() -> None:
    assert _nested(parser.parse(r"\s*(?:[A-Za-z]{3,}\W*)+"))
    assert not _nested(parser.parse(r"\d++(?:[.,/]\d++)*+"))


_PIECES = (
    "1", "1,", "1 ", "- ", "- \n", "\n", "(", "{", "}", "$", "$1$ ", "\\frac{", "\\boxed{", "\\boxed{1} or ", "\\text{", "#### ", "#### 1. a\n",
    "answer ", "answer is ", "The answer is 5. ", "apples ", "A) ", "so A ", "not 5 ", "**5** ", "<<", "<think>", "</s>", "\nQuestion: ", "\nProblem:\nSolution:",
    "\nUser:", "\n\n2. ", "Note 1\n\n", "5 is wrong ", "= 1 ", "½", "x²", "\u0301", "one ", "e", "!", "what? ",
    "What is it?\n", "Wait, no. ", "Wait, so 5. ", "Question: ", "x = 1, ", "A. 5 - right\n", "$x$ and ",
)  # fmt: skip
#: Questions that robust rules look at.
_ASKED = "How many apples does Tom have left? What is $x$?"
_RULES = RULES | {f"{name} with a question": RULES[name].about(_ASKED) for name in ("robust_number", "robust_math")}
_FRAMES = ("{}", "The answer is: 5 {}", "{}The answer is 5", "\\boxed{{{}}}", "#### {}")


def _calls(function: Callable[[], object]) -> int:
    count = 0

    def profile(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("rule", _RULES.values(), ids=_RULES)
def test_twice_the_text_takes_at_most_twice_the_calls(rule: Rule) -> None:
    for piece in _PIECES:
        for frame in _FRAMES:
            short, long = (frame.format(piece * (length // len(piece))) for length in (3000, 6000))
            rule.judge(short, _gold(rule))  # what is computed once and kept
            calls = [_calls(lambda text=text: rule.judge(text, _gold(rule))) for text in (short, long)]
            assert calls[1] <= 2.2 * calls[0] + 200, (piece, frame)


@pytest.mark.parametrize("name", ["robust_number", "robust_math"])
def test_twice_the_question_takes_at_most_twice_the_calls(name: str) -> None:
    text = "So $x = 5$, Tom has 5 apples left and Ann has 3."
    for piece in (*_PIECES, "Tom has 5 apples. ", "How many "):
        for frame in ("{}", f"{{}} {_ASKED}", f"{_ASKED} {{}}"):
            short, long = (RULES[name].about(frame.format(piece * (length // len(piece)))) for length in (3000, 6000))
            short.judge(text, _gold(short))
            calls = [_calls(lambda rule=rule: rule.judge(text, _gold(rule))) for rule in (short, long)]
            assert calls[1] <= 2.2 * calls[0] + 200, (piece, frame)


_WORST = {
    "digits beyond Python's limit": "1" * 5000,
    "a box of such digits": "\\boxed{" + "3" * 5000 + "}",
    "a ratio of such digits": "#### 1/" + "3" * 5000,
    "such digits in the statement": "The answer is: " + "7" * 5000,
    "such digits in a fraction": "\\boxed{\\frac{" + "1" * 5000 + "}{" + "2" * 5000 + "}}",
    "an exponent": "The answer is: 1e99999999999",
    "a power": "The answer is 9^9^9^9^9",
    "powers of powers": "The answer is ((((9**64)**64)**64)**64)**64",
    "a product of powers": "The answer is " + "*".join(["9^2000"] * 50),
    "a sum of powers": "\\boxed{1/3^5000 + 1/7^3500 + 1/11^2800}",
    "a scale of scales": "The answer is 9^2500 trillion",
    "brackets": "The answer is " + "(" * 100_000 + ")" * 100_000,
    "braces": "\\boxed{" * 50_000 + "}" * 50_000,
    "roots": "\\boxed{" + "\\sqrt{" * 2000 + "x" + "}" * 2000 + "}",
    "signs": "The answer is " + "-" * 100_000 + "1",
    "sums": "The answer is " + "1+" * 100_000 + "1",
    "surrogates": "\ud800The answer is: \udfff#### \ud8005\\boxed{\udcff}",
    "NULs": "\0" * 1000 + "The answer is: 5\0#### 5",
    "newlines": "\n" * 1_000_000,
    "lists": "- \n" * 100_000,
    "words": "The answer is: 5 " + "apples " * 100_000 + "ap",
    "English": "The answer is 5 because the remaining polynomial coefficients alternating between signs eventually cancel after 3 steps",
    "a million letters": "a" * 1_000_000,
    "accents heaped on a letter": "a" + "\u0301\u0316" * 100_000,
    "annotations": "<<" * 200_000,
    "nothing": "",
}


@pytest.mark.parametrize("rule", _RULES.values(), ids=_RULES)
@pytest.mark.parametrize("text", _WORST.values(), ids=_WORST)
def test_the_worst_texts_get_a_verdict(rule: Rule, text: str) -> None:
    assert rule.judge(text, _gold(rule)) in set(Judgement)
    assert rule.about(text).judge("So $x = 5$, Tom has 5 apples and Ann 3.", _gold(rule)) in set(Judgement)


def test_the_worst_texts_as_continuations_of_a_corrupted_step() -> None:
    case = corrupted_step.StepCase(
        question="Ann has 5.", prefix="She has 6 + 3 =", answer="#### 8", stated="5", replacement="6", operand=0, operands=2,
        step=1, kind=corrupted_step.StepKind.FIRST, row=1, question_at=(8, 9), prefix_at=(8, 9), question_changed=False,
    )  # fmt: skip
    for text in _WORST.values():
        assert corrupted_step.read_operand(case, f"<<{text}") in set(corrupted_step.StepOutcome)


@pytest.mark.slow
def test_a_busy_verifier_gives_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its limit is one of computing time: what waits, as on a busy machine, is not ended."""
    monkeypatch.setattr(answers.verifier, "TIME_LIMIT", 3.0)
    assert RULES["robust_math"].judge("\\boxed{9^{9^{9^{9}}}+x}", "1+x") is Judgement.FALSE
    assert RULES["robust_math"].judge("\\boxed{x+1}", "1+x") is Judgement.TRUE
