"""Selectors by name: our own, and those of other packages by entry point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from axolotl_cotmask.args import closest
from axolotl_cotmask.errors import CoTMaskError

#: Half-open: the characters from the first number up to, not including, the second.
Span = tuple[int, int]
#: Finds the stretches of a text that a mask may fall on: in order, without overlaps, none empty. Each is masked whole.
Selector = Callable[[str], Sequence[Span]]

#: The entry point group of other packages' selectors.
GROUP = "axolotl_cotmask.selectors"
#: Every token is a unit of its own; no text is read.
TOKENS = "tokens"

_BUILT_IN = {
    "numbers": "axolotl_cotmask.selectors.parts",
    "operators": "axolotl_cotmask.selectors.parts",
    "equations": "axolotl_cotmask.selectors.parts",
    "words": "axolotl_cotmask.selectors.parts",
    "steps": "axolotl_cotmask.selectors.steps",
}


@dataclass(frozen=True)
class _PluggedIn:
    """Another package's selector; what it returns is checked."""

    name: str
    value: str
    function: Selector

    def __call__(self, text: str) -> Sequence[Span]:
        spans = self.function(text)
        last = 0
        for start, end in spans:
            if not last <= start < end <= len(text):
                raise CoTMaskError(
                    f"the selector {self.name} ({self.value}) gave the span ({start}, {end}) in a text of {len(text)} "
                    "characters: its spans have to be in order, inside the text, without overlaps, and not empty"
                )
            last = end
        return spans


def names() -> list[str]:
    """Return the names that `get` knows, our own first; no other package is imported."""
    return [TOKENS, *_BUILT_IN, *sorted(entry_points(group=GROUP).names - {TOKENS, *_BUILT_IN})]


def get(name: str) -> Selector | None:
    """Return the selector called ``name``; None for ``tokens``, which reads no text.

    Raises:
        CoTMaskError: there is none, or two packages have one, or it cannot be loaded.
    """
    if name == TOKENS:
        return None
    if name in _BUILT_IN:
        selector: Selector = getattr(import_module(_BUILT_IN[name]), name)
        return selector
    found = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if not found:
        raise CoTMaskError(f"{name} is not a selector{closest(name, names())}")
    if len(found) > 1:
        raise CoTMaskError(f"more than one package has a selector {name} ({', '.join(sorted(found))}): uninstall one")
    return _loaded(*found.values())


def _loaded(point: EntryPoint) -> Selector:
    try:
        function = point.load()
    # Any error of another package's import.
    except Exception as error:
        raise CoTMaskError(
            f"the selector {point.name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(function):
        raise CoTMaskError(
            f"the selector {point.name} ({point.value}) is a {type(function).__name__}, not a function of a text"
        )
    return _PluggedIn(point.name, point.value, function)
