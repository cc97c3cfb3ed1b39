"""How a case of an attack ended, and the counts of all."""

from __future__ import annotations

import collections
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError

#: How a case may end, all but the first two of which are wrong.
FINE, SENTENCE, OURS, OTHERS, BROKEN, STUCK = (
    "fine",
    "sentence",
    "traceback of ours",
    "traceback of Axolotl's",
    "broken sentence",
    "stuck",
)
#: Characters of a sentence, with the file and the line behind it.
_LONGEST = 1400


def outcome(run: Callable[[], Any]) -> tuple[str, str]:
    """Run a case; return how it ended and what it said."""
    try:
        run()
    except (SystemExit, CoTMaskError) as error:
        text = str(error).removeprefix("\naxolotl-cotmask: ")
        first, *others = text.split("\n")
        listed = first.endswith(" things are wrong in the config:") and int(first.split()[0]) == len(others)
        lines = others if listed else [text]
        whole = all(line.isprintable() and 0 < len(line) < _LONGEST for line in lines)
        return (SENTENCE if whole and isinstance(error.args[0], str) else BROKEN), text
    # Everything else is what a user would see as a traceback.
    except Exception as error:
        frames = [f.filename for f in traceback.extract_tb(error.__traceback__)]
        rooms = [name for name in frames if "/axolotl_cotmask/" in name or "/axolotl/" in name]
        kind = OURS if rooms and "/axolotl_cotmask/" in rooms[-1] else OTHERS
        last = traceback.extract_tb(error.__traceback__)[-1]
        return kind, f"{type(error).__name__}: {str(error)[:200]} ({last.filename}:{last.lineno})"
    return FINE, ""


@dataclass
class Counts:
    """How many cases ended how, and the first of those that were wrong."""

    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, end: str, case: str, text: str) -> None:
        self.ends[end] += 1
        if end not in (FINE, SENTENCE):
            self.wrong.append(f"{end}: {case}\n    {text}")

    def __str__(self) -> str:
        return ", ".join(f"{count} {end}" for end, count in self.ends.most_common())
