"""The example of docs/chats.md: a chat of several turns with thinking and a tool, with its masks as the preview shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import chat_models
from support.project import Project, write_jsonl
from transformers import Qwen3Config

PAGE = (Path(__file__).parents[2] / "docs" / "chats.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("## An example")[1].split("\n## ")[0]


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)[number]


def shown(project: Project, scope: str) -> str:
    """The row from its first turn on, each masked token in brackets."""
    chat = json.loads(block("json"))
    write_jsonl(project.directory / "chats.jsonl", [chat])
    base = project.directory / "qwen3"
    chat_models.tokenizer("qwen3", chat_models.texts(chat["messages"])).save_pretrained(base)
    Qwen3Config().save_pretrained(base)
    config: dict[str, Any] = yaml.safe_load(block("yaml"))
    config["cotmask"]["scope"] = scope
    config["datasets"][0]["path"] = str(project.directory / "chats.jsonl")
    path = project.config(**config, base_model=str(base), sequence_len=4096)
    output = project.axolotl("cotmask", "preview", path, "--json").check().output
    [dataset] = json.loads(next(line for line in output.splitlines() if line.startswith('{"epoch"')))["datasets"]
    tokens = dataset["rows"][0]["tokens"]
    text = "".join(f"[{token['text']}]" if token["kind"] == "masked" else token["text"] for token in tokens)
    return text[text.index("<|im_start|>user") :]


@pytest.mark.parametrize(("number", "scope"), enumerate(("thinking", "answer")))
def test_the_page_shows_what_is_masked(project: Project, number: int, scope: str) -> None:
    assert shown(project, scope) == block("text", number)
