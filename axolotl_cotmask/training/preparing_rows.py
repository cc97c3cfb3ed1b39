"""Prepares the rows that a config trains on as training prepares them, without its model."""

from __future__ import annotations

import math
import tempfile
from typing import Any

from axolotl.loaders import load_tokenizer
from axolotl.utils.data import prepare_datasets, sft

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import PREPARED_AS, RunMasking
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training.loading import load_config
from axolotl_cotmask.training.prepared_rows import PreparedRows


def prepare_rows(config_path: str) -> PreparedRows:
    """Prepare the training data of an Axolotl config that names the plugin, as Axolotl does.

    Raises:
        CoTMaskError: the config or a row is wrong.
        SystemExit: the same, where Axolotl called us.
    """
    try:
        cfg = load_config(config_path)
        tokenizer = load_tokenizer(cfg)
    except OSError as error:
        # Of a file of its own it says which.
        if error.filename is not None:
            raise
        reason = str(error).strip().splitlines()[0]
        raise CoTMaskError(
            f"{config_path}: base model or tokenizer cannot be loaded ({reason}): mend the config"
        ) from error
    # Without the plugin's schema Axolotl has dropped the block.
    if not cfg.cotmask:
        raise CoTMaskError(
            f"{config_path} does not name the plugin, so nothing would be masked: add "
            "`plugins: [axolotl_cotmask.CoTMaskPlugin]` and a `cotmask:` block"
        )
    config = parse_config(cfg.cotmask.to_dict())
    masking = Masking.start(RunMasking(config, cfg.datasets), tokenizer, cfg.seed)
    max_steps = cfg.max_steps
    prepared, packed_steps = _prepare(cfg, tokenizer)
    # As transformers counts them: every epoch begins with a batch of its own.
    steps_per_epoch: float = math.ceil(len(prepared) / cfg.batch_size)
    if cfg.sample_packing:
        steps_per_epoch = max(1.0, packed_steps / cfg.num_epochs)
    return PreparedRows(
        entries=cfg.datasets,
        rows=prepared,
        tokenizer=tokenizer,
        masking=masking,
        max_steps=max_steps or (packed_steps if cfg.sample_packing else math.ceil(steps_per_epoch * cfg.num_epochs)),
        steps_per_epoch=steps_per_epoch,
        packed=bool(cfg.sample_packing),
    )


def _prepare(cfg: Any, tokenizer: Any) -> tuple[Any, int]:
    """Prepare the training data as a run does, and return them with the steps that Axolotl counts for packed rows.

    Each token tells its data set. They are not saved, since a run would take them for its own.
    """
    for number, entry in enumerate(cfg.datasets):
        entry[PREPARED_AS]["group"] = number
    # Without `max_steps` Axolotl counts those of all epochs.
    cfg.test_datasets = cfg.push_dataset_to_hub = cfg.max_steps = None
    cfg.is_preprocess = True
    save = sft.save_preprocessed_dataset
    sft.save_preprocessed_dataset = lambda *_: None
    try:
        # Axolotl's lock needs a place.
        with tempfile.TemporaryDirectory() as directory:
            cfg.dataset_prepared_path = directory
            prepared, _, steps, _ = prepare_datasets(cfg, tokenizer)
    finally:
        sft.save_preprocessed_dataset = save
    return prepared, steps
