"""Selectors by name: our own, and those of other packages by entry point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axolotl_cotmask.common.entry_points import Registry
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.experimental.selectors.parts import equations, numbers, operators, words
from axolotl_cotmask.masking.experimental.selectors.steps import steps
from axolotl_cotmask.masking.offsets import Span

#: Finds the stretches of a text that a mask may fall on: in order, without overlaps, none empty. Each is masked whole.
Selector = Callable[[str], Sequence[Span]]

#: Every token is a unit of its own; no text is read.
EVERY_TOKEN = "tokens"


@dataclass(frozen=True)
class _PluggedIn:
    """Another package's selector; what it returns is checked."""

    title: str
    function: Selector

    def __call__(self, text: str) -> Sequence[Span]:
        spans = self.function(text)
        last = 0
        for start, end in spans:
            if not last <= start < end <= len(text):
                raise CoTMaskError(
                    f"{self.title} gave the span ({start}, {end}) in a text of {len(text)} characters: its spans have "
                    "to be in order, inside the text, without overlaps, and not empty"
                )
            last = end
        return spans


_OWN = {EVERY_TOKEN: None} | {find.__name__: find for find in (numbers, operators, equations, words, steps)}
_SELECTORS = Registry[Selector | None](
    "selector", "{} is not a selector", "axolotl_cotmask.selectors", _OWN, _PluggedIn
)
#: By name; None for ``tokens``, which reads no text.
get, names = _SELECTORS.get, _SELECTORS.names
