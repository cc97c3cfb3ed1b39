"""What each selector finds, by rule and on real solutions; units of tokens; selectors of other packages; the docs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_tokenizers import mistral

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.masking.experimental.selectors import Selector, Span, get, names, unit_distances, unit_starts
from axolotl_cotmask.masking.experimental.selectors.passages import dollars_are_latex
from axolotl_cotmask.masking.offsets import decoded_offsets, text_between

DOCS = (Path(__file__).parents[3] / "docs" / "selectors.md").read_text(encoding="utf-8")
BUILT_IN = ["numbers", "operators", "equations", "words", "steps"]

# Each text with the units of its selector in ⟦⟧.
CASES = {
    "numbers": [
        "⟦48⟧/⟦2⟧ = <<⟦48⟧/⟦2⟧=⟦24⟧>>⟦24⟧",
        "⟦1,234.50⟧; ⟦4⟧,⟦5⟧,⟦6⟧ and ⟦13⟧,⟦2000⟧; $⟦1,000,000⟧, ⟦1⟧, ⟦200⟧",
        "⟦18⟧*⟦.5⟧ = $⟦0.5⟧. Then ⟦1⟧. End ...⟦5⟧",
        "⟦3⟧rd of ⟦10⟧%, ⟦2⟧x, ⟦5⟧:⟦30⟧, x⟦2⟧, H⟦2⟧O, ⟦1⟧/⟦2⟧/⟦2020⟧, twelve",
        "It is ⟦-7⟧ degrees, ⟦20⟧ - ⟦5⟧, ⟦20⟧-⟦5⟧, ⟦20⟧ -⟦5⟧, x-⟦5⟧, (⟦-5⟧), = ⟦-5⟧, ⟦5⟧ * ⟦-3⟧, ⟦5⟧-⟦-3⟧, = $⟦-6⟧",
        "⟦-5⟧ is a line, COVID-⟦19⟧, under-⟦30⟧s, ⟦20⟧-year-old, ⟦10⟧-⟦15⟧, - ⟦5⟧ apples, ⟦−5⟧, ⟦–5⟧",
        "<<⟦-20⟧+⟦10⟧=⟦-10⟧>>⟦-10⟧ wet, <<⟦20⟧-⟦30⟧=⟦-10⟧>>",
        r"$⟦-5⟧ \le x-⟦3⟧ \cdot ⟦-2⟧ = \frac{⟦-1⟧}{⟦2⟧} - \left(⟦-3⟧\right) + |x|-⟦5⟧ - |⟦-6⟧|$",
        r"$⟦13{,}456⟧ - ⟦1,\!000⟧$, $\pi-⟦2⟧$, $\sin ⟦-2⟧$, $\$⟦5⟧$",
        "\\begin{align*}\n⟦-5⟧ &= x_⟦1⟧\\\\\n⟦-7⟧ &= ⟦-8⟧\n\\end{align*}",
        "[asy] draw((⟦0⟧,⟦-1.2⟧)); [/asy]",
    ],
    "operators": [
        "48 ⟦/⟧ 2 ⟦=⟧ $<<48⟦/⟧2⟦=⟧24>>24, 48⟦/⟧2⟦=⟧24",
        "5 ⟦x⟧ 3, 5⟦x⟧3, 5 ⟦X⟧ $3, 50% ⟦x⟧ 8, 4 bags ⟦x⟧ 3, 20 ⟦x⟧ (4 ⟦+⟧ 1), <<5⟦x⟧3⟦=⟧15>>",
        "2x ⟦+⟧ 3x ⟦=⟧ 5x, 3 XL boxes, Let x be 3, Max 3, <<2x⟦=⟧6>>",
        "2⟦×⟧3⟦÷⟧4⟦·⟧5⟦^⟧6 ⟦≈⟧ 7, 8 ⟦−⟧ 5, 8 ⟦–⟧ 5, 2⟦**⟧3 ⟦//⟧ 2, x ⟦>=⟧ 5 ⟦!=⟧ 6 ⟦<⟧ 7, a ⟦==⟧ b",
        "5 apples ⟦-⟧ 3 apples ⟦+⟧ pears ⟦*⟧ 2, 30 treats⟦+⟧60 treats, 5 oz. ⟦+⟧ 3 oz., 6\" ⟦*⟧ 4\"",
        "well-known T-shirt, 20-year-old, COVID-19, under-30s, one-third, -5, - 5, buy-1-get-1",
        "pens/pencils, km/h, $5/hour, and/or, on 1/2/2020, 1⟦/⟧2, http://a.b, 12⟦/⟧4⟦/⟧3",
        "A+ and B+. 5+ years, C++, **bold** text, * item, => so, -> so, Total - discount, Monday - a day",
        "x⟦-⟧y, a ⟦=⟧ b ⟦-⟧ a, E ⟦-⟧ 5, 10⟦-⟧15 days, ($5 ⟦-⟧ $3) ⟦*⟧ 2, 5 ⟦*⟧ -3, 9 ⟦-⟧ $<<4⟦=⟧4>>4",
        r"$-x⟦-⟧3 ⟦\cdot⟧ -2 ⟦=⟧ ⟦\frac⟧{-1}{2} ⟦\le⟧ |x|⟦-⟧5$, $ab⟦-⟧cd$, $2 x 3$, $x⟦^⟧2$",
        "\\begin{align*}\n-5 &⟦=⟧ x ⟦+⟧ 1\\\\\n+7 &⟦\\equiv⟧ -8\n\\end{align*}",
        r"The answer is: ⟦\frac⟧{1}{2}",
        "[asy] x = 5 - 3; [/asy] 5 ⟦-⟧ 3",
    ],
    "equations": [
        "He sold ⟦48/2 =⟧ ⟦<<48/2=24>>⟧24 clips and has ⟦$24 + $60 = $84⟧.",
        "⟦7 stickers/page * 6 pages=⟧ ⟦<<7*6=42>>⟧42 stickers, ⟦3 big red toys + 4 toys = 7⟧ toys",
        "⟦5 oz. + 3 oz. = 8⟧ oz. He has 5 bags. ⟦X = 3⟧, ⟦5' × 3\" = 15⟧",
        "He has 5 and the total ⟦= 9⟧. Here total = ⟦<<9=9>>⟧9, 5 one two three four five ⟦= 7⟧",
        "1/2 of 10-15, a 45-45-90 shape, (1/2), 1/2/2020, but ⟦1/2 + 1/3⟧ and ⟦1/2 = 0.5⟧ and ⟦x/2⟧",
        "(see ⟦(5 + 3) * 2 = 16⟧) and ⟦(2 x 5 = 10)⟧ or (⟦5 + 3 = 8⟧ bags) ⟦5 + 3 =⟧ $",
        "⟦a = b⟧, is a ⟦20 - 5 = 15⟧ thing, I have 5, ⟦I = 5⟧, ⟦f(x) = 2⟧, ⟦5x=7200⟧.",
        "⟦x =⟧ ⟦<<1440=1440>>⟧1440\nsold ⟦50%*8=⟧\n4 and 5",
        r"So ⟦$x$⟧ is ⟦\[y = 2\]⟧, ⟦$$z$$⟧, ⟦\(w\)⟧, \$5, ⟦\begin{align*}" + "\nx &= $5$\n" + r"\end{align*}⟧.",
        r"Costs ⟦$\$5 + \$6 = \$11$⟧ now.",
        "[asy] x = 5 - 3; [/asy] none here: = + - ()",
    ],
    "words": [
        "⟦He⟧ ⟦sold⟧ 48/2 = <<48/2=24>>24 ⟦clips⟧, 7 stickers/page * 6 pages= ⟦to⟧ ⟦A⟧.",
        "⟦He's⟧ ⟦well-known⟧: ⟦T-shirt⟧ ⟦pie’s⟧ ⟦naïve⟧ ⟦数学⟧ 3rd 5pm 2x ⟦x⟧",
        r"⟦So⟧ $x = ab$ ⟦is⟧ \[y\text{ or }\] \boxed{5} [asy] draw(x); [/asy]",
        "#### 72\n⟦The⟧ ⟦answer⟧ ⟦is⟧: 72",
    ],
    "steps": [
        "⟦He has 5.⟧ ⟦So 5 * 2 = 10!⟧ ⟦\"Right?\"⟧ ⟦(Yes.)⟧ ⟦$5 more.⟧ ⟦<<5=5>>5.⟧ ⟦6 is 3.5 more? no.⟧",
        "⟦Mr. A and Mrs. B, e.g. Dr. C vs. D.⟧ ⟦At 3 p.m. they left etc. and so on.⟧",
        "⟦1. First this.⟧ ⟦2. Then that.⟧\n⟦3. Last.⟧",
        "\n  ⟦one⟧  \n\n \t⟦two⟧\r\n⟦#### 72⟧\n⟦The answer is: 72⟧ ",
        "⟦He wins.⟧ ⟦The answer is: 72⟧",
        r"⟦So $x. Y$ and \[x=5.\]⟧ ⟦Then $a=3.$⟧ ⟦We get \[y.\]⟧⟦So $z$.⟧ ⟦Done \[y.\] and so on⟧",
        "⟦We get \\begin{align*}⟧\n⟦x &= 5\\\\⟧\n⟦&= 6.⟧\n⟦\\end{align*}⟧\n⟦[asy]\ndraw(x); A.\n\nB\n[/asy]⟧",
        "⟦<<5=5>>.⟧ ⟦Three⟧",
    ],
}  # fmt: skip


def selector(name: str) -> Selector:
    function = get(name)
    assert function is not None
    return function


def bracketed(name: str, text: str, brackets: str = "⟦⟧") -> str:
    parts, last = [], 0
    for start, end in selector(name)(text):
        parts += [text[last:start], brackets[0], text[start:end], brackets[1]]
        last = end
    return "".join([*parts, text[last:]])


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
def test_rules(name: str, case: str) -> None:
    assert bracketed(name, re.sub("[⟦⟧]", "", case)) == case


def test_the_examples_of_the_docs() -> None:
    examples = DOCS[: DOCS.index("## The rules")]
    rows = re.findall(r"^\| `(\w+)` \|(?:[^|]*\|)? `(.+)` \|$", examples, re.M)
    assert {name for name, _ in rows} == set(BUILT_IN)
    assert len(rows) == 9
    for name, example in rows:
        assert bracketed(name, re.sub(r"[][]", "", example), "[]") == example


@pytest.mark.parametrize("name", BUILT_IN)
@given(
    text=st.lists(st.sampled_from([*"5x aI.,-+*/=$<>()[]{}\\|\n%&#!'\"é数²٣😀", "<<", ">>", "\\[", "\\]", "$$", "\\frac", "[asy]", "[/asy]", "\\begin{a}", "\\end{a}", "Mr"]), max_size=30).map("".join)
    | st.text(max_size=30)
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_text_gives_spans_in_order(name: str, text: str) -> None:
    last = 0
    for start, end in selector(name)(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end
    if name == "numbers":
        digits = {place for place, character in enumerate(text) if character.isdecimal()}
        assert digits <= {place for start, end in selector(name)(text) for place in range(start, end)}


# --- Real solutions, counted once more by plain regular expressions


@cache
def solutions(directory: Path) -> dict[str, list[str]]:
    files = {"gsm8k": ("gsm8k_train", "answer"), "math": ("math_train_sample", "solution")}
    files["metamath"] = ("metamathqa_sample", "response")
    return {
        name: [row[field] for row in read_jsonl(directory / f"{file}.jsonl")] for name, (file, field) in files.items()
    }


def without_figures(text: str) -> str:
    return re.sub(r"\[asy\].*?\[/asy\]", "", text, flags=re.S)


@cache
def found(directory: Path, data: str, name: str) -> list[Sequence[Span]]:
    """The spans of each solution."""
    return [selector(name)(text) for text in solutions(directory)[data]]


def units(directory: Path, data: str, name: str) -> Iterator[tuple[str, list[str]]]:
    """Each solution and the texts of its units."""
    for text, spans in zip(solutions(directory)[data], found(directory, data, name), strict=True):
        yield text, [text[start:end] for start, end in spans]


def plain_numbers(text: str) -> int:
    """How many runs of digits there are, without the commas of thousands and the points of decimals."""
    whole = re.sub(r"(?<=\d)(?:,|\{,\}|,\\!)(?=\d{3}(?!\d))", "", text)
    return len(re.findall(r"\d+", re.sub(r"(?<=\d)\.(?=\d)", "", whole)))


@pytest.mark.parametrize(
    ("data", "rows", "count"), [("gsm8k", 7473, 176760), ("math", 700, 17945), ("metamath", 6, 108)]
)
def test_each_number_is_found(data: str, rows: int, count: int, real_data: Path) -> None:
    solutions_and_numbers = list(units(real_data, data, "numbers"))
    assert len(solutions_and_numbers) == rows
    for text, numbers in solutions_and_numbers:
        assert len(numbers) == plain_numbers(text), text
    assert sum(len(numbers) for _, numbers in solutions_and_numbers) == count


def test_each_annotation_is_an_equation(real_data: Path) -> None:
    total = 0
    for text, equations in units(real_data, "gsm8k", "equations"):
        annotations = [equation for equation in equations if equation.startswith("<<")]
        assert annotations == re.findall(r"<<.*?>>", text)
        assert len(annotations) == text.count("<<")
        total += len(annotations)
    assert total == 23716


def test_each_piece_of_latex_is_an_equation(real_data: Path) -> None:
    money = total = 0
    for solution, equations in units(real_data, "math", "equations"):
        text = without_figures(solution)
        dollars = re.findall(r"(?<!\\)\$\$?", text)
        if dollars and not dollars_are_latex(solution):
            money += 1  # the row has `takes $4 off` where it means `\$4`
            continue
        inline = sum(equation.startswith("$") for equation in equations)
        assert inline == len(dollars) // 2 == len(dollars) / 2, text
        displays = sum(equation.startswith("\\[") for equation in equations)
        assert displays == len(re.findall(r"(?<!\\)\\\[", text)), text
        total += inline + displays
    assert (money, total) == (1, 5605)


@pytest.mark.parametrize("data", ["gsm8k", "math", "metamath"])
def test_each_equals_sign_is_an_operator(data: str, real_data: Path) -> None:
    for text, operators in units(real_data, data, "operators"):
        assert "".join(operators).count("=") == re.sub("=>", "", without_figures(text)).count("="), text


def test_equals_signs_outside_of_equations(real_data: Path) -> None:
    total = missed = 0
    for text, equations in units(real_data, "gsm8k", "equations"):
        signs = re.sub("=>", "", text).count("=")
        total += signs
        missed += signs - "".join(equations).count("=")
    assert f"{missed} of {total:,} equals signs" in DOCS


def test_dollars(real_data: Path) -> None:
    assert not any(map(dollars_are_latex, solutions(real_data)["gsm8k"]))


def test_steps_are_lines_and_sentences(real_data: Path) -> None:
    for data, expected in (("gsm8k", 34490), ("metamath", 41)):
        total = finals = 0
        for text, steps in units(real_data, data, "steps"):
            assert not any("\n" in step for step in steps)
            assert "".join("".join(steps).split()) == "".join(text.split())
            assert len(steps) >= sum(bool(line.strip()) for line in text.splitlines())
            finals += steps[-1].startswith(("####", "The answer is"))
            total += len(steps)
        assert total == expected
        assert finals == len(solutions(real_data)[data])


@pytest.mark.parametrize("data", ["gsm8k", "math", "metamath"])
def test_the_parts_are_apart(data: str, real_data: Path) -> None:
    """No word is in an equation or a number, and no operator in a number."""
    spans = {name: found(real_data, data, name) for name in ("numbers", "operators", "equations", "words")}
    for row in range(len(solutions(real_data)[data])):
        for one, other in (("words", "equations"), ("words", "numbers"), ("operators", "numbers")):
            both = sorted([*spans[one][row], *spans[other][row]])
            assert all(first[1] <= second[0] for first, second in pairwise(both)), solutions(real_data)[data][row]


# --- Units of tokens


def test_units() -> None:
    text = "ab 12+3 cd"
    offsets = [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (6, 8), (8, 10), (0, 0)]
    assert unit_starts(text, [], offsets) == [-1] * 9
    assert unit_starts(text, [(0, 2), (3, 7), (8, 9)], offsets) == [-1, 1, 1, -1, 4, 4, 4, 7, -1]
    assert unit_distances(text, [(0, 2), (3, 7), (8, 9)], offsets) == [-1, 0, 1, -1, 0, 1, 2, 0, -1]
    # `2+` belongs to the first of the spans that it touches, though it has more of the second.
    assert unit_starts(text, [(3, 5), (5, 7)], offsets) == [-1, -1, -1, -1, 4, 4, 6, -1, -1]
    # A span in the middle of a token takes all of it.
    assert unit_starts(text, [(9, 10)], offsets) == [-1] * 7 + [7, -1]


@pytest.mark.parametrize(
    ("what", "offsets", "starts"),
    [
        ("the space in the token", [(0, 3), (3, 5), (5, 7)], [-1, 1, 1]),
        ("the space alone", [(0, 3), (3, 4), (4, 5), (5, 6), (6, 7)], [-1, -1, 2, 2, 2]),
        ("offsets without spaces", [(0, 3), (4, 5), (6, 6), (6, 7)], [-1, 1, 1, 1]),
        ("a space that stands before the unit, trimmed", [(0, 3), (4, 4), (4, 5), (6, 7)], [-1, -1, 2, 2]),
        ("a space that belongs to what follows", [(0, 3), (3, 5), (5, 6), (6, 7)], [-1, 1, 1, 1]),
    ],
)
def test_spaces(what: str, offsets: list[tuple[int, int]], starts: list[int]) -> None:
    assert unit_starts("abc = 5", [(4, 7)], offsets) == starts


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_span_is_masked_whole(data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from("a1 "), min_size=1, max_size=20))
    cuts = st.lists(st.integers(0, len(text)), unique=True).map(sorted)
    edges = [0, *data.draw(cuts), len(text)]
    offsets = [pair for pair in pairwise(edges) if pair[0] < pair[1]]
    bounds = data.draw(cuts)
    spans = list(zip(bounds[::2], bounds[1::2], strict=False))
    starts = unit_starts(text, spans, offsets)
    for (start, end), first in zip(offsets, starts, strict=True):
        written = text[start:end].strip()
        if written:
            start += text[start:end].index(written)
            end = start + len(written)
            assert (first >= 0) == any(a < end and start < b for a, b in spans)
    for token, first in enumerate(starts):
        assert first <= token
        assert first < 0 or starts[first : token + 1] == [first] * (token + 1 - first), "the tokens of a unit adjoin"


def docs_figures() -> Iterator[tuple[str, tuple[int, ...]]]:
    for row in re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", DOCS, re.M):
        yield row[0], tuple(int(figure.replace(",", "")) for figure in row[1:])


@pytest.mark.slow
def test_tokens_that_hold_more_than_a_span(real_data: Path) -> None:
    texts = solutions(real_data)["gsm8k"]
    offsets = mistral()(texts, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert sum(map(len, offsets)) == 953904
    figures = dict(docs_figures())
    assert set(figures) == set(BUILT_IN)
    for name, expected in figures.items():
        units = tokens = partly = 0
        for text, tokens_of_text, spans in zip(texts, offsets, found(real_data, "gsm8k", name), strict=True):
            inside = bytearray(character.isspace() for character in text)
            for start, end in spans:
                inside[start:end] = b"x" * (end - start)
            starts = unit_starts(text, spans, tokens_of_text)
            assert len({*starts} - {-1}) == len(spans), "where a token takes two spans, one has no token"
            units += len(spans)
            for (start, end), first in zip(tokens_of_text, starts, strict=True):
                if first >= 0:
                    tokens += 1
                    partly += 0 in inside[start:end]
        assert (units, tokens, partly) == expected, name


@pytest.mark.parametrize("name", BUILT_IN)
def test_units_from_ids_alone(name: str, real_data: Path) -> None:
    """The tokenizer's own mapping and the decoded ids give the same units of a target behind a prompt."""
    tokenizer = mistral()
    prompt = "### Instruction:\nHow many 5 + 3 = ?\n\n### Response:"
    target = len(tokenizer(prompt)["input_ids"])
    for solution in [texts[row] for texts in solutions(real_data).values() for row in range(0, len(texts), 200)]:
        text = f"{prompt} {solution}"
        encoded = tokenizer(text, return_offsets_mapping=True)
        ids, offsets = [*encoded["input_ids"], tokenizer.eos_token_id], [*encoded["offset_mapping"], (0, 0)]
        units = []
        for whole, spans in ((text, offsets), decoded_offsets(tokenizer, ids)):
            part, spans_of_part = text_between(whole, spans, target, len(ids))
            assert part == f" {solution}"
            units.append(unit_distances(part, selector(name)(part), spans_of_part))
        assert units[0] == units[1]
        assert len(units[0]) == len(ids) - target
        assert units[0][-1] == -1, "EOS"


# --- Other packages


def install(directory: Path, points: str, modules: dict[str, str], package: str = "other") -> None:
    """What pip leaves behind: modules, and the entry points in the package's metadata."""
    metadata = directory / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[axolotl_cotmask.selectors]\n{points}\n")
    for name, source in modules.items():
        (directory / name).write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


def test_the_package_of_the_docs(site: Path) -> None:
    import tomllib

    blocks = re.findall(r"^```(toml|python)\n(.*?)^```$", DOCS, re.M | re.S)
    assert [kind for kind, _ in blocks] == ["toml", "python"]
    (_, toml), (_, source) = blocks
    assert toml.count("\n") + source.count("\n") < 30
    project = tomllib.loads(toml)["project"]
    points = project["entry-points"]["axolotl_cotmask.selectors"]
    module = next(iter(points.values())).split(":")[0]
    assert f"`{module}.py`" in DOCS
    install(site, "\n".join(f"{name} = {value}" for name, value in points.items()), {f"{module}.py": source})
    assert names() == ["tokens", *BUILT_IN, "percentages"]
    assert bracketed("percentages", "25% of 80 is 20", "[]") == "[25%] of 80 is 20"
    assert "`[25%] of 80 is 20`" in DOCS


def test_tokens_needs_no_text() -> None:
    assert get("tokens") is None


@pytest.mark.parametrize(
    ("points", "source", "sentence"),
    [
        ("", "", f"mine is not a selector: the options are {', '.join(['tokens', *BUILT_IN])}"),
        ("mine = lost:f", "", "the selector mine (lost:f) cannot be loaded (ModuleNotFoundError: No module named 'lost'): install its package anew"),
        ("mine = theirs:g", "f = 1", "the selector mine (theirs:g) cannot be loaded (AttributeError: module 'theirs' has no attribute 'g'): install its package anew"),
        ("mine = theirs:f", "1/0", "the selector mine (theirs:f) cannot be loaded (ZeroDivisionError: division by zero): install its package anew"),
        ("mine = theirs:f", "f = 1", "the selector mine (theirs:f) is a int: its entry point has to name a function"),
    ],
)  # fmt: skip
def test_selectors_that_cannot_be_had(site: Path, points: str, source: str, sentence: str) -> None:
    install(site, points, {"theirs.py": source})
    with pytest.raises(CoTMaskError) as stopped:
        get("mine")
    assert str(stopped.value) == sentence


def test_a_misspelt_name() -> None:
    with pytest.raises(CoTMaskError, match=r"^number is not a selector: did you mean numbers\?$"):
        get("number")


def test_two_packages_with_one_name(site: Path) -> None:
    install(site, "mine = first:f", {})
    install(site, "mine = second:f", {}, package="another")
    with pytest.raises(CoTMaskError) as stopped:
        get("mine")
    assert str(stopped.value) == "more than one package has a selector mine (first:f, second:f): uninstall one"


def test_a_package_that_is_seen_twice(site: Path) -> None:
    for package in ("one", "two"):
        install(site, "mine = theirs:f", {"theirs.py": "def f(text): return []"}, package=package)
    assert selector("mine")("x") == []


def test_our_names_cannot_be_taken(site: Path) -> None:
    install(site, "numbers = theirs:f\ntokens = theirs:f", {"theirs.py": "f = 1"})
    assert names() == ["tokens", *BUILT_IN]
    assert bracketed("numbers", "a 5") == "a ⟦5⟧"


@pytest.mark.parametrize("span", [(1, 1), (2, 1), (-1, 2), (0, 4), (0, 2)])
def test_wrong_spans(span: tuple[int, int], site: Path) -> None:
    install(site, "mine = theirs:f", {"theirs.py": f"def f(text): return [(0, 1), {span}]"})
    with pytest.raises(CoTMaskError) as stopped:
        selector("mine")("abc")
    assert str(stopped.value) == (
        f"the selector mine (theirs:f) gave the span {span} in a text of 3 characters: its spans have to be in order, "
        "inside the text, without overlaps, and not empty"
    )


def test_a_selector_travels_to_other_processes(site: Path) -> None:
    import dill

    install(site, "mine = theirs:f", {"theirs.py": "def f(text): return [(0, 1)]"})
    copies: list[Any] = [dill.loads(dill.dumps(selector(name))) for name in ("mine", *BUILT_IN)]
    assert [list(copy("5")) for copy in copies] == [[(0, 1)], [(0, 1)], [], [], [], [(0, 1)]]
