"""The answer rules beyond GSM8K's: each against what its authors' script gives, and all against real golds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.tasks.hendrycks_math.utils import is_equiv

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.answers import (
    GSM8K_HASH,
    MAMMOTH_CHOICE,
    MAMMOTH_MATH,
    MAMMOTH_NUMBER,
    MATH_BOXED,
    METAMATH_GSM8K,
    METAMATH_MATH,
    OPENAI_GSM8K,
    ROBUST_CHOICE,
    ROBUST_MATH,
    ROBUST_NUMBER,
    RULES,
    Judgement,
    Rule,
    verifier,
)
from axolotl_cotmask.evaluation.answers.math_text import last_boxed, metamath_equal

RIGHT, WRONG, INVALID = Judgement.TRUE, Judgement.FALSE, Judgement.INVALID


# What the authors' scripts give for these texts, their oddities included.
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is: 72", "72"),
        ("The answer is: 5\nThe answer is: 6", "6"),
        ("The answer is: $1,234", "1234"),
        ("The answer is: 1,234,567", "1234"),
        ("The answer is: 2.5", "2"),
        ("The answer is: 3.5", "4"),
        ("The answer is: 7/2", "4"),
        ("The answer is: 7/0", "7"),
        ("The answer is: 7/00", None),
        ("The answer is: /2", None),
        ("The answer is: -3 apples", "-3"),
        ("The answer is: three", None),
        ("The answer is 72", None),
        ("#### 72", None),
        ("The answer is: " + "9" * 400, None),
    ],
)
def test_metamath_gsm8k(text: str, answer: str | None) -> None:
    assert METAMATH_GSM8K.extract(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is: \\frac{1}{2}", "\\frac{1}{2}"),
        ("The answer is: 5.", "5"),
        ("The answer is: 5.\nI hope that helps.", "5"),
        ("The answer is: 5\nmore", "5\nmore"),
        ("The answer is: ", ""),
        ("\\boxed{5}", None),
    ],
)
def test_metamath_math(text: str, answer: str | None) -> None:
    assert METAMATH_MATH.extract(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 72.0", "72"),
        ("The answer is 1,234.50", "1234.5"),
        ("The answer is 3/4", "3/4"),
        ("The answer is 5/", "5"),
        ("The answer is 5 or 6", "5"),
        ("first 5, then 6", "6"),
        ("#### 3 + 4 = 7", "7"),
        ("The answer is 1e20", "1"),
        ("The answer is 100000000000000000000", "100.0"),
        ("The answer is 1\n\nThe answer is 2", "1"),
        ("The answer is ", None),
        ("The answer is none", None),
    ],
)
def test_mammoth_number(text: str, answer: str | None) -> None:
    assert MAMMOTH_NUMBER.extract(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (B)", "B"),
        ("the answer is c", "C"),
        ("a or b", "B"),
        ("The answer is 5", None),
        ("The answer is A or B", "A"),
    ],
)
def test_mammoth_choice(text: str, answer: str | None) -> None:
    assert MAMMOTH_CHOICE.extract(text) == answer


@pytest.mark.parametrize(
    ("text", "gold", "verdict"),
    [
        ("The answer is 0.5", "\\frac{1}{2}", RIGHT),
        ("The answer is 0.51", "\\frac{1}{2}", RIGHT),
        ("The answer is 0.53", "\\frac{1}{2}", WRONG),
        ("The answer is 12.4", "12", RIGHT),
        ("The answer is 12.6", "12", WRONG),
        ("The answer is -0.49", "-\\frac{1}{2}", RIGHT),
        ("The answer is (3, 4)", "3", WRONG),
        ("The answer is [3, 4]", "3", WRONG),
        ("The answer is 2**3", "8", RIGHT),
        ("The answer is 9**9**9**9", "8", WRONG),
        ("The answer is __import__('os').getpid()", "8", WRONG),
        ("so \\boxed{\\dfrac12}", "\\frac{1}{2}", RIGHT),
        ("so \\boxed{\\sqrt3", "\\sqrt{3}", RIGHT),
        ("we get 4 and then 5", "5", RIGHT),
        ("nothing", "5", INVALID),
        ("The answer is nan", "5", WRONG),
        ("The answer is 5", "nan", WRONG),
        ("The answer is nan", "nan", RIGHT),
        ("The answer is ((9**64)**64)**64", "8", WRONG),
        ("The answer is " + "-" * 5000 + "8", "8", WRONG),
        ("The answer is inf", "5", WRONG),
    ],
)
def test_mammoth_math(text: str, gold: str, verdict: Judgement) -> None:
    assert MAMMOTH_MATH.judge(text, gold) is verdict


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("\\boxed{5}", "5"),
        ("\\boxed{1} and \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("\\fbox{7}", None),
        ("\\boxed{5", None),
        ("\\boxed 5", None),
        ("\\boxed 5 {x}", None),
        ("5", None),
    ],
)
def test_last_boxed(text: str, held: str | None) -> None:
    assert last_boxed(text) == held


def test_a_gold_boxed_without_braces_is_read() -> None:
    assert MATH_BOXED.judge("\\boxed{5}", "so $x=\\boxed 5$, as said") is RIGHT


@pytest.mark.parametrize("rule", [MATH_BOXED, METAMATH_MATH, ROBUST_MATH], ids=lambda rule: rule.name)
@pytest.mark.parametrize("gold", [r"so $\boxed{5$", r"so it is \boxed{5", r"so $\boxed{}$"])
def test_a_gold_whose_box_cannot_be_read_is_none(rule: Rule, gold: str) -> None:
    with pytest.raises(CoTMaskError, match="reads no answer from the gold"):
        rule.gold_answer(gold)


_LATEX = st.lists(
    st.sampled_from(
        [
            *"0123/.-=x{}() %",
            "\\frac",
            "\\dfrac",
            "\\sqrt",
            "\\text{ ",
            "\\left",
            "^\\circ",
            "\\%",
            "\\$",
            "\\!",
            "0.5",
            "12",
        ]
    ),
    max_size=8,
).map("".join)


@given(_LATEX, _LATEX)
def test_equality_is_that_of_lm_evals_copy_of_metamaths_script(first: str, second: str) -> None:
    assert metamath_equal(first, second) == is_equiv(first, second)
    near = first.replace("dfrac", "frac").replace(" ", "")
    assert metamath_equal(first, near) == is_equiv(first, near)


@pytest.mark.parametrize(
    ("text", "gold", "verdict"),
    [
        ("He makes $1,200.00 a year.", "1200", RIGHT),
        ("so she has \\boxed{18} eggs and 3 ducks", "18", RIGHT),
        ("#### $18", "18", RIGHT),
        ("#### 18\n#### 20", "18", RIGHT),
        ("The answer is 18. There were 3 of them.", "18", RIGHT),
        ("The answer is: x = 2 + 16 = 18", "18", RIGHT),
        ("The answer is 18 (since 2 + 16 = 18, as 3 * 6)", "18", RIGHT),
        ("**Answer:** 18", "18", RIGHT),
        ("### Answer\n18 eggs", "18", RIGHT),
        ("A: 18", "18", RIGHT),
        ("answer = 18 dollars, or 3 apiece", "18", RIGHT),
        ("Janet makes **$18** with 9 eggs at $2.", "18", RIGHT),
        ("**1. Sum**\n\n**2. Result** 9 * 2 = 18", "18", RIGHT),
        ("the final answer is\n\n$$18$$", "18", RIGHT),
        ("the answer is $\\frac{21}{2}$", "10.5", RIGHT),
        ("the answer is 10 1/2 miles", "10.5", RIGHT),
        ("the answer is 1.05 \\times 10", "10.5", RIGHT),
        ("the answer is 1.05 \\times 10", "1.05", WRONG),
        ("the answer is 4.3333", "4.33", RIGHT),
        ("the answer is 4.34", "4.33", WRONG),
        ("the answer is 0.46", "0.5", WRONG),
        ("the answer is 10,000,001", "10000000", WRONG),
        ("the answer is \N{MINUS SIGN}5", "-5", RIGHT),
        ("the answer is -$5", "-5", RIGHT),
        ("the answer is 25%", "25", RIGHT),
        ("the answer is 2.5e3", "2500", RIGHT),
        ("the answer is 12\n\nQuestion: 2+2?\nThe answer is 4", "12", RIGHT),
        ("12 - 5", "5", INVALID),
        ("I do not know", "5", INVALID),
        ("", "5", INVALID),
    ],
)
def test_robust_number(text: str, gold: str, verdict: Judgement) -> None:
    assert ROBUST_NUMBER.judge(text, gold) is verdict


@pytest.mark.parametrize(
    ("text", "gold", "verdict"),
    [
        ("so \\boxed{0.5}", "\\frac{1}{2}", RIGHT),
        ("The answer is: $\\frac12$", "\\frac{1}{2}", RIGHT),
        ("Final Answer: The final answer is $2x+3$. I hope it is correct.", "3+2x", RIGHT),
        ("so \\(x = 5\\)", "5", RIGHT),
        ("the answer is 5 apples", "5", RIGHT),
        ("the answer is 5x", "5", WRONG),
        ("\\boxed{(1,2)}", "(1, 2)", RIGHT),
        ("\\boxed{(2,1)}", "(1,2)", WRONG),
        ("\\boxed{\\text{Evelyn}}", "\\text{evelyn}", RIGHT),
        ("\\boxed{C}", "\\text{(C)}", RIGHT),
        ("\\boxed{2\\sqrt{3}}", "\\sqrt{12}", RIGHT),
        ("\\boxed{90^\\circ}", "90", RIGHT),
        ("\\boxed{11{,}111}", "11,\\!111", RIGHT),
        ("we find $y$ and then $4$", "4", RIGHT),
        ("we find 4", "4", RIGHT),
        ("no answer at all", "4", INVALID),
    ],
)
def test_robust_math(text: str, gold: str, verdict: Judgement) -> None:
    assert ROBUST_MATH.judge(text, gold) is verdict


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (b).", "B"),
        ("The answer is a lot: C", "C"),
        ("Answer: D) 5", "D"),
        ("\\boxed{\\text{E}}", "E"),
        ("Option (A) is wrong, so it is (B) because of that", "B"),
        ("That is why I choose\n\n**C**", "C"),
        ("A train is fast", None),
    ],
)
def test_robust_choice(text: str, answer: str | None) -> None:
    assert ROBUST_CHOICE.extract(text) == answer


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@settings(deadline=None)
@given(text=st.one_of(st.text(), _LATEX, st.text("0123456789,./-$ %=*()xA\\{}", max_size=20)))
def test_any_text_gets_a_verdict(rule: Rule, text: str) -> None:
    # Comparing LaTeX by Math-Verify has tests of its own: it takes its time.
    assert rule.extract(text) is None or isinstance(rule.extract(text), str)
    if rule is not ROBUST_MATH:
        assert rule.judge(text, "B" if "choice" in rule.name else "2") in set(Judgement)


@pytest.mark.slow
def test_endless_algebra_ends_and_the_next_answer_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "TIME_LIMIT", 3.0)
    assert ROBUST_MATH.judge("\\boxed{10^{10^{10^{10}}}}", "1+x") is WRONG
    assert ROBUST_MATH.judge("\\boxed{x+1}", "1+x") is RIGHT


def test_math_verify_works_beside_other_threads_and_after_its_process_was_killed() -> None:
    verdicts: list[Judgement] = []

    def judge() -> None:
        verdicts.append(ROBUST_MATH.judge("\\boxed{x+2}", "2+x"))

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [RIGHT] * 4
    children = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "verifier_process"], capture_output=True, text=True
    )
    for process in children.stdout.split():
        os.kill(int(process), signal.SIGKILL)
    judge()
    assert ROBUST_MATH.judge("\\boxed{x+2}", "2+x") is RIGHT


def test_math_verify_leaves_no_process_behind() -> None:
    code = (
        "from axolotl_cotmask.evaluation.answers import ROBUST_MATH, verifier\n"
        "print(ROBUST_MATH.judge('\\\\boxed{x+1}', '1+x'), verifier._VERIFIER._process.pid)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    verdict, process = run.stdout.split()
    assert verdict == "true"
    assert not Path("/proc", process).exists()


def test_agrees_with_openais_verdicts_on_four_models(real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "generations" / "openai_gsm8k_example_solutions.jsonl"))
    assert len(rows) == 1319
    differing = [
        (rule.name, model, row["question"])
        for row in rows
        for model, output in row.items()
        if isinstance(output, dict)
        for rule in (OPENAI_GSM8K, ROBUST_NUMBER)
        if (rule.judge(output["solution"], row["ground_truth"]) is RIGHT) != output["is_correct"]
    ]
    assert differing == []


def test_the_robust_rule_on_generations_that_keep_to_the_form(real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "generations" / "llama2_7b_gsm8k_hash_rule.jsonl"))
    verdicts = Counter((row["judge"], str(ROBUST_NUMBER.judge(row["kd_data"][0], row["target"][0]))) for row in rows)
    # It reads an answer from nine texts that do not keep to the form, all wrong; the 14 others break off.
    assert verdicts == {
        ("true", "true"): 496,
        ("false", "false"): 800,
        ("invalid", "false"): 9,
        ("invalid", "invalid"): 14,
    }


def _number(gold: str) -> str:
    return gold.rpartition("#### ")[2]


#: file -> how a row's answer is read, and the rules for it, each with the phrasings that it accepts.
_NUMBER_FORMS: list[tuple[Rule, list[Callable[[str], str]]]] = [
    (GSM8K_HASH, ["so\n#### {}".format]),
    (OPENAI_GSM8K, ["so\nA: {}".format]),
    (MAMMOTH_NUMBER, ["The answer is {}".format, "so\n#### {}".format, "x = {}".format]),
    (
        ROBUST_NUMBER,
        [
            "so\n#### {}".format,
            "The answer is: {}".format,
            "It is ${}.".format,
            "\\boxed{{{}}}".format,
            "**{} m**".format,
        ],
    ),
]
_MATH_FORMS: list[tuple[Rule, list[Callable[[str], str]]]] = [
    (MATH_BOXED, ["so $\\boxed{{{}}}$.".format]),
    (METAMATH_MATH, ["The answer is: {}".format, "The answer is: {}.".format]),
    (MAMMOTH_MATH, ["The answer is {}".format, "so $\\boxed{{{}}}$".format]),
    (ROBUST_MATH, ["The answer is: ${}$".format, "so $\\boxed{{{}}}$.".format, "so ${}$".format]),
]
_CHOICE_FORMS: list[tuple[Rule, list[Callable[[str], str]]]] = [
    (MAMMOTH_CHOICE, ["The answer is {}".format, "The answer is ({}).".format, "so {}".format]),
    (ROBUST_CHOICE, ["The answer is {}".format, "The answer is ({}).".format, "so\n{}".format, "\\boxed{{{}}}".format]),
]


#: Neighbours in MATH-500 whose answers differ as texts and are equal by a rule: the first by each, the others by
#: MAmmoTH's, which rounds, drops units and drops commas, so that (8,-2) becomes 8-2.
_EQUAL_IN_MATH500 = {
    ("5", "x=5"),
    ("\\frac{35}{64}", "1"),
    ("\\frac{11}{36}", "0"),
    ("\\frac{3}{2}", "2"),
    ("\\frac{3840}{289}", "13"),
    ("5.4 \\text{ cents}", "5"),
    ("\\frac{13}{6}", "2"),
    ("(8,-2)", "6"),
}


def _as_number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


@pytest.mark.parametrize(
    ("file", "answer", "forms"),
    [
        ("gsm8k_test", lambda row: _number(row["answer"]), _NUMBER_FORMS),
        ("svamp", lambda row: _as_number(row["Answer"]), _NUMBER_FORMS),
        ("multiarith", lambda row: _as_number(row["lSolutions"][0]), _NUMBER_FORMS),
        ("mawps_test", lambda row: _as_number(row["target"]), _NUMBER_FORMS),
        ("gsm8k_backward_fobar", lambda row: row["answer"], _NUMBER_FORMS),
        ("math500", lambda row: row["answer"], _MATH_FORMS),
        ("aqua_test", lambda row: row["correct"], _CHOICE_FORMS),
    ],
)
def test_golds_are_right_against_themselves_and_wrong_against_the_next(
    real_data: Path,
    file: str,
    answer: Callable[[dict[str, Any]], str],
    forms: list[tuple[Rule, list[Callable[[str], str]]]],
) -> None:
    answers = [answer(row) for row in read_jsonl(real_data / f"{file}.jsonl")]
    assert len(answers) > 200
    not_itself, the_next = [], []
    for gold, other in zip(answers, answers[1:] + answers[:1], strict=True):
        for rule, phrasings in forms:
            for phrase in phrasings:
                if rule.judge(phrase(gold), gold) is not RIGHT:
                    not_itself.append((rule.name, phrase(gold)))
            if gold != other and rule.judge(phrasings[0](gold), other) is RIGHT:
                the_next.append((rule.name, gold, other))
    assert not_itself == []
    assert [pair for pair in the_next if pair[1:] not in _EQUAL_IN_MATH500] == []
    others = [pair for pair in the_next if pair[0] != "mammoth_math"]
    assert {pair[1:] for pair in others} <= {("5", "x=5")}
