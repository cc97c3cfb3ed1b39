"""The page of `axolotl cotmask preview --html`, in a browser: what it marks at a step and epoch is what the run masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.project import Project, write_jsonl
from support.recorded import RECORDER, forwards
from transformers import AutoTokenizer

from axolotl_cotmask.training.preview import token_text

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b> \u202e turned \u200f and {{ 7 }}"
#: All rows of the page as they are seen: for each token its text, whether it is marked, and what the row says of itself.
SEEN = """[...document.querySelectorAll('.tokens')].map((list) => [...list.children].map((token) =>
    [token.textContent, token.classList.contains('masked')]))"""
SET = "(([id, value]) => {{ const slider = document.getElementById(id); slider.value = value; slider.dispatchEvent(new Event('input', {{bubbles: true}})); }})({})"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def project(new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return new_project(tmp_path_factory.mktemp("previewed"))


def page_of(project: Project, config: Path, *options: str) -> Path:
    page = project.directory / f"{config.stem}.html"
    project.axolotl("cotmask", "preview", config, "--html", page, *options).check()
    return page


def slide(window: Browser, step: int, epoch: int) -> None:
    for each in (["step", step], ["epoch", epoch]):
        window.value(SET.format(json.dumps(each)))
    window.settle()


@pytest.fixture(scope="module")
def trained(project: Project) -> tuple[Path, Path]:
    """The page of a config of two data sets, and the output directory of its training."""
    write_jsonl(project.directory / "hostile.jsonl", [{"instruction": HOSTILE, "output": f"{n}: {HOSTILE}"} for n in range(6)])
    datasets = [
        {"path": str(project.directory / "train.jsonl"), "type": GSM8K, "split": "train[:24]"},
        {"path": str(project.directory / "hostile.jsonl"), "type": "axolotl_cotmask.prompt_strategies.instruction_output",
         "noise": "random", "mask_ratio": 0.6},
    ]  # fmt: skip
    changes: dict[str, Any] = {
        "cotmask": {"mask_ratio": 0.4, "noise": "mask"}, "datasets": datasets, "num_epochs": 2, "sequence_len": 512,
        "plugins": ["axolotl_cotmask.CoTMaskPlugin", RECORDER],
    }  # fmt: skip
    config = project.config("both", **changes)
    project.axolotl("train", config).check()
    return page_of(project, config, "--rows", "30", "--epoch", "1"), project.directory / "both"


@pytest.mark.slow
def test_at_each_step_the_page_marks_what_the_run_masks(trained: tuple[Path, Path], window: Browser, project: Project) -> None:
    page, output = trained
    tokenizer = AutoTokenizer.from_pretrained(output)
    mask = tokenizer.convert_tokens_to_ids("<mask>")
    window.look(width=1000, height=12000)
    window.open(page)
    shown = window.value(f"{json.dumps([token_text(tokenizer, n) for n in range(len(tokenizer))])}.map(visible)")
    texts = [text.replace("\n", "↵\n") or "∅" for text in shown]
    slide(window, 0, 0)
    plain = [[text for text, _ in row] for row in window.value(SEEN)]
    assert not any(masked for row in window.value(SEEN) for _, masked in row), "p is 0"
    window.click("#given")
    compared = 0
    steps = {forward["step"] for forward in forwards(output)}
    assert steps == set(range(16))
    for forward in forwards(output):
        if not forward["training"] or forward["step"] % 3:
            continue
        slide(window, forward["step"], forward["epoch"])
        given = [[text for text, _ in row] for row in window.value(SEEN)]
        marked = [[place for place, (_, masked) in enumerate(row) if masked] for row in window.value(SEEN)]
        for ids, labels in zip(forward["input_ids"], forward["labels"], strict=True):
            last = max(place for place, label in enumerate(labels) if label != -100)
            ids = ids[: last + 1]
            clean = [texts[label if label != -100 else token] for token, label in zip(ids, labels, strict=False)]
            rows = [number for number, row in enumerate(plain) if row == clean]
            assert rows
            assert given[rows[0]] == [texts[token] for token in ids]
            if mask in ids:
                assert marked[rows[0]] == [place for place, token in enumerate(ids) if token == mask]
            compared += len(marked[rows[0]])
    assert compared > 200
    assert window.complaints == []
    assert window.requests == [page.as_uri()]
