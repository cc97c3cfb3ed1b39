"""The page of `axolotl cotmask preview --html`, in a browser: what it marks at a step and epoch is what the run masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from datasets import Dataset
from support.browser import Browser, contrast, luminance
from support.project import Project, write_jsonl
from support.recorded import RECORDER, forwards
from support.small_tokenizers import byte_level
from transformers import AutoTokenizer

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.pages import write_page
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.marks import Marking, mark_rows
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training.collator import marks_of
from axolotl_cotmask.training.prepared_rows import PreparedRows
from axolotl_cotmask.training.preview import token_text
from axolotl_cotmask.training.preview_page import preview_page

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b> \u202e turned \u200f and {{ 7 }}"
#: All rows that are seen: of each token its text, and whether it is marked.
SEEN = """[...document.querySelectorAll('.tokens')].map((list) => [...list.children].map((token) =>
    [token.textContent, token.classList.contains('masked')]))"""
SET = """(([id, value]) => { const slider = document.getElementById(id); slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true})); })"""


def slide(window: Browser, step: int, epoch: int) -> None:
    """Put the sliders at places, of which there is one for each step of a short run."""
    for each in (["step", step], ["epoch", epoch]):
        window.value(f"{SET}({json.dumps(each)})")
    window.settle()


def seen(window: Browser) -> tuple[list[list[str]], list[list[int]]]:
    """Return the texts of the tokens of all rows, and which of them are marked."""
    rows = window.value(SEEN)
    texts = [[text for text, _ in row] for row in rows]
    return texts, [[place for place, (_, marked) in enumerate(row) if marked] for row in rows]


# Against a training


@pytest.mark.slow
def test_at_each_step_the_page_marks_what_the_run_masks(
    new_project: Callable[[Path], Project], tmp_path: Path, window: Browser
) -> None:
    project = new_project(tmp_path)
    write_jsonl(tmp_path / "hostile.jsonl", [{"instruction": HOSTILE, "output": f"{n}: {HOSTILE}"} for n in range(6)])
    datasets = [
        {"path": str(tmp_path / "train.jsonl"), "type": GSM8K, "split": "train[:24]"},
        {"path": str(tmp_path / "hostile.jsonl"), "type": "axolotl_cotmask.prompt_strategies.instruction_output",
         "noise": "random", "mask_ratio": 0.6},
    ]  # fmt: skip
    changes: dict[str, Any] = {
        "cotmask": {"mask_ratio": 0.4, "noise": "mask"}, "datasets": datasets, "num_epochs": 2, "sequence_len": 512,
        "plugins": ["axolotl_cotmask.CoTMaskPlugin", RECORDER],
    }  # fmt: skip
    config, page, output = project.config("both", **changes), tmp_path / "both.html", tmp_path / "both"
    project.axolotl("train", config).check()
    project.axolotl("cotmask", "preview", config, "--html", page, "--rows", "30", "--epoch", "1").check()
    tokenizer = AutoTokenizer.from_pretrained(output)
    mask = tokenizer.convert_tokens_to_ids("<mask>")
    window.look(width=1000, height=12000)
    window.open(page)
    assert window.value("[...document.querySelectorAll('.controls input')].map((each) => each.value).slice(0, 2)") == [
        "16",
        "1",
    ]
    assert "16 of 16: p = 0.400" in window.value("document.getElementById('step-says').textContent")
    shown = window.value(f"{json.dumps([token_text(tokenizer, n) for n in range(len(tokenizer))])}.map(visible)")
    texts = [text.replace("\n", "↵\n") or "∅" for text in shown]
    slide(window, 0, 0)
    plain, marked = seen(window)
    assert not any(marked), "p is 0"
    window.click("#given")
    compared = 0
    assert {forward["step"] for forward in forwards(output)} == set(range(16))
    for forward in forwards(output):
        if forward["step"] % 3:
            continue
        slide(window, forward["step"], forward["epoch"])
        assert "as in the run" in window.value("document.getElementById('epoch-says').textContent")
        given, marked = seen(window)
        for padded, labels in zip(forward["input_ids"], forward["labels"], strict=True):
            last = max(place for place, label in enumerate(labels) if label != -100)
            ids = padded[: last + 1]
            clean = [texts[label if label != -100 else token] for token, label in zip(ids, labels, strict=False)]
            row = plain.index(clean)
            assert given[row] == [texts[token] for token in ids]
            if mask in ids:
                assert marked[row] == [place for place, token in enumerate(ids) if token == mask]
            compared += len(marked[row])
    assert compared > 200
    assert window.complaints == []
    assert window.requests == [page.as_uri()]


# Of rows that are made here


def prepared(text: str = HOSTILE, rows: int = 3, select: str = "tokens", **options: Any) -> PreparedRows:
    """Return rows of a text, whose second half may be masked, in 100 steps of 3 epochs."""
    tokenizer = byte_level(("<unk>",))
    block = {"mask_ratio": 0.5, "mask_token": "<unk>", "warmup_ratio": 0.5, "select": select, **options}
    block = {name: value for name, value in block.items() if value is not None}
    entries: list[dict[str, Any]] = [{"path": f"<i>{HOSTILE}", "type": "a & b"}]
    run = RunMasking(parse_config(block), entries)
    entries[0]["cotmask"] = run.describe(0, None, trains=True)
    ids = [tokenizer(f"{n} {text}")["input_ids"] for n in range(rows)]
    columns = {"input_ids": ids, "labels": [[-100] * (len(row) // 2) + row[len(row) // 2 :] for row in ids]}
    marking = Marking(weight=1.0, sha256=None, scope="target", select=None if select == "tokens" else select, group=0)
    marks = mark_rows(columns, marking, tokenizer)
    return PreparedRows(
        entries, Dataset.from_dict(columns | marks), tokenizer, Masking.start(run, tokenizer, 3), 100, 100 / 3, False
    )


@pytest.fixture
def open_page(window: Browser, tmp_path: Path) -> Callable[..., Browser]:
    def opened(
        of: PreparedRows, rows: int = 3, width: int = 1000, height: int = 3000, scheme: str = "light"
    ) -> Browser:
        write_page(tmp_path / "page.html", preview_page(of, rows, 0, None, "axolotl-cotmask preview <config>"))
        window.look(width, height, scheme)
        window.open(tmp_path / "page.html")
        window.settle()
        return window

    return opened


def test_the_page_marks_what_the_step_selects(open_page: Callable[..., Browser]) -> None:
    rows = prepared(select="numbers", text="12 apples and 345 pears cost 6.75 in 2026 and 1,234 in 1999 " * 4)
    window = open_page(rows)
    for step, epoch in ((0, 0), (1, 0), (17, 2), (26, 1), (49, 1), (100, 2)):
        slide(window, step, epoch)
        _, marked = seen(window)
        for number, ofrow in enumerate(marked):
            marks = {name: mark[None] for name, mark in marks_of([rows.rows[number]]).items()}
            selected = rows.masking.select(marks, rows.masking.ratio(step, 100), epoch)
            assert ofrow == selected[0].nonzero().flatten().tolist()
    assert sum(map(len, marked)) > 20
    assert torch.equal(selected[0], selected[0] & (torch.tensor(rows.rows[number]["mask_weight"]) > 0))


def test_the_ratio_rises_before_ones_eyes(open_page: Callable[..., Browser]) -> None:
    window = open_page(prepared())
    window.value(f"{SET}(['step', 0])")
    counts = []
    window.value("document.getElementById('step').focus()")
    for _ in range(5):
        window.press(*["ArrowRight"] * 9)
        _, marked = seen(window)
        counts.append(set(marked[0]))
    for less, more in pairwise(counts):
        assert less <= more, "in one epoch a token that is masked stays so"
    assert len(counts[0]) < len(counts[-1])
    says = window.value("document.getElementById('step-says').textContent")
    assert says == "45 of 100: p = 0.441"
    assert "this step of the run: 1" in window.value("document.getElementById('epoch-says').textContent")
    window.click("#follow")
    assert window.value("document.getElementById('epoch').value") == "1"
    _, marked = seen(window)
    assert set(marked[0]) != counts[-1], "another epoch masks others"


def test_hostile_texts_stay_texts(open_page: Callable[..., Browser]) -> None:
    window = open_page(prepared())
    assert window.complaints == []
    assert len(window.requests) == 1
    assert window.value("document.querySelectorAll('img, b, i').length") == 0
    texts = seen(window)[0]
    assert "</script><img src=x onerror=alert(1)>" in "".join(texts[0])
    assert window.value("document.querySelector('h2').textContent").startswith("<i></script><img")
    assert "\u202e" not in window.value("document.documentElement.textContent")
    assert "<config>" in window.value("document.querySelector('header').textContent")


def test_what_there_is_to_know_of_a_token(open_page: Callable[..., Browser]) -> None:
    rows = prepared(select="numbers", text="12 apples and 345 pears " * 4)
    window = open_page(rows)
    first = next(place for place, weight in enumerate(rows.rows[0]["mask_weight"]) if weight)
    window.click(".tokens .token", first)
    detail = "document.getElementById('detail').textContent"
    said = window.value(detail)
    assert said.startswith(f"Row 1, token {first + 1} of ")
    assert f"(id {rows.rows[0]['input_ids'][first]})" in said
    assert "weight 1; its number in epoch 0: 0." in said
    assert "it becomes “<unk>”" in said
    assert "tokens from" in said
    assert window.value("document.querySelectorAll('.unit').length") > 1
    window.press("Home")
    assert "weight 0: never masked" in window.value(detail)
    window.press("ArrowLeft", "ArrowRight", "ArrowRight")
    assert window.value(detail).startswith("Row 1, token 3 of ")
    window.press("End")
    assert "token {0} of {0}:".format(len(rows.rows[0]["input_ids"])) in window.value(detail)
    assert window.value("document.querySelectorAll('.tokens [tabindex=\"0\"]').length") == 3, "a row is one stop of Tab"


NOTES: list[tuple[dict[str, Any], str]] = [
    ({"schedule": "random", "warmup_ratio": None}, "each micro-batch draws its own ratio"),
    ({"loss_on": "clean"}, "only the predictions that are made at clean tokens"),
    ({"hide_from_attention": True}, "hidden from attention"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "note"), NOTES)
def test_what_the_page_cannot_show_it_says(options: dict[str, Any], note: str) -> None:
    plain, page = (preview_page(prepared(**each), 1, 0, None, "") for each in ({}, options))
    assert note in page
    assert note not in plain


def test_noise_without_tokens_is_said(open_page: Callable[..., Browser]) -> None:
    window = open_page(prepared(noise={"dropout": {"q": 0.5}}))
    window.click("#given")
    texts, marked = seen(window)
    assert "no token that is known without the model" in (
        window.value(
            f"document.querySelectorAll('.tokens .token')[{marked[0][0]}].focus(), document.getElementById('detail').textContent"
        )
    )
    assert "alert(1)" in "".join(texts[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_reads_well(open_page: Callable[..., Browser], width: int, scheme: str) -> None:
    window = open_page(prepared(), width=width, height=900, scheme=scheme)
    assert window.value("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    colours = "(() => { const style = getComputedStyle(document.querySelector('%s')); return [style.color, style.backgroundColor]; })()"
    (ink, ground), (prompt, _), masked = (
        window.value(colours % name) for name in ("body", ".prompt", ".tokens .masked")
    )
    assert (luminance(ground) < 0.05) == (scheme == "dark")
    assert contrast(ink, ground) > 7
    assert contrast(prompt, ground) > 4.5
    assert contrast(*masked) > 4.5
    decoration = window.value("getComputedStyle(document.querySelector('.tokens .masked')).textDecorationLine")
    assert decoration == "underline", "not by colour alone"
    named = "[...document.querySelectorAll('input')].every((each) => each.labels.length === 1)"
    assert window.value(named)


def test_a_long_row_and_many_rows_are_drawn_where_they_are_seen(open_page: Callable[..., Browser]) -> None:
    window = open_page(prepared(rows=60, text="a line of 8 words and 50 more " * 40), rows=60, height=900)
    built = "[...document.querySelectorAll('.tokens')].map((list) => list.children.length > 0)"
    before = window.value(built)
    assert before[0]
    assert not before[-1]
    window.value("[...document.querySelectorAll('.tokens')].at(-1).scrollIntoView()")
    window.wait(f"{built}.at(-1)")
    window.value("[...document.querySelectorAll('.tokens')].at(-1).scrollIntoView()")
    window.settle()
    marked = seen(window)[1][-1]
    slide(window, 0, 0)
    assert marked
    assert seen(window)[1][-1] == []


def test_a_wrong_place_is_one_sentence_before_anything_is_prepared(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("base_model: nowhere\n")
    result = CliRunner().invoke(cotmask, ["preview", str(config), "--html", str(tmp_path / "none" / "page.html")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no directory {tmp_path / 'none'}" in result.stderr
