"""Loads a config as Axolotl does, to look at it: nothing is trained, so its output directory stays as it is."""

from __future__ import annotations

from typing import Any

from axolotl.cli import config


def load_config(path: str) -> Any:
    """Return Axolotl's config, validated and with its defaults.

    Axolotl's own function begins `debug.log` in the output directory anew, which is the log of a training there.

    Raises:
        SystemExit: the config is wrong; its message says how.
    """
    prepare = config.prepare_debug_log
    config.prepare_debug_log = lambda cfg: ""
    try:
        return config.load_cfg(path)
    finally:
        config.prepare_debug_log = prepare
