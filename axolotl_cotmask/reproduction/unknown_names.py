"""What is said of a name that `repro` knows nothing by: the nearest names, or those that begin with it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from axolotl_cotmask.common.errors import CoTMaskError

#: Of the names that begin alike so many are named.
_NAMED = 8


def unknown_name(name: str, known: Sequence[str]) -> CoTMaskError:
    """Return the error about a name; ``known`` are those that there are: ``table1``, ``llama2-7b/gsm8k-mft``, ..."""
    alike = [other for other in known if other.count("/") == name.count("/")]
    near = difflib.get_close_matches(name, alike, n=1, cutoff=0.75)
    return CoTMaskError(
        f"there is nothing called {name} to reproduce: "
        + (f"did you mean {near[0]}?" if near else f"name {_below(name, known) or _whole(known)}")
    )


def _below(name: str, known: Sequence[str]) -> str:
    """Return the names that begin with this one, or else with what stands before its last slash."""
    for start in (name.rstrip("/"), name.rpartition("/")[0]):
        found = [other for other in known if other.rpartition("/")[0] == start] if start else []
        if found:
            return f"one of {', '.join(found[:_NAMED])}{', ...' if len(found) > _NAMED else ''}"
    return ""


def _whole(known: Sequence[str]) -> str:
    names = ", ".join(name for name in known if "/" not in name)
    return f"{names}, a row such as llama2-7b/gsm8k-mft, or the path of a recipe"
