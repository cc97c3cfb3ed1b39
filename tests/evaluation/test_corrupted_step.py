"""Corrupted steps: which steps make a case, what is replaced, how a continuation is read, and the command."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from support.hermetic import RealData
from support.project import write_jsonl

from axolotl_cotmask.cli.analyze.corrupted_step import corrupted_step
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.sources import load
from axolotl_cotmask.evaluation.benchmarks.corrupted_step import (
    NoCaseReason,
    StepCase,
    StepCases,
    StepKind,
    StepOutcome,
    converse,
    find_cases,
    read_operand,
)
from axolotl_cotmask.evaluation.benchmarks.corrupted_step_task import (
    consistent_janet_cases,
    janet_cases,
    process_janet,
    process_janet_consistent,
)
from axolotl_cotmask.evaluation.benchmarks.stated_numbers import statements, written

Row = dict[str, str]

NATALIA = {
    "question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips.\n#### 72",
}
DUCKS = {
    "question": "Janet's ducks lay 16 eggs per day. She eats three for breakfast and bakes with four.",
    "answer": "Janet has 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\n#### 9",
}


def rows_of(a: int, b: int, c: int) -> tuple[Row, Row]:
    """One problem in GSM8K's format and in the spaced one; its steps are a + b and (a + b) * c."""
    r, s = a + b, (a + b) * c
    question = f"Ann has {a} apples. Ben has {b} apples more. Cid has {c} times as many apples as Ben."
    gsm8k = f"Ben has {a}+{b}=<<{a}+{b}={r}>>{r} apples.\nCid has {r}*{c} = <<{r}*{c}={s}>>{s} apples.\n#### {s}"
    spaced = (
        f"Ben has {a} + {b} = << {a} + {b} = {r} >> {r} apples . "
        f"Cid has {r} * {c} = << {r} * {c} = {s} >> {s} apples . #### {s}"
    )
    return {"question": question, "answer": gsm8k}, {"question": question.replace(".", " ."), "answer": spaced}


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, int, int]:
    numbers = st.integers(2, 999)
    a, b, c = draw(numbers), draw(numbers), draw(numbers)
    assume(len({a, b, c, a + b, (a + b) * c}) == 5)
    return a, b, c


def only(cases: StepCases, kind: StepKind) -> StepCase:
    (case,) = cases.of_kind(kind)
    return case


def one_step(question: str, step: str, before: str = "") -> StepCases:
    return find_cases([{"question": question, "answer": f"{before}{step}\n#### 1"}])


@given(problems(), st.booleans())
def test_what_is_forced(problem: tuple[int, int, int], spaced: bool) -> None:
    a, b, c = problem
    row = rows_of(a, b, c)[spaced]
    cases = find_cases([row])
    first, later = only(cases, StepKind.FIRST), only(cases, StepKind.LATER)
    assert (first.stated, first.operand, first.step) == (str(a), 0, 1)
    assert (later.stated, later.operand, later.step) == (str(c), 1, 2)
    space = " " if spaced else ""
    assert first.prefix == f"Ben has {first.replacement}{space}+{space}{b}{space}="
    true, _, _ = row["answer"].partition("Cid")
    assert later.prefix.startswith(true + f"Cid has {a + b}")
    assert later.prefix.endswith(f"* {later.replacement} =" if spaced else f"*{later.replacement} =")
    used = set(re.findall(r"\d+", row["question"] + row["answer"]))
    for case in (first, later):
        assert case.replacement not in used
        assert len(case.replacement) == len(case.stated)
        assert case.replacement[0] != "0"
        assert case.replacement not in {"0", "1"}
        zeros = len(case.stated) - len(case.stated.rstrip("0"))
        assert int(case.replacement) % 10**zeros == 0
        # Six of the nearest: used numbers and both ends of the range push the farthest out, but not far.
        assert abs(int(case.replacement) - int(case.stated)) <= 15 * 10**zeros
        assert re.findall(r"\d+", case.prefix).count(case.replacement) == 1
        assert case.prefix[slice(*case.prefix_at)] == case.replacement
        assert case.question[slice(*case.question_at)] == case.stated


@given(problems(), st.booleans(), st.sampled_from(["<<{}+{}=", " $<< {} + {} = 8 >> 8", " <<{}.0 + {}=8>>8\n#### 8"]))
def test_reading_what_a_template_writes(problem: tuple[int, int, int], spaced: bool, template: str) -> None:
    a, b, c = problem
    case = only(find_cases([rows_of(a, b, c)[spaced]]), StepKind.FIRST)
    swapped = converse(case)
    assert read_operand(case, template.format(a, b)) is StepOutcome.QUESTION
    assert read_operand(case, template.format(case.replacement, b)) is StepOutcome.PREFIX
    assert read_operand(swapped, template.format(a, b)) is StepOutcome.PREFIX
    assert read_operand(swapped, template.format(case.replacement, b)) is StepOutcome.QUESTION
    third = next(n for n in range(5) if str(n) not in (case.stated, case.replacement))
    assert read_operand(case, template.format(third, b)) is StepOutcome.OTHER
    assert read_operand(case, template.format(a, f"{b}+1")) is StepOutcome.OTHER


@given(problems(), st.booleans())
def test_the_converse_exchanges_the_numbers(problem: tuple[int, int, int], spaced: bool) -> None:
    row = rows_of(*problem)[spaced]
    for case in find_cases([row]).cases:
        swapped = converse(case)
        assert row["answer"].startswith(swapped.prefix)
        start, end = case.question_at
        assert swapped.question == row["question"][:start] + case.replacement + row["question"][end:]
        assert (swapped.stated, swapped.replacement) == (case.replacement, case.stated)
        assert converse(swapped) == case


@given(st.lists(problems(), min_size=2, max_size=5, unique=True), st.randoms())
def test_order_and_company_of_rows_do_not_matter(numbers: list[tuple[int, int, int]], random: Any) -> None:
    rows = [rows_of(*problem)[0] for problem in numbers]
    shuffled = random.sample(rows, len(rows))

    def cases(rows: Sequence[Row]) -> dict[tuple[str, StepKind], tuple[str, str]]:
        return {(case.question, case.kind): (case.prefix, case.replacement) for case in find_cases(rows).cases}

    assert cases(rows) == cases(shuffled)
    assert [case.row for case in find_cases(rows).cases] == [row for row in range(1, len(rows) + 1) for _ in StepKind]


def test_replacements_are_pinned() -> None:
    case = only(find_cases([NATALIA]), StepKind.FIRST)
    assert case.prefix == "Natalia sold 46/2 =", "published shares depend on the drawn numbers"


@pytest.mark.parametrize(
    ("question", "step", "reason"),
    [
        ("She has 48.", "She has some.", NoCaseReason.NO_STEP),
        ("She has 48.", "She has <<48/2=24>>24.", NoCaseReason.NOT_REPEATED),
        ("She has 48.", "She has 48+x = <<48+x=50>>50.", NoCaseReason.NOT_REPEATED),
        ("She has 48 at 40%.", "That is 40% of 48 = <<48*40*.01=19.2>>19.2.", NoCaseReason.NOT_REPEATED),
        ("She has 48.", "So n * 48/3 = <<48/3=16>>16.", NoCaseReason.NOT_REPEATED),
        ("She has 48.", "So n = 48 = <<48=48>>48.", NoCaseReason.NOT_REPEATED),
        ("She has 48.", "She has 16 left, as 48/3 = <<48/3=16>>16.", NoCaseReason.RESULT_GIVEN),
        ("She has 4.5.", "She has 4.5/1 = <<4.5/1=4.5>>4.5.", NoCaseReason.NOT_WHOLE),
        ("She has 48.", "She has 48*48 = <<48*48=2304>>2304.", NoCaseReason.REPEATED),
        ("She has some.", "She has 48/3 = <<48/3=16>>16.", NoCaseReason.NOT_STATED),
        ("She has 2/3 of it.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.NOT_PLAIN),
        ("She has 3 1/2 of it.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.NOT_PLAIN),
        ("She has three and a half.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.NOT_PLAIN),
        ("She has two-thirds.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.NOT_PLAIN),
        ("She is in grades 4 – 7.", "There are 4*17 = <<4*17=68>>68.", NoCaseReason.NOT_PLAIN),
        ("She is in grades 4-7.", "There are 7*17 = <<7*17=119>>119.", NoCaseReason.NOT_PLAIN),
        ("It is 5:30.", "She has 30*17 = <<30*17=510>>510.", NoCaseReason.NOT_PLAIN),
        ("On the 3rd.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.NOT_PLAIN),
        ("In the 80s.", "She has 80*17 = <<80*17=1360>>1360.", NoCaseReason.NOT_PLAIN),
        ("She has 5 million.", "She has 5*17 = <<5*17=85>>85.", NoCaseReason.NOT_PLAIN),
        ("She sells twice as many.", "She sells 2*17 = <<2*17=34>>34.", NoCaseReason.NOT_PLAIN),
        ("She sells half.", "She sells 17*2 = <<17*2=34>>34.", NoCaseReason.NOT_PLAIN),
        ("She sells double.", "She sells 17*2 = <<17*2=34>>34.", NoCaseReason.NOT_PLAIN),
        ("She sells a dozen.", "She sells 12*17 = <<12*17=204>>204.", NoCaseReason.NOT_PLAIN),
        ("She works a week.", "She works 7*17 = <<7*17=119>>119.", NoCaseReason.NOT_PLAIN),
        ("She has 48 and 48.", "She has 48/3 = <<48/3=16>>16.", NoCaseReason.STATED_AGAIN),
        ("She has 3 and three.", "She has 3*17 = <<3*17=51>>51.", NoCaseReason.STATED_AGAIN),
        ("She has 12 in a dozen.", "She has 12*17 = <<12*17=204>>204.", NoCaseReason.STATED_AGAIN),
        ("She has 100 and sells 5%.", "She has 100*17 = <<100*17=1700>>1700.", NoCaseReason.STATED_AGAIN),
        ("She has 1,000, or 1000.0.", "She has 1000*17 = <<1000*17=17000>>17000.", NoCaseReason.STATED_AGAIN),
        ("She has 48.", "Of her 48 she has 48/3 = <<48/3=16>>16.", NoCaseReason.EARLIER),
        ("She has 3.", "With three she has 3*17 = <<3*17=51>>51.", NoCaseReason.EARLIER),
        ("2 3 4 5 6 7 8 9", "It is 3*17 = <<3*17=51>>51.", NoCaseReason.NO_REPLACEMENT),
    ],
)  # fmt: skip
def test_no_case(question: str, step: str, reason: NoCaseReason) -> None:
    cases = one_step(question, step)
    assert cases.reasons[StepKind.FIRST] == {reason: 1}
    assert cases.reasons[StepKind.LATER] == {NoCaseReason.NO_STEP: 1}
    assert not cases.cases


@pytest.mark.parametrize(
    ("question", "step", "stated", "pattern"),
    [
        ("She eats three.", "Left are 16 eggs - 3 eggs = <<16-3=13>>13.", "3", r"16 eggs - (\d) eggs ="),
        ("She eats twenty-five.", "Left: 90 - 25 = <<90-25=65>>65.", "25", r"90 - (\d\d) ="),
        ("It costs $80,000.", "It is 80,000+5 = $<<80000+5=80005>>80,005", "80000", r"is (\d\d,\d\d\d)\+5 ="),
        ("It is 60% more.", "It is 60/100 * 17 = <<60/100*17=10.2>>10.2", "60", r"is (\d\d)/100 \* 17 ="),
        ("He drives 30mph.", "It is 30*.5=<<30*.5=15>>15", "30", r"is (\d\d)\*.5="),
        ("He has a 7-year-old.", "It is (7 + 1) x 9 = <<(7+1)*9=72>>72", "7", r"is \((\d) \+ 1\) x 9 ="),
        ("On -48 degrees.", "It is $48 × 2 =$<<48*2=96>>96", "48", r"is \$(\d\d) × 2 ="),
        ("She gave 18 4-minute talks.", "It is 18*4 = <<18*4=72>>72", "18", r"is (\d\d)\*4 ="),
        ("She has 48.", "x = 48/2 = <<48/2=24>>24", "48", r"x = (\d\d)/2 ="),
    ],
)  # fmt: skip
def test_cases_in_many_manners(question: str, step: str, stated: str, pattern: str) -> None:
    case = only(one_step(question, step), StepKind.FIRST)
    assert case.stated == stated
    match = re.search(pattern, case.prefix)
    assert match is not None, case.prefix
    assert match.end() == len(case.prefix)
    assert match[1].replace(",", "") == case.replacement != stated


def test_the_earliest_operand_and_step_count() -> None:
    answer = "It is 7*8 = <<7*8=56>>56.\nIt is 56+5 = <<56+5=61>>61.\nIt is 61+9=<<61+9=70>>70.\n#### 70"
    cases = find_cases([{"question": "It has 8 of 7, then 9 and 5.", "answer": answer}])
    assert [(case.stated, case.step, case.operand) for case in cases.cases] == [("7", 1, 0), ("5", 2, 1)]


def test_a_result_that_comes_back_is_not_read_in_the_question() -> None:
    answer = "It is 2*3 = <<2*3=6>>6.\nIt is 6*7 = <<6*7=42>>42.\n#### 42"
    cases = find_cases([{"question": "It has 2 of 3 and of 6, 7 times.", "answer": answer}])
    assert only(cases, StepKind.LATER).stated == "7"


def test_a_word_is_replaced_by_a_word() -> None:
    row = {"question": "Twenty-five sheep.", "answer": "It is 25*3 = <<25*3=75>>75.\n#### 75"}
    case = only(find_cases([row]), StepKind.FIRST)
    assert converse(case).question == f"{written(int(case.replacement), 'Word')} sheep."
    assert [s.value for s in statements(converse(case).question) if s.plain] == [int(case.replacement)]


@given(st.integers(0, 99), st.booleans())
def test_number_words_are_read_as_they_are_written(value: int, capital: bool) -> None:
    word = written(value, "Word" if capital else "word")
    (statement,) = statements(f"She has {word} of them.")
    assert (statement.value, statement.plain, statement.end - statement.start) == (value, True, len(word))
    assert word[0].isupper() == capital


# The question says 48, the prefix says 57: "57/2 =".
@pytest.mark.parametrize(
    ("continuation", "outcome"),
    [
        (" <<48/2=24>>24 clips.", StepOutcome.QUESTION),
        ("<<48/2=", StepOutcome.QUESTION),
        (" $<< 48 / 2 = 24 >> 24", StepOutcome.QUESTION),
        (" <<48.0/2=24>>", StepOutcome.QUESTION),
        (" <<48/2>>24", StepOutcome.QUESTION),
        (" <<-48/2=24>>", StepOutcome.QUESTION),
        (" 48/2 = <<48/2=24>>", StepOutcome.QUESTION),
        ("\n<<48/2=24>>", StepOutcome.QUESTION),
        (" <<48/57=1>>", StepOutcome.QUESTION),
        (" <<48/2=24>> and <<57/2=28.5>>", StepOutcome.QUESTION),
        (" <<57/2=28.5>>28.5", StepOutcome.PREFIX),
        (" <<57/48=1>>", StepOutcome.PREFIX),
        (" <<2/48=24>>", StepOutcome.OTHER),
        (" <<48/2/1=24>>", StepOutcome.OTHER),
        (" <<48=48>>", StepOutcome.OTHER),
        (" <<=24>>", StepOutcome.OTHER),
        (" <<.48/2=.24>>", StepOutcome.OTHER),
        (" <<4,800/2=2400>>", StepOutcome.OTHER),
        (" 24 clips.\nShe sold <<48/2=24>>24.", StepOutcome.NONE),
        (" <<48/2", StepOutcome.NONE),
        (" 24 clips.", StepOutcome.NONE),
        ("", StepOutcome.NONE),
    ],
)
def test_reading(continuation: str, outcome: StepOutcome) -> None:
    case = StepCase(
        question="48", prefix="57/2 =", answer="", stated="48", replacement="57", operand=0, operands=2, step=1,
        kind=StepKind.FIRST, row=1, question_at=(0, 2), prefix_at=(0, 2),
    )  # fmt: skip
    assert read_operand(case, continuation) is outcome


def test_reading_thousands() -> None:
    row = {"question": "It costs $80,000.", "answer": "It is 80,000+5 = $<<80000+5=80005>>80,005\n#### 80005"}
    assert read_operand(only(find_cases([row]), StepKind.FIRST), "$<<80,000+5=80005>>") is StepOutcome.QUESTION


WORDS_TO_NINE = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# As Fig. 4 and 5 of the paper print it.
PRINTED = "First find the number of eggs remaining after Janet eats three for breakfast: 16 eggs/day - {} eggs/day"


def test_janets_ducks_in_both_directions() -> None:
    cases = janet_cases([NATALIA, DUCKS])
    kept, changed = cases[::2], cases[1::2]
    assert [case.prefix for case in kept] == [PRINTED.format(n) for n in range(10)]
    assert {case.question for case in kept} == {DUCKS["question"]}
    assert {case.prefix for case in changed} == {PRINTED.format(3)}
    assert [case.question for case in changed] == [DUCKS["question"].replace("three", word) for word in WORDS_TO_NINE]
    assert {case.row for case in cases} == {2}
    copying = [read_operand(case, f" = <<16-{n}=0>>") for n, case in enumerate(kept)]
    assert copying == [StepOutcome.QUESTION if n == 3 else StepOutcome.PREFIX for n in range(10)]
    assert {read_operand(case, " = <<16-3=13>>") for case in kept} == {StepOutcome.QUESTION}
    assert {read_operand(case, f" = <<16-{n}=0>>") for n, case in enumerate(changed)} == {StepOutcome.QUESTION}


def test_janets_control_has_no_other_number() -> None:
    cases = consistent_janet_cases([NATALIA, DUCKS])
    without = PRINTED.replace(" three", "")
    assert [case.prefix for case in cases] == [without.format(n) for n in range(10)]
    assert [case.question for case in cases] == [DUCKS["question"].replace("three", word) for word in WORDS_TO_NINE]


@pytest.mark.parametrize(
    ("continuation", "follows", "right"),
    [
        (" = <<16-5=11>>11 eggs/day", 1.0, 1.0),
        (" = <<16 - 5 = 11>>", 1.0, 1.0),
        (" = $<<16.0-5.00=$11.0>>", 1.0, 1.0),
        (" = <<16-5=12>>12", 1.0, 0.0),
        (" = <<16-5=", 1.0, 0.0),
        (" = <<16-5>>11", 1.0, 0.0),
        (" = <<16-5=11=11>>", 1.0, 0.0),
        (" = <<16-3=13>>", 0.0, 0.0),
        (" = <<16+5=21>>", 0.0, 0.0),
        (" = <<15-5=10>>", 0.0, 0.0),
        (" = <<5-16=11>>", 0.0, 0.0),
        (" = <<16-5-4=7>>", 0.0, 0.0),
        (" = <<16-5" + "0" * 5000 + "=11>>", 0.0, 0.0),
        (" = 11 eggs/day\n<<16-5=11>>", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_what_computes_the_difference(continuation: str, follows: float, right: float) -> None:
    doc = asdict(consistent_janet_cases([DUCKS])[5])
    metrics = process_janet_consistent(doc, [continuation])
    assert (metrics["follows_question"], metrics["calculates_right"]) == (follows, right)
    changed = asdict(janet_cases([DUCKS])[11])
    assert process_janet(changed, [continuation])["follows_changed_question"] == follows


def test_janets_ducks_are_missing() -> None:
    with pytest.raises(CoTMaskError, match="no row asks about Janet's ducks"):
        janet_cases([NATALIA])
    with pytest.raises(CoTMaskError, match="row 2: the question about Janet's ducks does not say 'three' once"):
        janet_cases([NATALIA, {**DUCKS, "question": "Janet has 3 ducks."}])


def test_rows_without_text() -> None:
    with pytest.raises(CoTMaskError, match="row 2: the field 'answer' holds no text"):
        find_cases([NATALIA, {"question": "q", "answer": None}])


@pytest.fixture
def real_rows(real_data: RealData, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    real_data.needs("gsm8k_test.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    return list(load("gsm8k_test"))


def test_real_counts(real_rows: list[Row]) -> None:
    cases = find_cases(real_rows)
    assert {kind: len(cases.of_kind(kind)) for kind in StepKind} == {StepKind.FIRST: 755, StepKind.LATER: 541}
    assert cases.reasons[StepKind.FIRST] == {
        NoCaseReason.NO_STEP: 18, NoCaseReason.NOT_REPEATED: 88, NoCaseReason.RESULT_GIVEN: 87, NoCaseReason.NOT_WHOLE: 11,
        NoCaseReason.REPEATED: 45, NoCaseReason.NOT_STATED: 6, NoCaseReason.NOT_PLAIN: 25, NoCaseReason.STATED_AGAIN: 68, NoCaseReason.EARLIER: 216,
    }  # fmt: skip
    assert cases.reasons[StepKind.LATER].total() == 1319 - 541
    (ducks,) = {case.row for case in janet_cases(real_rows)}
    assert ducks == 1


WORDS = dict(
    zip(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        range(2, 13),
        strict=True,
    )
)


def plain_numbers(text: str) -> list[float]:
    """The numbers of a text, by splitting it at what is no letter, digit, comma or point; without words above twelve."""
    found = []
    for piece in re.split(r"[^A-Za-z0-9.,]+", re.sub(r"[a-z]+ty-[a-z]+", "", text, flags=re.IGNORECASE)):
        for token in re.split(r"(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)", piece.rstrip(".,")):
            try:
                found.append(float(WORDS.get(token.lower().strip("."), token.replace(",", ""))))
            except ValueError:
                continue
    return found


def test_real_cases_by_a_plain_loop(real_rows: list[Row]) -> None:
    cases = find_cases(real_rows).cases
    assert len(cases) > 1000
    for case in cases:
        row = real_rows[case.row - 1]
        stated, replacement = float(case.stated), float(case.replacement)
        large_word = stated > 12 and case.question[slice(*case.question_at)][0].isalpha()
        assert plain_numbers(case.question).count(stated) == (not large_word), case
        assert case.question == row["question"]
        assert stated not in plain_numbers(case.prefix), case
        assert plain_numbers(case.prefix).count(replacement) == 1, case
        assert replacement not in plain_numbers(row["question"] + " " + row["answer"]), case
        assert len(case.stated) == len(case.replacement)
        true = (
            case.prefix[: case.prefix_at[0]] + row["answer"][slice(*case.prefix_at)] + case.prefix[case.prefix_at[1] :]
        )
        assert row["answer"].startswith(true), case
        assert row["answer"][: len(true)].count("<<") == case.step - 1
        rest = re.match(r"\s*\$?<<([^=]*)=", row["answer"][len(true) :])
        assert rest is not None, case
        operands = [float(number) for number in re.split(r"[-+*/() ]+", rest[1].replace(",", "")) if number]
        assert operands[case.operand] == stated, case
        assert operands.count(stated) == 1, case
        assert len(operands) == case.operands


def test_real_simple_first_steps_are_found(real_rows: list[Row]) -> None:
    """Rows that any reader would call a case: two whole operands, of which the first is large and stated once."""
    found = {case.row: case for case in find_cases(real_rows).of_kind(StepKind.FIRST)}
    simple = 0
    for place, row in enumerate(real_rows, start=1):
        match = re.match(r"([A-Za-z ]*)\b(\d+) ?([-+*/]) ?(\d+) ?= ?\$?<<(\d+)([-+*/])(\d+)=(\d+)>>", row["answer"])
        if match is None or match.group(2, 3, 4) != match.group(5, 6, 7):
            continue
        number = match[2]
        if int(number) <= 100 or number in {"365", "1000", match[4]}:
            continue
        if len(re.findall(rf"(?<![\d,.]){number}(?![\d,.]*\d)", row["question"].replace(",", ""))) != 1:
            continue
        if re.search(rf"{number} ?[-–/:]|{number}(?:th| million| thousand)", row["question"]):
            continue
        simple += 1
        assert found[place].stated == number, row
    assert simple >= 20


def command(*arguments: str | Path) -> Any:
    return CliRunner().invoke(corrupted_step, [str(argument) for argument in arguments])


def test_the_command_counts_and_shows(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [NATALIA, {"question": "q", "answer": "#### 1"}])
    result = command("--data", data, "--json", "--show", "5")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["rows"] == 2
    assert content["cases"] == {"first": 1, "later": 0}
    assert content["reasons"] == {
        "first": {NoCaseReason.NO_STEP: 1},
        "later": {NoCaseReason.EARLIER: 1, NoCaseReason.NO_STEP: 1},
    }
    assert [case["prefix"] for case in content["shown"]] == ["Natalia sold 46/2 ="]
    text = command("--data", data, "--show", "1").output
    assert "Natalia sold 46/2 =" in text
    assert "Natalia sold 48/2 = <<48/2=24>>24 clips in May." in text
    assert re.search(r"rows with a case +1 +0\n", text)


def test_the_command_spreads_what_it_shows(tmp_path: Path) -> None:
    rows = [rows_of(20 + n, 300 + n, 4000 + n)[0] for n in range(10)]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    shown = json.loads(command("--data", data, "--json", "--show", "4").stdout)["shown"]
    assert [case["row"] for case in shown] == [1, 3, 6, 8]


def test_the_commands_sentences(tmp_path: Path) -> None:
    def sentence(*arguments: str | Path) -> str:
        result = command(*arguments)
        assert result.exit_code == 1, result.output
        return result.stderr.removeprefix("Error: ").strip()

    nothing = write_jsonl(tmp_path / "nothing.jsonl", [{"question": "q", "answer": "#### 1"}])
    assert sentence("--data", nothing) == (
        f"{nothing}: none of the 1 rows has a step to corrupt (first step: no annotated step of this kind (1); "
        "later step: no annotated step of this kind (1)): give solutions with steps such as 48/2 = <<48/2=24>>24 and "
        "questions that state their numbers once"
    )
    number = write_jsonl(tmp_path / "number.jsonl", [NATALIA, {"question": "q", "answer": 1}])
    assert sentence("--data", number).startswith(f"{number}, row 2: the field 'answer' holds no text")
    short = write_jsonl(tmp_path / "short.jsonl", [{"question": "q"}])
    assert sentence("--data", short).startswith(f"{short}, line 1: the field 'answer' is missing")
    assert sentence("results") == "results: no label for the results: give LABEL=RESULTS, e.g. SFT=results"
    assert sentence("a=x", "a=y") == "the label a stands for two of them: give each its own label"
    assert sentence(f"a={tmp_path}").startswith(f"{tmp_path}: no results_*.json in it")
    usage = command("--show", "1", "a=x")
    assert usage.exit_code == 2
    assert "give one or the other" in usage.output
