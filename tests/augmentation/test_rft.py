"""Rejection sampling: each rule by a sample that only this rule throws away, and properties of what is kept."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from support.project import write_jsonl

from axolotl_cotmask.augmentation.paths import Fault, equation_list, farthest_paths, find_fault
from axolotl_cotmask.augmentation.pool import Pool
from axolotl_cotmask.augmentation.rft import RftReport, drawn_at_least_once, rft_rows
from axolotl_cotmask.augmentation.samples import read_sampled
from axolotl_cotmask.evaluation.answers import GSM8K_HASH

GOLD = "Ben has 3 + 4 = <<3+4=7>>7 apples.\n#### 7"
QUESTION = "Ben has 3 apples and gets 4. How many has he?"


def rows_of(
    tmp_path: Path, responses: Sequence[str], *more: Sequence[str], answer: str = GOLD
) -> tuple[list[dict[str, str]], RftReport]:
    """The rows out of a file per list of responses to one question."""
    report = RftReport()
    with Pool() as pool:
        for number, texts in enumerate((responses, *more)):
            row = {"question": QUESTION, "answer": answer, "responses": list(texts)}
            pool.add(read_sampled(write_jsonl(tmp_path / f"{number}.jsonl", [row])))
        return list(rft_rows(pool.questions(), report)), report


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (" 3 and 4 are <<3+4=7>>7.\n#### 7", None),
        ("No annotation at all.\n#### 7", None),
        ("<<21/3=7>>\n#### 7", None),
        ("<<10/3=3.333>>, then <<3.333*3=9.999>>\n#### 7", None),
        ("<<70//10=7>> <<2**3=8>> <<-3+10=7>> <<(3+4)*1=7>>\n#### 7", None),
        ("<< 3 + 4 = 7 >>\n#### 7.0", None),
        ("<<3+4=7>>", Fault.NO_ANSWER),
        ("<<3+4=7>>\n####", Fault.NO_ANSWER),
        ("<<3+5=8>>\n#### 8", Fault.WRONG_ANSWER),
        ("<<3+4=8>>\n#### 7", Fault.WRONG_EQUATION),
        ("<<3+4=7>> <<10/3=3.33>>\n#### 7", Fault.WRONG_EQUATION),
        ("<<3+4=7>> <<1+1=3>>\n#### 7", Fault.WRONG_EQUATION),
        ("<<3+4>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<$3+4=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<3+x=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<1/0=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<3+4=seven>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<3+4=7\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<3+<<4=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<9**9**9**9=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<__import__('os').getpid()=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<(lambda: 7)()=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
        ("<<" + "(" * 90 + "7" + ")" * 90 + "=7>>\n#### 7", None),
        ("<<" + "-" * 5000 + "7=7>>\n#### 7", Fault.UNREADABLE_EQUATION),
    ],
)
def test_what_throws_a_path_away(path: str, fault: Fault | None) -> None:
    assert find_fault(path, GOLD, GSM8K_HASH) is fault


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("<<3+4=7>> apples", "<< 3 + 4 = 7 >> pears", True),
        ("<<3+4=7>>", "<<4+3=7>>", False),
        ("<<1+1=2>><<3+4=7>>", "<<3+4=7>><<1+1=2>>", False),
        ("<<1+1=2>><<3+4=7>>", "<<1+1=2>>", False),
        ("none", "none here", True),
    ],
)
def test_paths_are_the_same_by_their_equations(a: str, b: str, same: bool) -> None:
    assert (equation_list(a) == equation_list(b)) is same
    assert len(farthest_paths([a, b])) == 2 - same


def test_the_farthest_of_equal_ones_stays() -> None:
    other, near, far = "<<1+6=7>>aaaa", "<<3+4=7>>aaaab", "<<3+4=7>>zzzzzzzz"
    assert farthest_paths([other, near, far]) == sorted([other, far])
    assert farthest_paths([other, near, far, near, far, far]) == sorted([other, far])


TEXTS = st.lists(
    st.builds(lambda n, text: f"<<{n}+{7 - n}=7>> {text}", st.integers(1, 3), st.text("abc", max_size=6)), max_size=8
)


@given(TEXTS, st.randoms())
def test_kept_paths(paths: list[str], chance: random.Random) -> None:
    kept = farthest_paths(paths)
    assert {equation_list(path) for path in kept} == {equation_list(path) for path in paths}
    assert len({equation_list(path) for path in kept}) == len(kept), "one path per equation list"
    assert set(kept) <= set(paths)
    shuffled = list(paths)
    chance.shuffle(shuffled)
    assert farthest_paths(shuffled) == kept


@given(TEXTS)
def test_kept_paths_against_algorithm_1_as_it_is_written(paths: list[str]) -> None:
    """The reference goes over the texts in their order, and knows no dictionary."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        same = [other for other in kept if equation_list(other) == equation_list(path)]
        rest = [other for other in kept if other not in same]
        if not same:
            kept.append(path)
        elif sum(Levenshtein.distance(path, o) for o in rest) > sum(Levenshtein.distance(same[0], o) for o in rest):
            kept[kept.index(same[0])] = path
    assert farthest_paths(paths) == sorted(kept)


def test_gold_first_and_its_equations_do_not_count(tmp_path: Path) -> None:
    rows, report = rows_of(tmp_path, [" 7 is <<3+4=7>>7 in all, says Ben.\n#### 7", "<<1+1=3>>\n#### 7", "#### 8", ""])
    assert rows == [
        {"query": QUESTION, "response": GOLD},
        {"query": QUESTION, "response": "7 is <<3+4=7>>7 in all, says Ben.\n#### 7"},
    ]
    assert (report.questions, report.solved, report.samples, report.gold, report.kept) == (1, 1, 4, 1, 1)
    assert dict(report.dropped) == {
        Fault.NO_ANSWER: 1,
        Fault.WRONG_ANSWER: 1,
        Fault.UNREADABLE_EQUATION: 0,
        Fault.WRONG_EQUATION: 1,
    }


def test_a_gold_without_reasoning_is_no_row(tmp_path: Path) -> None:
    rows, report = rows_of(tmp_path, ["3 and 4 are 7 apples in all.\n#### 7"], answer="7")
    assert [row["response"] for row in rows] == ["3 and 4 are 7 apples in all.\n#### 7"]
    assert report.gold == 0


RESPONSES = st.lists(
    st.sampled_from(
        ["<<3+4=7>>\n#### 7", "<<4+3=7>>\n#### 7", "<<4+3=7>> so\n#### 7", "<<3+4=8>>\n#### 7", "#### 9", ""]
    ),
    min_size=1,
    max_size=9,
)


@settings(deadline=None)
@given(RESPONSES, RESPONSES)
def test_counts_and_order_of_files(tmp_path_factory: pytest.TempPathFactory, a: list[str], b: list[str]) -> None:
    directory = tmp_path_factory.mktemp("samples")
    rows, report = rows_of(directory, a, b)
    assert (rows, report) == rows_of(directory, b, list(reversed(a))), "a union of files, in any order"
    assert report.kept + report.same_equations + sum(report.dropped.values()) == report.samples == len(a) + len(b)
    assert report.kept == len(rows) - 1 == report.distinct[-1].sampled
    # Table 2 by hand: the mean over all draws of 3 samples without putting back.
    draws = list(itertools.combinations([*a, *b], min(3, report.samples)))
    right = [{equation_list(text) for text in draw if find_fault(text, GOLD, GSM8K_HASH) is None} for draw in draws]
    [at_3] = [row for row in report.distinct if row.samples == min(3, report.samples)]
    assert at_3.sampled == pytest.approx(sum(map(len, right)) / len(draws))
    assert at_3.with_gold == pytest.approx(sum(len(lists | {equation_list(GOLD)}) for lists in right) / len(draws))


@given(st.integers(1, 60), st.data())
def test_the_chance_to_be_drawn(samples: int, data: st.DataObject) -> None:
    times, count = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    missed = math.prod((samples - times - i) / (samples - i) for i in range(count)) if count <= samples - times else 0
    assert drawn_at_least_once(samples, times, count) == pytest.approx(1 - missed)
