"""Every command in the docs is one that there is: its options, its recipes, its tasks, its sessions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import click
import pytest
from support.pages import PAGES, ROOT, commands

from axolotl_cotmask.cli import cotmask

SESSIONS = {
    node.name
    for node in ast.walk(ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef) and any("session" in ast.dump(part) for part in node.decorator_list)
}
TASKS = {path.stem for path in (*ROOT.glob("evaltasks/*/cotmask_*.yaml"), *ROOT.glob("examples/*/tea_shop.yaml"))}


def all_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        yield from ((str(page.relative_to(ROOT)), words) for words in commands(page))


def check_cotmask(words: list[str]) -> None:
    """Walk down to the command, and look up each option."""
    command: click.Command = cotmask
    while isinstance(command, click.Group) and words:
        name, *words = words
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
    if words and words[0] == "COMMAND":
        return
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {"--help"}
    used = [
        word.partition("=")[0]
        for word in words[: words.index("--") if "--" in words else None]
        if re.match("-[-a-z]", word)
    ]
    assert [option for option in used if option not in options] == []


def check_recipe(words: list[str]) -> None:
    for word in words:
        if re.match(r"(recipes|examples)/[^$]*\.yaml$", word):
            assert (ROOT / word).is_file(), word


def test_there_are_commands_to_check() -> None:
    found = list(all_commands())
    assert len(found) > 50
    assert {page for page, _ in found} >= {
        "README.md",
        "docs/use.md",
        "docs/score.md",
        "docs/try.md",
        "examples/README.md",
    }


@pytest.mark.parametrize(
    ("page", "words"), all_commands(), ids=lambda value: value if isinstance(value, str) else " ".join(value[:4])
)
def test_a_command_is_there(page: str, words: list[str]) -> None:
    program, *rest = words
    check_recipe(rest)
    if program == "axolotl-cotmask" or rest[:1] == ["cotmask"]:
        check_cotmask(rest[1:] if rest[:1] == ["cotmask"] else rest)
    elif program == "nox":
        sessions = rest[rest.index("-s") + 1 :]
        named = sessions[: sessions.index("--")] if "--" in sessions else sessions
        assert named
        assert set(named) <= SESSIONS
    elif program == "lm_eval":
        asked = rest[rest.index("--tasks") + 1].split(",")
        assert {task for task in asked if task not in ("T", "TASK")} <= TASKS
