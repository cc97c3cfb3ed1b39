"""A text that spells the token that a run adds would have other labels than without the plugin: the run says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import load_from_disk
from support.project import Project, Rows, write_jsonl
from support.trained import GSM8K
from transformers import AutoTokenizer

MASK = {"mask_ratio": 0.4, "noise": "mask"}


def spelling(rows: Rows, field: str, token: str = "<mask>") -> Rows:
    """The rows, of which the 17th spells the token in the middle of a word."""
    return [{**row, field: row[field].replace("How", f"H{token}ow", 1).replace("=", token, 1)} if i == 16 else row
            for i, row in enumerate(rows)]  # fmt: skip


def data_set(project: Project, rows: Rows, kind: str, **changes: Any) -> list[dict[str, Any]]:
    if kind == "alpaca":
        rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in rows]
    if kind == "chat_template":
        turns = [("user", "question"), ("assistant", "answer")]
        rows = [{"messages": [{"role": role, "content": row[field]} for role, field in turns]} for row in rows]
    path = write_jsonl(project.directory / f"{kind}.jsonl", rows)
    return [{"path": str(path), "type": GSM8K if kind == "gsm8k" else kind, **changes}]


def labels(project: Project, name: str, **changes: Any) -> list[list[int]]:
    """The labels that `axolotl preprocess` makes, in the order of their texts."""
    project.axolotl("preprocess", project.config(name, **changes)).check()
    [state] = (project.directory / f"{name}-prepared").glob("*/state.json")
    return sorted(load_from_disk(state.parent)["labels"])


@pytest.mark.parametrize("kind", ["gsm8k", "alpaca", "chat_template"])
@pytest.mark.parametrize("field", ["question", "answer"])
def test_the_row_is_named(project: Project, gsm8k_rows: Rows, kind: str, field: str) -> None:
    data = data_set(project, spelling(gsm8k_rows, field), kind)
    config = project.config("spelt", cotmask=MASK, datasets=data, chat_template="chatml", sequence_len=512)
    sentence = project.axolotl("preprocess", config).sentence()
    assert f"{kind}.jsonl, row 17: the text spells <mask>, which is read as the new mask token" in sentence
    assert not list((project.directory / "spelt-prepared").glob("*/")), "no prepared data is left behind"


@pytest.mark.parametrize("where", [
    pytest.param({"cotmask": {**MASK, "mask_token": "<blank>"}, "tokens": ["<blank>"]}, id="a token of one's own"),
    pytest.param({"cotmask": {**MASK, "strip_mask_token": True}}, id="stripped"),
    pytest.param({"cotmask": {**MASK, "noise": {"mask": 0.1, "random": 0.9}}}, id="mixture"),
    pytest.param({"cotmask": {**MASK, "noise": "random"}}, id="noise of another data set"),
])  # fmt: skip
def test_in_whatever_way_the_token_is_new(project: Project, gsm8k_rows: Rows, where: dict[str, Any]) -> None:
    token = where["cotmask"].get("mask_token", "<mask>")
    data = data_set(project, spelling(gsm8k_rows, "answer", token), "gsm8k", noise="mask")
    config = project.config("spelt", **{"datasets": data, **where})
    assert f"row 17: the text spells {token}" in project.axolotl("preprocess", config).sentence()


def test_evaluation_data_count_too(project: Project, gsm8k_rows: Rows) -> None:
    data = data_set(project, spelling(gsm8k_rows, "question"), "gsm8k", split="train")
    config = project.config("spelt", cotmask=MASK, test_datasets=data)
    assert "gsm8k.jsonl, row 17: the text spells <mask>" in project.axolotl("train", config).sentence()


@pytest.mark.parametrize("cotmask", [
    pytest.param({"mask_ratio": 0}, id="plain SFT"),
    pytest.param({"mask_ratio": 0.4, "noise": "random"}, id="random"),
    pytest.param({"mask_ratio": 0.4, "noise": "mask", "mask_token": "<unk>"}, id="existing"),
])  # fmt: skip
@pytest.mark.slow
def test_labels_are_those_without_the_plugin(project: Project, gsm8k_rows: Rows, cotmask: dict[str, Any]) -> None:
    """Where no token is added, a text may spell whatever it likes."""
    rows = spelling(spelling(gsm8k_rows, "answer"), "question", "<unk>")
    data = data_set(project, rows, "alpaca")
    without = labels(project, "without", plugins=None, cotmask=None, datasets=data)
    assert labels(project, "with", cotmask=cotmask, datasets=data) == without


@pytest.mark.slow
def test_a_token_that_the_base_model_has(project: Project, gsm8k_rows: Rows, tmp_path: Path) -> None:
    """It is no new one: its text was read as the token before."""
    base = tmp_path / "base"
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    tokenizer.add_tokens(["<mask>"])
    tokenizer.save_pretrained(base)
    for file in project.model.iterdir():
        if not (base / file.name).exists():
            (base / file.name).symlink_to(file)
    data = data_set(project, spelling(gsm8k_rows, "answer"), "alpaca")
    changes = {"base_model": str(base), "datasets": data}
    without = labels(project, "without", plugins=None, cotmask=None, **changes)
    assert labels(project, "with", cotmask=MASK, **changes) == without
