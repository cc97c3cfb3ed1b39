"""What a config names as ``plugins:``: one that is none, Axolotl goes on without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from axolotl.integrations.base import load_plugin

from axolotl_cotmask.common.errors import Fault, Key, key_name, shown

#: How a config names the plugin.
NAME = "axolotl_cotmask.CoTMaskPlugin"


def plugin_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the plugins that cannot be loaded, and those that come twice, under whatever names."""
    named = cfg.get("plugins")
    kinds: list[type] = []
    # What is no list, Axolotl's schema refuses.
    for number, name in enumerate(named if isinstance(named, list) else []):
        key: Key = ("plugins", number)
        about = f"{key_name(key)} is {shown(name)}"
        if not isinstance(name, str):
            yield Fault(key, f"{about}: give the name of a plugin, such as {NAME}")
            continue
        try:
            kind = type(load_plugin(name))
        # Whatever its import ends in.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            yield Fault(key, f"{about}, which cannot be loaded ({reason}): mend the name, or take it out")
            continue
        if kind in kinds:
            yield Fault(key, f"{about}, and the same plugin stands above it: take out one of the two")
        kinds.append(kind)
