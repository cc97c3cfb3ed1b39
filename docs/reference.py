"""Writes docs/reference/*.md from the code: options from pydantic, commands from click, tasks and error sentences.

``nox -s tables`` writes them; with ``--check`` (``nox -s lint``) it only says whether they are current.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
import yaml
from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.masking.config import DATASET_KEYS, MASK_WARMUP, CoTMaskConfig
from axolotl_cotmask.reproduction.paper_plan import TASKS_OF_TYPES

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).with_suffix("")
PACKAGE = ROOT / "axolotl_cotmask"
TASKS = ROOT / "evaltasks"
#: The functions that a user's sentence goes through, and the place of the sentence among their arguments.
SENTENCES = {"CoTMaskError": 0, "Fault": 1}
NOTE = "<!-- Written by `nox -s tables` from the code. -->\n"


def options() -> Iterator[str]:
    """Yield the lines of the page of options."""
    yield from ("# Options", "", "## In `cotmask:`", "")
    yield "The block that turns masking on, beside `plugins: [axolotl_cotmask.CoTMaskPlugin]`."
    yield from ("", *_fields(CoTMaskConfig), "")
    yield from ("## In an entry of `datasets:`", "", "| key | meaning |", "|---|---|")
    yield from (f"| `{key}` | {meaning} |" for key, meaning in DATASET_KEYS.items())
    yield from (
        "",
        "All of Axolotl's own keys about data are honoured or refused: [which](../prompts.md#axolotls-keys).",
    )


def _fields(model: type[BaseModel]) -> Iterator[str]:
    yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description} |"


def _kind(field: FieldInfo) -> str:
    """Return what a field may hold, in words."""
    kinds = [field.annotation]
    if get_origin(field.annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    return " or ".join(_of_type(kind, field.metadata) for kind in kinds)


def _of_type(kind: Any, bounds: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind in (int, float):
        name = "a number" if kind is float else "a whole number"
        said = {Ge: "from {0.ge}", Le: "to {0.le}"}
        words = [said[type(bound)].format(bound) for bound in bounds if type(bound) in said]
        return " ".join((name, *words))
    return {bool: "`true`, `false`", str: "a name"}.get(kind, "a block")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if field.default is None:
        return "none"
    value = round(MASK_WARMUP, 4) if field.default == MASK_WARMUP else field.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> Iterator[str]:
    """Yield the lines of the page of commands."""
    yield from ("# Commands", "")
    yield "`axolotl cotmask COMMAND`, or `axolotl-cotmask COMMAND`, which prints no logo and so suits scripts that read"
    yield "`--json`. `--help` shows the same on the command line. The exit status is 0 when all went well, 1 after a"
    yield "sentence about what is wrong with files, and 2 after one about the command itself."
    yield from ("", "| command | does |", "|---|---|")
    leaves = list(_leaves(cotmask, ()))
    for path, command in leaves:
        name = " ".join(path)
        yield f"| [`{name}`](#{'-'.join(path)}) | {_help(command)[0]} |"
    for path, command in leaves:
        arguments = [_argument(parameter) for parameter in command.params if isinstance(parameter, click.Argument)]
        yield from ("", f"## {' '.join(path)}", "")
        yield f"    axolotl cotmask {' '.join((*path, *arguments, '[OPTIONS]'))}"
        for paragraph in _help(command):
            yield from ("", paragraph)
        chosen = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        if chosen:
            yield from ("", "| option | value | default | meaning |", "|---|---|---|---|")
            yield from map(_option, chosen)


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _leaves(inner, (*path, name))


def _help(command: click.Command) -> list[str]:
    """Return the paragraphs of a command's help, each on one line but for what is indented."""
    paragraphs = inspect.cleandoc(command.help or "").replace("\b\n", "").split("\n\n")
    return [text if text.startswith("    ") else _prose(" ".join(text.split())) for text in paragraphs]


def _prose(text: str) -> str:
    """Return a text that Markdown shows as it is, but for what stands between backticks."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def _argument(parameter: click.Parameter) -> str:
    context = click.Context(click.Command("none"))
    return parameter.make_metavar(context)


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    meaning, _, default = (option.help or "").partition("[default: ")
    shown = "needed" if option.required else default.removesuffix("]")
    if not shown and not option.is_flag and option.default not in (None, ()) and not _is_unset(option.default):
        values = option.default if isinstance(option.default, tuple) else (option.default,)
        shown = ", ".join(f"`{item}`" for item in values)
    return f"| {names} | {_value(option)} | {shown} | {_prose(meaning.strip())} |".replace("  ", " ")


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if option.metavar is None and isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        return "`N`" if isinstance(option.type, click.types.IntParamType) else "`X`"
    return f"`{option.make_metavar(click.Context(click.Command('none')))}`".replace("|", "\\|")


def _is_unset(default: Any) -> bool:
    # click's own object for "there is none", which has no public name.
    return type(default).__name__ == "Sentinel"


def tasks() -> Iterator[str]:
    """Yield the lines of the page of tasks."""
    yield from ("# Tasks", "")
    yield "Each model is asked in the form of its training data, so take the tasks of its form:"
    yield from ("", "| trained with `type: axolotl_cotmask.prompt_strategies.` | tasks |", "|---|---|")
    for name, asked in TASKS_OF_TYPES.items():
        yield f"| `{name}` | {', '.join(f'`{task.name}`' for task in asked)} |"
    yield ""
    yield "All of them, by folder; a folder's page tells prompt, decoding, rule, metrics, data and what is not covered."
    for readme in sorted(TASKS.glob("*/README.md")):
        text = readme.read_text(encoding="utf-8").split("\n\n")
        folder = readme.parent
        contents = [yaml.load(path.read_bytes(), _NamesOnly) for path in sorted(folder.glob("cotmask_*.yaml"))]  # noqa: S506
        names = [content["task"] if isinstance(content.get("task"), str) else content["group"] for content in contents]
        about = " ".join(text[1].split()).replace("](../../docs/", "](../")
        yield from ("", f"## {folder.name}", "")
        yield f"{about} [More](../../evaltasks/{folder.name}/README.md)."
        yield from ("", f"Tasks: {', '.join(f'`{name}`' for name in names)}.")


class _NamesOnly(yaml.SafeLoader):
    """Reads a task's YAML without the functions that it names."""


_NamesOnly.add_multi_constructor("!", lambda loader, suffix, node: None)


def errors() -> Iterator[str]:
    """Yield the lines of the page of error sentences."""
    yield from ("# Sentences", "")
    yield "Every sentence that the package ends with, found in its source: search for a few words of the one that you"
    yield "met. `…` stands for a name, a number or a value; cause and mend are in the sentence. Those met most, with"
    yield "reasons, are in [Errors you may meet](../errors.md)."
    for room in sorted(path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()):
        found = {file: list(dict.fromkeys(_sentences(file))) for file in sorted(room.rglob("*.py"))}
        if not any(found.values()):
            continue
        yield from ("", f"## {room.name}")
        for file, sentences in found.items():
            if sentences:
                yield from ("", f"`{file.relative_to(PACKAGE)}`", "")
                yield from (f"- {_as_code(sentence)}" for sentence in sentences)


def _as_code(sentence: str) -> str:
    ticks = "``" if "`" in sentence else "`"
    edge = " " if "`" in sentence else ""
    return f"{ticks}{edge}{sentence}{edge}{ticks}"


def _sentences(file: Path) -> Iterator[str]:
    """Yield the sentences that a file makes, in its order, with … for what is not known before."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENTENCES:
            place = SENTENCES[node.func.id]
            text = _text(node.args[place]) if len(node.args) > place else ""
            # What another function makes stands there.
            if text.strip("… ") and len(text.split()) > 2:
                yield " ".join(text.split())


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


PAGES = {"options": options, "commands": commands, "tasks": tasks, "sentences": errors}


def main() -> int:
    """Write or check the pages; return the exit status."""
    stale = []
    for name, lines in PAGES.items():
        path, text = FOLDER / f"{name}.md", NOTE + "\n" + "\n".join(lines()) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"{names}: not what is made from code: run `nox -s tables`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
