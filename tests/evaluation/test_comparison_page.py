"""The page of `axolotl cotmask compare --html`, in a browser, with keys and clicks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.browser import Browser, contrast, luminance
from support.project import write_jsonl

from axolotl_cotmask.cli import cotmask

#: Verdicts of A and B: 12 both right, 3 only A, 6 only B, 9 both wrong.
VERDICTS = [(1.0, 1.0)] * 12 + [(1.0, 0.0)] * 3 + [(0.0, 1.0)] * 6 + [(0.0, 0.0)] * 9
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> \u202eturned\u202c \x1b[2J &amp; \ud800"


def rows(side: int, verdicts: Sequence[tuple[float, float]] = VERDICTS, **document: Any) -> list[dict[str, Any]]:
    """Return lm-eval's samples of a side; the answers say who wrote them, and read as the verdicts say."""
    return [
        {
            "doc_id": number,
            "doc": {"question": f"Question {number} " + "long " * (number % 30), "answer": f"It is so.\n#### {number}", "base_id": number // 10} | document,
            "target": f"#### {number}",
            "filter": "none",
            "filtered_resps": [f"{'AB'[side]} thinks.\n#### {number if both[side] else number + 1}"],
            "exact_match": both[side],
        }
        for number, both in enumerate(verdicts)
    ]  # fmt: skip


def compare(
    directory: Path, *options: str, a: list[dict[str, Any]] | None = None, b: list[dict[str, Any]] | None = None
) -> Result:
    files = [
        str(write_jsonl(directory / f"{name}.jsonl", own or rows(side)))
        for side, (name, own) in enumerate((("a", a), ("b", b)))
    ]
    return CliRunner().invoke(cotmask, ["compare", *files, "--html", str(directory / "page.html"), *options])


@pytest.fixture
def open_page(window: Browser, tmp_path: Path) -> Callable[..., Browser]:
    def opened(
        *options: str, width: int = 1280, height: int = 900, scheme: str = "light", **sides: list[dict[str, Any]]
    ) -> Browser:
        result = compare(tmp_path, *options, **sides)
        assert result.exit_code == 0, result.output
        window.look(width, height, scheme)
        window.open(tmp_path / "page.html")
        window.settle()
        return window

    return opened


def shown(window: Browser) -> str:
    return window.value("document.querySelector('#sample').innerText")


def number(window: Browser) -> int:
    return int(shown(window).split()[1].replace(",", ""))


def found(window: Browser) -> str:
    return window.value("document.getElementById('found').textContent")


def test_both_answers_stand_beside_each_other_with_what_was_read(open_page: Callable[..., Browser]) -> None:
    window = open_page()
    text = shown(window)
    for part in ("Sample 1 of 30", "Question 0", "A thinks.", "B thinks.", "Reference", "It is so."):
        assert part in text
    window.press(*"j" * 12)
    marks = window.value("[...document.querySelectorAll('.answers mark')].map((mark) => mark.textContent)")
    chips = window.value("[...document.querySelectorAll('.answers .chip')].map((chip) => chip.textContent)")
    assert (marks, chips) == (["12", "13"], ["✓ right", "✗ wrong"])
    left, right = window.value(
        "[...document.querySelectorAll('.answers > section')].map((each) => each.getBoundingClientRect().x)"
    )
    assert left < right
    lead = window.value("document.querySelector('header').innerText")
    assert "A and B: marked is what the rule gsm8k_hash reads, which gives all of these verdicts." in lead
    assert "50.0 [" in lead
    assert window.complaints == []
    assert len(window.requests) == 1


@pytest.mark.parametrize(
    ("which", "numbers"), [("both", range(12)), ("a", range(12, 15)), ("b", range(15, 21)), ("neither", range(21, 30))]
)
def test_filters_by_verdict(open_page: Callable[..., Browser], which: str, numbers: range) -> None:
    window = open_page()
    counts = window.value("[...document.querySelectorAll('fieldset output')].map((each) => each.textContent)")
    assert counts == ["30", "12", "3", "6", "9"]
    window.click(f"[value={which}]")
    assert found(window) == f"{len(numbers)} of 30 samples"
    met = [number(window)]
    for _ in numbers:
        window.press("j")
        met.append(number(window))
    assert met == [*(n + 1 for n in numbers), numbers[-1] + 1], "the last one stays"
    window.press("k")
    assert number(window) == numbers[-1]


def test_search_length_and_cluster(open_page: Callable[..., Browser]) -> None:
    window = open_page()
    window.press("j", "j", "/")
    assert window.value("document.activeElement.id") == "search"
    window.write("QUESTION 2")
    assert found(window) == "11 of 30 samples"
    assert number(window) == 3, "the sample that is shown stays"
    window.press("Escape", "End")
    assert number(window) == 30
    window.value("document.getElementById('search').value = ''")
    window.click("#sample .move button", 2)
    assert found(window) == "10 of 30 samples"
    assert "base_id 2" not in shown(window), "its cluster is chosen already"
    window.value("document.getElementById('cluster').value = ''")
    window.click("#shortest")
    window.write("100")
    lengths = [len(row["doc"]["question"].strip()) for row in rows(0)]
    assert found(window) == f"{sum(length >= 100 for length in lengths)} of 30 samples"
    window.click("#longest")
    window.write("50")
    assert found(window) == "0 of 30 samples"
    assert shown(window) == "No sample passes all filters."
    assert window.value("document.querySelectorAll('.entry').length") == 0


def test_a_question_of_no_cluster_has_none(open_page: Callable[..., Browser]) -> None:
    a, b = rows(0), rows(1)
    for row in (*a[:10], *b[:10]):
        row["doc"]["base_id"] = None
    window = open_page(a=a, b=b)
    assert "only its cluster" not in shown(window)
    assert window.value("document.getElementById('cluster').innerText").split() == ["all", "1", "2"]
    window.press("End", *"j" * 10)
    assert "only its cluster, base_id 1" in shown(window)


def test_the_list_is_chosen_from_by_clicks_and_keys(open_page: Callable[..., Browser]) -> None:
    window = open_page()
    window.click(".entry", 4)
    assert number(window) == 5
    assert window.value("document.activeElement.id") == "list"
    for key, expected in (("ArrowDown", 6), ("ArrowUp", 5), ("End", 30), ("Home", 1), ("PageDown", 17), ("PageUp", 1)):
        window.press(key)
        moved = number(window)
        assert moved == expected or (key == "PageDown" and 10 < moved < 30)
    window.press("End")
    active = window.value(
        "document.getElementById(document.getElementById('list').getAttribute('aria-activedescendant')).ariaLabel"
    )
    assert active.startswith("30: A wrong, B wrong. Question 29")
    inside = "(() => { const e = document.querySelector('[aria-selected=true]').getBoundingClientRect(), l = document.getElementById('list').getBoundingClientRect(); return e.top >= l.top && e.bottom <= l.bottom + 1; })()"
    assert window.value(inside)
    window.click("#sample .move button", 0)
    assert number(window) == 29


def test_several_tasks_and_other_rules(open_page: Callable[..., Browser], tmp_path: Path) -> None:
    sides = []
    for side, name in enumerate("ab"):
        directory = tmp_path / name
        directory.mkdir()
        tasks = {"cotmask_gsm8k": rows(side), "cotmask_svamp": rows(side, VERDICTS[10:20])}
        for task, samples in tasks.items():
            write_jsonl(directory / f"samples_{task}_2026-01-01T00-00-00.000000.jsonl", samples)
        content = {
            "results": {task: {"exact_match,none": 0.5} for task in tasks},
            "configs": {task: {} for task in tasks},
            "config": {"model_args": {}},
        }
        (directory / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(content))
        sides.append(str(directory))
    page = tmp_path / "tasks.html"
    result = CliRunner().invoke(cotmask, ["compare", *sides, "--html", str(page)])
    assert result.exit_code == 0, result.output
    plain = CliRunner().invoke(cotmask, ["compare", *sides])
    assert result.stdout == plain.stdout, "the page changes nothing of what is printed"
    window = open_page()
    window.open(page)
    assert found(window) == "40 of 40 samples"
    window.value(
        "(() => { const task = document.getElementById('task'); task.value = '1'; task.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert found(window) == "10 of 40 samples"
    assert "Sample 1 of 10, cotmask_svamp" in shown(window)


def test_files_of_others(open_page: Callable[..., Browser]) -> None:
    a, b = (
        [{"prompt": f"p{n}", "ok": n == right, "said": {"text": f"{name} said {n}"}} for n in range(2)]
        for name, right in (("x", 0), ("y", 1))
    )
    window = open_page("--metric", "ok", "--text-field", "said.text", a=a, b=b)
    assert "x said 0" in shown(window)
    assert "y said 0" in shown(window)
    assert "The file holds none." in shown(window)
    lead = window.value("document.querySelector('header').innerText")
    assert "no read answer is marked, since none of our rules gives all of these verdicts" in lead
    assert window.value("document.querySelectorAll('mark').length") == 0
    own = [{"question": "q", "out": "The answer is 7", "gold": 7}] * 2
    window = open_page("--rule", "robust_number", "--prediction-field", "out", "--gold-field", "gold", a=own, b=own)
    assert window.value("[...document.querySelectorAll('mark')].map((mark) => mark.textContent)") == ["7", "7"]
    assert shown(window).rstrip().endswith("7")
    own = [{"question": "q", "out": "The answer is seventy-two.", "gold": 72}]
    window = open_page("--rule", "robust_number", "--prediction-field", "out", "--gold-field", "gold", a=own, b=own)
    assert shown(window).count("The answer is seventy-two.") == shown(window).count("Read as 72") == 2


def test_hostile_texts_stay_texts(open_page: Callable[..., Browser], tmp_path: Path) -> None:
    a, b = (rows(side, [(1.0, 0.0)], question=HOSTILE, base_id=None) for side in (0, 1))
    for side in (a, b):
        side[0]["filtered_resps"] = [HOSTILE + "y" * 100_000 + " #### 0"]
        side[0]["doc"]["answer"] = HOSTILE
    window = open_page("--metric", "exact_match", a=a, b=b)
    assert window.complaints == []
    assert window.value("window.hacked") is None
    assert window.value("document.querySelectorAll('main img, main script').length") == 0
    text = shown(window)
    assert "</script><script>window.hacked = 1</script>" in text
    for code in ("⟨U+202E⟩turned⟨U+202C⟩", "⟨U+001B⟩[2J", "&amp;", "⟨U+D800⟩"):
        assert text.count(code) == 4, "in the question, both answers and the reference"
    assert (tmp_path / "page.html").read_text("utf-8").count("<script") == 2
    assert window.value("document.documentElement.scrollWidth") <= 1280


def test_of_many_samples_only_those_are_drawn_that_are_seen(open_page: Callable[..., Browser]) -> None:
    many = VERDICTS * 400
    window = open_page(a=rows(0, many), b=rows(1, many))
    assert found(window) == "12,000 of 12,000 samples"
    nodes = "document.querySelectorAll('.entry').length"
    assert 15 < window.value(nodes) < 50
    window.value("document.getElementById('list').scrollTop = 300000")
    window.settle()
    first = int(window.value("document.querySelector('.entry').textContent.split('A')[0].replace(',', '')"))
    assert first > 7000
    assert window.value(nodes) < 50
    window.click(".entry", 10)
    assert str(number(window)) == window.value(
        "document.querySelector('[aria-selected=true] span').textContent"
    ).replace(",", "")
    assert 7000 < number(window) < 8000
    window.click("[value=a]")
    assert found(window) == "1,200 of 12,000 samples"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_reads_well(open_page: Callable[..., Browser], width: int, scheme: str) -> None:
    window = open_page(width=width, scheme=scheme)
    assert window.value("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    colours = "(() => { const style = getComputedStyle(document.querySelector('%s')); return [style.color, style.backgroundColor]; })()"
    (ink, ground), mark, right = (window.value(colours % name) for name in ("body", "mark", ".good"))
    assert (luminance(ground) < 0.05) == (scheme == "dark")
    assert contrast(ink, ground) > 7
    assert contrast(*mark) > 4.5
    assert contrast(*right) > 4.5
    assert window.value("[...document.querySelectorAll('input, select')].every((each) => each.labels.length === 1)")
    below = window.value(
        "[...document.querySelectorAll('.answers > section')].map((each) => each.getBoundingClientRect().x)"
    )
    assert (below[0] == below[1]) == (width == 390)


def test_mistakes_write_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("as it was")
    without = [{name: value for name, value in row.items() if name != "filtered_resps"} for row in rows(0)]
    for result, sentence in (
        (compare(tmp_path, b=without), "b.jsonl, line 1: the field 'filtered_resps' is missing"),
        (compare(tmp_path, "--text-field", "none"), "name the one with the answer's text by --text-field"),
        (compare(tmp_path, "--html", str(tmp_path / "nowhere" / "page.html")), "there is no directory"),
        (compare(tmp_path, "--html", str(tmp_path)), "name a file that ends in .html"),
        (compare(tmp_path, "--html", str(tmp_path / "a.jsonl")), "name a file that ends in .html"),
    ):
        assert result.exit_code == 1, result.output
        assert sentence in result.stderr
        assert result.stdout == ""
    assert page.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl", "page.html"]
    alone = CliRunner().invoke(
        cotmask, ["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--text-field", "x"]
    )
    assert alone.exit_code == 2
    assert "--text-field says what --html shows" in alone.stderr
