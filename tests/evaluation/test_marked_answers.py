"""Where the answer stands that a rule reads, and which rule is behind verdicts."""

from __future__ import annotations

import pytest

from axolotl_cotmask.evaluation.answers import RULES
from axolotl_cotmask.evaluation.marked_answers import RatedText, parted, rule_behind

#: Rule, text with the read answer between ⟦ and ⟧; without them nothing is marked.
PLACES = [
    ("gsm8k_hash", "He has 48 of 48.\n#### ⟦48⟧"),
    ("gsm8k_hash", "#### ⟦1,234⟧ and not #### 1234"),
    ("gsm8k_hash", "It is 48."),
    ("gsm8k_hash", "#### ⟦-7.50⟧\0#### 8"),
    ("metamath_gsm8k", "5 and 5. The answer is: 4. The answer is: ⟦5⟧"),
    ("metamath_math", r"The answer is: ⟦\frac{1}{2}⟧. "),
    ("math_boxed", r"\boxed{3}, no, \boxed{⟦\sqrt{3}+1⟧}"),
    ("mammoth_choice", "A or B? The answer is ⟦C⟧."),
    ("openai_gsm8k", "A: 6\nA: ⟦7⟧"),
    ("robust_number", "So 12 + 30 = 42. The answer is **⟦42⟧**, that is 42 apples."),
    ("robust_number", "The answer is seventy-two."),
    ("robust_number", "x" * 100_000 + " #### ⟦9⟧"),
    ("robust_choice", "Not A. I choose (⟦B⟧)."),
    ("gsm8k_hash", ""),
]


@pytest.mark.parametrize(("rule", "marked"), PLACES)
def test_the_mark_stands_where_the_rule_reads(rule: str, marked: str) -> None:
    text = marked.replace("⟦", "").replace("⟧", "")
    found = parted(text, RULES[rule])
    assert (marked if found is None else "{}⟦{}⟧{}".format(*found)) == marked
    assert (found is None) == ("⟦" not in marked)


def test_the_rule_behind_verdicts_saw_the_question() -> None:
    text = "So Tom has 5 apples left and Ann has 3."
    asked = RatedText(text, "5", True, "How many apples does Tom have left?")
    rule = rule_behind([asked])
    assert rule is not None
    assert rule.name == "robust_number"
    assert parted(text, rule.about(asked.question)) == ("So Tom has ", "5", " apples left and Ann has 3.")
    assert rule_behind([RatedText(text, "5", True)]) is not rule, "it did not see it"


def test_the_rule_is_known_by_its_verdicts() -> None:
    texts = ["#### 5", "#### 6", r"\boxed{5}", "The answer is: 5", "I say 5"]

    def behind(*right: bool, gold: str = "#### 5") -> str | None:
        rule = rule_behind([RatedText(text, gold, each) for text, each in zip(texts, right, strict=True)])
        return None if rule is None else rule.name

    assert behind(True, False, False, False, False) == "gsm8k_hash"
    assert behind(True, False, True, True, True) == "mammoth_number", "the first that says so"
    assert behind(False, False, False, True, False) == "metamath_gsm8k"
    assert behind(False, True, False, False, False) is None, "no rule says so"
    assert behind(False, False, False, False, False) is None, "any rule might say so"
    assert behind(True, False, False, False, False, gold="nothing") is None
