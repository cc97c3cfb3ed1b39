"""What processes that run `axolotl` are forked with: its imports, what is computed once, and no garbage to look for."""

# ruff: noqa: F401
from __future__ import annotations

import atexit
import gc

import axolotl.cli.checks
import axolotl.cli.config
import axolotl.cli.main
import axolotl.cli.train
import axolotl.common.datasets
import axolotl.core.builders
import axolotl.integrations.base
import axolotl.train
import axolotl.utils.config
import multiprocess.context
import multiprocess.managers
import numpy as np
import peft
import pytest
import torch.nn.attention.varlen
import transformers.models.llama.modeling_llama
from axolotl.integrations.base import PluginManager
from axolotl.integrations.config import merge_input_args
from axolotl.utils.samplers.multipack import pack_group
from axolotl.utils.schemas.datasets import SFTDataset
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

import axolotl_cotmask.cli
import axolotl_cotmask.prompt_strategies.gsm8k
import axolotl_cotmask.training.preview
import axolotl_cotmask.training.trainer
import support.forked
import support.scripted_lm
from axolotl_cotmask.training.plugin import CoTMaskPlugin

_ARGUMENTS = [CoTMaskPlugin().get_input_args()]
with pytest.MonkeyPatch.context() as patch:
    patch.setattr(PluginManager, "get_input_args", lambda _: _ARGUMENTS)
    # As the plugin lets its keys through.
    patch.setitem(SFTDataset.model_config, "extra", "allow")
    SFTDataset.model_rebuild(force=True)
    _CLASSES = merge_input_args()
SFTDataset.model_rebuild(force=True)


def _config_classes() -> tuple[type, type]:
    """With our plugin they are always these, which Axolotl makes anew in each process, in half a second."""
    return _CLASSES if PluginManager.get_instance().get_input_args() == _ARGUMENTS else merge_input_args()


axolotl.utils.config.merge_input_args = _config_classes
get_checkpoint_conversion_mapping("llama")
pack_group(np.array([1, 2, 2], dtype=np.int32), 0, 4, 8, 8, True)
# `datasets` writes prepared rows from a process that it spawns, whose imports take a second of a core; a forked one writes the same.
multiprocess.context._concrete_contexts["spawn"] = multiprocess.context._concrete_contexts["fork"]
# A training collects garbage up to twenty times, and would each time look through the million objects imported here.
gc.collect()
gc.freeze()
# Extension modules look for leaks at the end of the process.
atexit.register(gc.unfreeze)
