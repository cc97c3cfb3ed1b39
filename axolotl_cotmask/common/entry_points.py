"""What a config names: our own of a kind, and those that other packages bring by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from axolotl_cotmask.common.errors import CoTMaskError, closest

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """All of a kind by name: ours, whose names no entry point can take, and what the entry points of a group name."""

    kind: str
    unknown: str  # how the sentence about a name that is not known begins; {} stands for the name
    group: str
    own: Mapping[str, T]
    plugged_in: Callable[[str, Callable[..., Any]], T]  # of what a sentence calls it, and another package's function

    def names(self) -> list[str]:
        """Return the names that `get` knows, our own first; no other package is imported."""
        return [*self.own, *sorted(entry_points(group=self.group).names - self.own.keys())]

    def get(self, name: str) -> T:
        """Return what is called ``name``.

        Raises:
            CoTMaskError: there is none, or two packages have one, or it cannot be loaded.
        """
        if name in self.own:
            return self.own[name]
        points = {point.value: point for point in entry_points(group=self.group, name=name)}
        if not points:
            raise CoTMaskError(f"{self.unknown.format(name)}{closest(name, self.names())}")
        if len(points) > 1:
            places = ", ".join(sorted(points))
            raise CoTMaskError(f"more than one package has a {self.kind} {name} ({places}): uninstall one")
        [(place, point)] = points.items()
        title = f"the {self.kind} {name} ({place})"
        try:
            function = point.load()
        # Any error of another package's import.
        except Exception as error:
            raise CoTMaskError(
                f"{title} cannot be loaded ({type(error).__name__}: {error}): install its package anew"
            ) from error
        if not callable(function):
            raise CoTMaskError(f"{title} is a {type(function).__name__}: its entry point has to name a function")
        return self.plugged_in(title, function)
