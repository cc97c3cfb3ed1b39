"""Which Axolotl is installed, and which one this package was tested with; Axolotl itself is not imported."""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, requires, version

#: Set to anything, it lets another Axolotl be tried than the one that was tested.
ANY = "COTMASK_ANY_AXOLOTL"


def pinned_version() -> str | None:
    """Return the version of Axolotl that this package depends on; None where the package itself is not installed."""
    try:
        needed = requires("axolotl-cotmask") or []
    except PackageNotFoundError:
        return None
    pins = [match[1] for name in needed if (match := re.fullmatch(r"axolotl==([^ ;]+)", name))]
    return pins[0] if pins else None


def other_version() -> str | None:
    """Return a sentence where the installed Axolotl is another than the one that was tested; None where it may run."""
    try:
        installed, tested = version("axolotl"), pinned_version()
    except PackageNotFoundError:
        return None
    if tested is None or installed == tested or os.environ.get(ANY):
        return None
    return (
        f"axolotl {installed} is installed, and this axolotl-cotmask was tested with {tested}, on whose inner "
        f"functions it rests: `pip install axolotl=={tested}`, or set {ANY}=1 to try it with this one (docs/axolotl.md)"
    )
