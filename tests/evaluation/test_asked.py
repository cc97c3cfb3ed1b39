"""What a robust rule reads with the question at hand, where a last sentence holds several numbers: a line per rule."""

from __future__ import annotations

import pytest

from axolotl_cotmask.evaluation.answers import GSM8K_HASH, ROBUST_CHOICE, ROBUST_MATH, ROBUST_NUMBER, RULES, Judgement

APPLES = "Tom and Ann pick 20 apples and eat some. How many apples does {} have left?"
TOM, ANN = APPLES.format("Tom"), APPLES.format("Ann")

#: What it shows: question, text, what is read without the question, what is read with it.
READ = {
    "the name": (TOM, "So Tom has 5 apples left and Ann has 3.", None, "5"),
    "the other name": (ANN, "So Tom has 5 apples left and Ann has 3.", None, "3"),
    "a pronoun is neither": (APPLES.format("he"), "So Tom has 5 apples left and Ann has 3.", None, None),
    "a relative is another one": ("How old is Tom?", "Tom's sister is 9 and Tom is 6.", None, "6"),
    "days are not persons": (
        "How many does he do on Tuesday?",
        "He does 15 on Tuesday and 20 on Wednesday.",
        None,
        "15",
    ),
    "a month that is a small word": ("How many did it sell in May?", "It sold 48 in April and 24 in May.", None, "24"),
    "the unit": ("How many sheep are there?", "He has 40 sheep and 24 cows.", None, "40"),
    "the unit in the same clause": ("How many bags does she sell?", "She sells 75 plums in 5 bags.", "75", "5"),
    "the unit behind in": ("How far is it in miles?", "It is 3 km and 2 miles.", None, "2"),
    "money": ("A pen costs $3. How much does he pay?", "He buys 7 pens and pays $21.", None, "21"),
    "no money": ("How many pens does he buy?", "He buys 7 and has $3 left.", None, "7"),
    "percent": ("What percent of the class walk?", "12 students walk and 40% of the class do so.", "12", "40"),
    "years of age": ("How old is Amy now?", "Amy is 18 now and will be 23 in 5 years.", None, "18"),
    "what is left": ("How many seats are left?", "33 seats are taken and 12 are left.", "33", "12"),
    "each": ("How much does each pay? A boat is $48.", "Each pays $12, for a total of $48.", "48", "12"),
    "in all": ("How many km does she walk in all?", "She walks 35 km in all and 7 km each day.", None, "35"),
    "not each": ("How many km does she walk in 5 days?", "She walks 35 km and 7 km each day.", None, "35"),
    "a total that is not said": (
        "How many km does she walk in total?",
        "She walks 3 km and he walks 4 km.",
        None,
        None,
    ),
    "a rest that is not said": ("How many does Tom have left?", "Tom has 12 apples and gives 5 to Ann.", "5", None),
    "a rest that is not spoken of": ("How many apples are left?", "It has 33 apples and 12 pears.", None, None),
    "a difference that is not said": ("How much longer is it?", "The rope is 45 m and the cord is 28 m.", None, None),
    "a subject that is left out": ("How many coins has Wes?", "Wes has 30 coins and finds 2.", None, None),
    "a word beside one of them": ("How many marbles are blue?", "So 16 marbles are blue and 8 are red.", "16", "16"),
    "a word that is said in another form": ("How many does he sell?", "He sold 72 rolls and gave away 24.", None, "72"),
    "small words do not count": ("How many are there?", "There were 12 of one and 16 of another.", None, None),
    "what is denied": ("How many are novels?", "180 are not novels and 120 are novels.", "180", "120"),
    "a number of what is asked": (
        "How high is it after 6 days?",
        "After 5 days it is 27 and after 6 days 30.",
        None,
        "30",
    ),
    "a year that is asked with": ("In how many years will Al be 40?", "Hence, Al will be 40 in 4 years.", "40", "4"),
    "a number of the question": (
        "He has 72 jars and each case takes 8 jars. How many cases does he have?",
        "He has 72 jars in 8 of these and has 9 with 72.",
        None,
        None,
    ),
    "a condition is not asked for": (
        "How many minutes does Ida need if each lap is 400 m?",
        "Ida swims 4800 m and needs 36 minutes.",
        None,
        "36",
    ),
    "the last question": ("How many cats are there? How many dogs?", "It has 9 dogs and 4 cats.", None, "9"),
    "no question": ("Tom has apples. Ann has some.", "So Tom has 5 apples left and Ann has 3.", None, None),
    "lines": ("How much does Tom earn?", "These are the results:\n- Tom: $50\n- Jane: $40", "40", "50"),
    "lines by equals signs": ("What is its width?", "2(w + 3w) = 40, so\nwidth = 5 cm\nlength = 15 cm", "15", "5"),
    "a sentence about another one": ("How old is Tom? Ann is older.", "Tom is 6. Ann is 9.", "9", "9"),
    "another one, before whom stands the one": ("Tom and Ann meet. How old is Tom?", "Tom is 6. Ann is 9.", "9", "6"),
    "a sentence that repeats the question": (
        "She pays a fee of $2. How much does Emma have left?",
        "Emma has 18 left. The fee is 2.",
        "2",
        "18",
    ),
    "a step is no sentence about another one": (
        "He gives 8 to Jan. How many apples does Tom have?",
        "Tom had 20 apples. Jan got some. Then 12 remain.",
        "12",
        "12",
    ),
    "one quantity in two units": ("How many minutes is it?", "It lasts 1 hour and 45 minutes.", None, None),
    "twelve and a half": ("How many pounds has Tom?", "Tom has 12 and a half pounds and Ann has 3.", None, "12.5"),
    "a bound": ("How many has Tom?", "Tom has more than 5 apples and Ann has 3.", "3", "3"),
    "a range": ("How many has Tom?", "Tom has 3 to 5 apples and Ann has 8.", "8", "8"),
    "an explanation": ("How many wings are there?", "If each bird has 2 wings there are 20 wings.", "20", "20"),
    "a conclusion": ("How many bags are left?", "Each bag takes 12 and she has 36, so 3 bags are left.", "3", "3"),
    "an explicit statement": (TOM, "The answer is 3. So Tom has 5 apples left and Ann has 3.", "3", "3"),
    "a statement behind a line that ends on old": (
        "In 2 years they are 28. How old is Seth?",
        "Seth is 54-52=2 years old\nA: 2",
        "2",
        "2",
    ),
    "an explicit statement of several": (
        TOM,
        "The answer is: Tom has 5 and Ann has 3.",
        "Tom has 5 and Ann has 3",
        "Tom has 5 and Ann has 3",
    ),
}


@pytest.mark.parametrize(("question", "text", "without", "read"), READ.values(), ids=READ)
def test_which_number_is_read(question: str, text: str, without: str | None, read: str | None) -> None:
    assert ROBUST_NUMBER.extract(text) == without
    assert ROBUST_NUMBER.about(question).extract(text) == read


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("What is $x$?", "x = 5"),
        ("Find $y$ if $x + y = 8$.", "y = 3"),
        ("Find $x$ and $y$.", "x = 5, y = 3"),
        ("What is $xy$?", "x = 5, y = 3"),
        ("What is $z$?", "x = 5, y = 3"),
    ],
)
def test_which_value_of_several_names_is_read(question: str, read: str) -> None:
    text = "Adding gives $2x = 10$. So $x = 5$ and $y = 3$."
    assert ROBUST_MATH.extract(text) == "x = 5, y = 3"
    assert ROBUST_MATH.about(question).extract(text) == read
    assert ROBUST_MATH.about(question).extract(text + " So \\boxed{7}") == "7"


def test_rules_that_never_look_at_the_question_are_as_they_are() -> None:
    looking = {name for name, rule in RULES.items() if rule.about(TOM) is not rule}
    assert looking == {"robust_number", "robust_math"}
    assert GSM8K_HASH.about(TOM) is GSM8K_HASH
    assert ROBUST_CHOICE.about(TOM) is ROBUST_CHOICE
    assert ROBUST_NUMBER.about(None) is ROBUST_NUMBER


def test_the_verdict_and_the_gold_with_a_question() -> None:
    rule = ROBUST_NUMBER.about(TOM)
    text = "So Tom has 5 apples left and Ann has 3."
    assert [rule.judge(text, gold) for gold in (5, "#### 5", 3)] == [Judgement.TRUE, Judgement.TRUE, Judgement.FALSE]
    assert ROBUST_NUMBER.judge(text, 5) is Judgement.INVALID
