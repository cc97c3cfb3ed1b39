"""Loads a config as Axolotl does, to look at it: nothing is trained, so its output directory stays as it is."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from axolotl.cli import config

_is_looked_at = ContextVar("_is_looked_at", default=False)


def is_looked_at() -> bool:
    """Return whether `load_config` is at work, so that nothing will be written where the config says."""
    return _is_looked_at.get()


def load_config(path: str) -> Any:
    """Return Axolotl's config, validated and with its defaults.

    Axolotl's own function begins `debug.log` in the output directory anew, which is the log of a training there.

    Raises:
        SystemExit: the config is wrong; its message says how.
    """
    prepare = config.prepare_debug_log
    config.prepare_debug_log = lambda cfg: ""
    looked_at = _is_looked_at.set(True)
    try:
        return config.load_cfg(path)
    finally:
        _is_looked_at.reset(looked_at)
        config.prepare_debug_log = prepare
