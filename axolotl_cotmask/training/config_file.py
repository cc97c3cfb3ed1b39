"""The text of a config: on which line a key stands, and which keys come twice, of which YAML drops one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError, Fault, Key, key_name, shown


class ConfigFile:
    """A YAML file of a config, with the place of each key.

    Attributes:
        path: of the file.
        content: its keys with their values.
        faults: the keys that come twice.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            CoTMaskError: it cannot be read, is no YAML, or holds no keys with values.
        """
        self.path = path
        try:
            # As Axolotl reads it.
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
            self.faults = list(_twice(self._root, ()))
        except OSError as error:
            raise CoTMaskError(f"{path}: {error.strerror}: name a config that can be read") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{path}, line {mark.line + 1}" if mark else str(path)
            raise CoTMaskError(f"{place}: this is no YAML ({error.problem}): mend the file") from error
        except RecursionError as error:
            raise CoTMaskError(
                f"{path}: lists and mappings are nested too deeply, or hold themselves: mend the file"
            ) from error
        # Besides its own, YAML's reader raises what a value of a wrong form ends in, such as a date in month 13.
        except Exception as error:
            raise CoTMaskError(f"{path}: this is no YAML ({' '.join(str(error).split())}): mend the file") from error
        if not isinstance(content, dict):
            raise CoTMaskError(f"{path}: holds no keys with values: give a config of Axolotl")
        self.content: dict[Any, Any] = content

    def place(self, key: Key) -> str:
        """Return where ``key`` stands, such as ``line 7``: where it is missing, the place of what it would stand in."""
        node, line = self._root, None
        for part in key:
            child = _child(node, part)
            if child is None:
                break
            line, node = child
        return "" if line is None else f"line {line}"


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    """Return the line, from 1, and the value of a key or a list's element."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    if isinstance(node, yaml.MappingNode):
        # Of a key that comes twice YAML takes the last.
        for key, value in reversed(node.value):
            if key.value in (str(part), shown(part)):
                return key.start_mark.line + 1, value
    return None


def _twice(node: Any, place: Key) -> Iterator[Fault]:
    # An alias is the node that its anchor names: each is looked at where it is written.
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _twice(value, (*place, number))
    if isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            inner = (*place, key.value)
            line = key.start_mark.line + 1
            if lines.setdefault(key.value, line) != line:
                first = lines[key.value]
                yield Fault(inner, f"{key_name(inner)} comes twice, on lines {first} and {line}: take out one of them")
            yield from _twice(value, inner)
