"""The pages that users read, and the commands that stand in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "recipes/README.md", "examples/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_PROGRAMS = ("axolotl", "axolotl-cotmask", "lm_eval", "nox")


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command in a page's blocks of commands, those of loops and of one line among them."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for line in re.findall(r"^ {4,}(\S.*)$", text, re.M):
        for part in re.split(r"\s&&\s|;\s|\sdo\s", line):
            if part.split()[0] in _PROGRAMS:
                found.append(shlex.split(part, comments=True))
    return found
