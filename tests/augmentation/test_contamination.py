"""Near-duplicates: what is found, what is not, and what of the real data is near to what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hermetic import RealData
from support.project import write_jsonl

from axolotl_cotmask.augmentation.contamination import (
    SEED_SIMILARITY,
    TEST_SIMILARITY,
    KnownQuestions,
    load_test_questions,
    words,
)
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.evaluation.documents import question_text
from axolotl_cotmask.evaluation.results import AnswerRow

TRAIN = "A plane travels 1200 miles in 3 hours. At the same rate, how many additional hours would it take to travel an additional 2000 miles?"


def known(*questions: str, threshold: float = TEST_SIMILARITY, contained: bool = True) -> KnownQuestions:
    found = KnownQuestions(threshold, contained)
    for number, question in enumerate(questions):
        found.add(question, f"row {number}")
    return found


@pytest.mark.parametrize(
    "question",
    [
        TRAIN,
        TRAIN.upper(),
        f"  {TRAIN}\n",
        TRAIN.replace(" ", "  \n"),
        TRAIN.replace("1200", "900").replace("2000", "300"),
        TRAIN.replace("plane", "train"),
        TRAIN.replace(".", " !").replace(",", ""),
        TRAIN.translate({ord(a): ord(a) + 0xFEE0 for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}),
        TRAIN.replace("miles", "mi\u200bles").replace("hours", "ho\u00adurs"),
        f"{TRAIN} The pilot is forty years old, wears a blue cap that was made in Rome, and has a dog with a long tail.",
        f"Solve this. {TRAIN} Show all of your work, and think about it carefully before you write down the result.",
    ],
)
def test_a_test_question_is_known_again(question: str) -> None:
    near = known("How many legs have 3 dogs?", TRAIN).nearest(question)
    assert near is not None
    assert (near.question, near.place) == (TRAIN, "row 1")
    assert near.similarity > TEST_SIMILARITY


@pytest.mark.parametrize(
    "question", ["", "?!", "How many miles?", "A plane travels to Rome.", "Wie viele Beine haben 3 Hunde?"]
)
def test_another_question_is_not(question: str) -> None:
    assert known(TRAIN, "How many legs have 3 dogs?").nearest(question) is None


def test_scripts_without_spaces_and_with_accents_are_compared_too() -> None:
    chinese = "小明有十二个苹果他吃了三个还剩几个"
    assert words(chinese) == list(chinese)
    assert known(chinese).nearest(chinese.replace("三", "五")) is not None
    assert known(chinese).nearest("小红有二十本书借给朋友一半后来又买了八本") is None
    assert words("Él tenía 3,5 años") == ["él", "tenía", "3", "5", "años"]


def test_a_seed_may_be_contained_but_not_repeated() -> None:
    seeds = known(TRAIN, threshold=SEED_SIMILARITY, contained=False)
    assert seeds.nearest(f"{TRAIN} The pilot is forty years old and has a dog.") is None
    assert seeds.nearest(TRAIN.replace("plane", "train")) is not None, "one word of 23"
    assert seeds.nearest(TRAIN.replace("1200", "900").replace("2000", "300")) is None, "two words of 23"


def test_the_nearest_counts_whatever_the_order() -> None:
    near, nearer = TRAIN.replace("1200", "900"), TRAIN.replace("1200", "800")
    for questions in ([near, nearer, TRAIN], [TRAIN, nearer, near]):
        assert known(*questions).nearest(TRAIN).question == TRAIN  # type: ignore[union-attr]
    of_two = [known(*questions).nearest(TRAIN) for questions in ([near, nearer], [nearer, near])]
    assert of_two[0] is not None
    assert of_two[1] is not None
    assert of_two[0].question == of_two[1].question


@given(
    st.lists(st.text("ab c", min_size=1, max_size=14), min_size=1, max_size=6),
    st.text("ab c", max_size=14),
    st.booleans(),
)
def test_nothing_near_is_passed_over(questions: list[str], question: str, contained: bool) -> None:
    """Every pair is scored by hand here."""

    def lcs(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        return 1 + lcs(a[1:], b[1:]) if a[0] == b[0] else max(lcs(a[1:], b), lcs(a, b[1:]))

    def similarity(a: list[str], b: list[str]) -> float:
        common = lcs(a, b)
        return max(2 * common / (len(a) + len(b)), common / len(b) if contained else 0)

    new = words(question)
    most = max((similarity(new, words(other)) for other in questions if words(other)), default=0) if new else 0
    near = known(*questions, threshold=0.6, contained=contained).nearest(question)
    assert (near is not None) == (most > 0.6)
    if near is not None:
        assert near.similarity == pytest.approx(most)


def test_questions_of_any_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"Body": "Tom has 3 pens.", "Question": "How many pens has he?"},
        {"problem": "What is 2 + 3?", "solution": "5"},
        {"source": ["What is 5?"], "question": None},
    ]
    assert [question_text(AnswerRow("row", row)) for row in rows] == [
        "Tom has 3 pens. How many pens has he?",
        "What is 2 + 3?",
        "What is 5?",
    ]
    own = write_jsonl(tmp_path / "own.jsonl", rows)
    write_jsonl(tmp_path / "gsm8k_test.jsonl", [{"question": TRAIN, "answer": "#### 5"}])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    tests = load_test_questions(["gsm8k_test", str(own)])
    assert len(tests) == 4
    near = tests.nearest("Tom has 30 pens. How many pens has he?")
    assert near is not None
    assert near.place == f"{own}, line 1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no rows"),
        ('{"a": 1}\n', "line 1: no field holds the question .there are: a."),
        ('{"question": ""}\n', "line 1: no field holds the question"),
        ('{"question": 5}\n', "line 1: no field holds the question"),
        ("{broken", "line 1: not a complete JSON object"),
    ],
)
def test_a_file_without_questions(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(content)
    with pytest.raises(CoTMaskError, match=said):
        load_test_questions([str(path)])


def test_a_set_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match=r"gsm8k_tset: is no file.*did you mean gsm8k_test"):
        load_test_questions(["gsm8k_tset"])
    with pytest.raises(CoTMaskError, match="is a directory"):
        load_test_questions([str(tmp_path)])


@pytest.mark.slow
def test_three_training_questions_of_gsm8k_are_near_its_test_split(
    real_data: RealData, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_data.needs("gsm8k_train.jsonl", "gsm8k_test.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    tests = load_test_questions(["gsm8k_test"])
    assert len(tests) == 1319
    rows = list(read_jsonl(Path(str(real_data)) / "gsm8k_train.jsonl"))
    near = [row["question"] for row in rows if tests.nearest(row["question"]) is not None]
    assert len(rows) == 7473
    assert len(near) == 3
    assert all(tests.same(row["question"]) is None for row in rows)
