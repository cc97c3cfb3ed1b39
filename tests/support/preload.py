"""What processes that run `axolotl` are forked with: its imports, what is computed once, and no garbage to look for."""

# ruff: noqa: F401
from __future__ import annotations

import atexit
import gc

import axolotl.cli.config
import axolotl.cli.main
import axolotl.cli.train
import axolotl.common.datasets
import axolotl.core.builders
import axolotl.integrations.base
import axolotl.train
import multiprocess.context
import numpy as np
import peft
import torch.nn.attention.varlen
import transformers.models.llama.modeling_llama
from axolotl.utils.samplers.multipack import pack_group
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

import axolotl_cotmask.prompt_strategies.gsm8k
import axolotl_cotmask.training.plugin
import axolotl_cotmask.training.trainer
import support.scripted_lm

get_checkpoint_conversion_mapping("llama")
pack_group(np.array([1, 2, 2], dtype=np.int32), 0, 4, 8, 8, True)
# `datasets` writes prepared rows from a process that it spawns, whose imports take a second of a core; a forked one writes the same.
multiprocess.context._concrete_contexts["spawn"] = multiprocess.context._concrete_contexts["fork"]
# A training collects garbage up to twenty times, and would each time look through the million objects imported here.
gc.collect()
gc.freeze()
# Extension modules look for leaks at the end of the process.
atexit.register(gc.unfreeze)
