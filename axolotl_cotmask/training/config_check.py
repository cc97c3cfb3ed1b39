"""A config looked through without training: the work behind ``axolotl cotmask check``."""

from __future__ import annotations

from pathlib import Path

from axolotl.integrations.base import PluginManager
from axolotl.utils.dict import DictDefault

from axolotl_cotmask.common.errors import Fault, shown
from axolotl_cotmask.training import checks, faults, reading
from axolotl_cotmask.training.config_file import ConfigFile
from axolotl_cotmask.training.loading import load_config
from axolotl_cotmask.training.named_plugins import NAME
from axolotl_cotmask.training.places import place_faults


def check_config(path: Path) -> None:
    """Look through a config as a training does before it loads data and model weights.

    Raises:
        CoTMaskError: what is wrong, all of it, with the lines.
        SystemExit: the same, where Axolotl called us.
    """
    checks.check_axolotl()
    file = ConfigFile(path)
    for fault in file.faults:
        # Of the two YAML takes the last, which may lack ours.
        if fault.key == ("plugins",):
            raise faults.ConfigError([fault], file)
    named = file.content.get("plugins")
    if not isinstance(named, list) or NAME not in named:
        found = Fault(
            ("plugins",),
            f"plugins is {shown(named)}, so nothing would be masked: set `plugins: [{NAME}]`, and a `cotmask:` block",
        )
        raise faults.ConfigError([found], file)
    # The data are not read, and nothing is written.
    written = DictDefault({**file.content, "axolotl_config_path": str(path)})
    faults.stop_on_faults(written, reading.missing_files, place_faults)
    cfg = load_config(str(path))
    for plugin in PluginManager.get_instance().plugins.values():
        plugin.load_datasets(cfg, preprocess=True)
