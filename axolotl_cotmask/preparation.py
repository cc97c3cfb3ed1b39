"""What the plugin changes in Axolotl's data preparation: local files, weights, the marks, the cache hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from axolotl_cotmask import data
from axolotl_cotmask.args import CoTMaskConfig
from axolotl_cotmask.checks import DATASET_KEYS, dataset_entries
from axolotl_cotmask.errors import CoTMaskError, one_sentence
from axolotl_cotmask.marks import MASK_WEIGHT, weights_from_labels

#: Rises when the prepared data changes in meaning, so that older caches are not read.
FORMAT_VERSION = 1
#: Key of a data set entry that holds what preparation needs and the cache hash has to cover.
PREPARED_AS = "cotmask"


def use_local_files(cfg: Any) -> None:
    """Point data sets that `axolotl_cotmask.data.SOURCES` knows to their file in ``COTMASK_DATA_DIR``, when it is set.

    Raises:
        CoTMaskError: the directory or the file in it is missing, or the file is not the one that was fetched.
    """
    if data.data_dir() is None:
        return
    for _, entry in dataset_entries(cfg):
        for name, source in data.SOURCES.items():
            if source.url is not None:
                if entry.get("path") == source.url:
                    entry["path"] = str(data.local_file(name))
                continue
            split, _, part = str(entry.get("split")).partition("[")
            if (entry.get("path"), entry.get("name"), split) == tuple(
                source.remote.get(key) for key in ("path", "name", "split")
            ):
                entry["path"] = str(data.local_file(name))
                entry["name"] = None
                # A single file has only this split, whatever it holds.
                entry["split"] = f"train[{part}" if part else "train"


def describe_datasets(cfg: Any, config: CoTMaskConfig) -> None:
    """Give every data set its relative weight and what the cache hash has to cover beyond Axolotl's own fields.

    Schedule and noise stay out of it: changing them must not prepare the data again.
    """
    for _, entry in dataset_entries(cfg):
        ratio = entry.get("mask_ratio")
        weight = 1.0 if ratio is None or config.mask_ratio == 0 else ratio / config.mask_ratio
        path = Path(str(entry.get("path")))
        entry[PREPARED_AS] = {"format": FORMAT_VERSION, "weight": weight, "sha256": _sha256(path)}


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def patch_axolotl() -> None:
    """Let our keys through Axolotl's data set schema and hash, and mark every data set that it prepares. Idempotent."""
    from axolotl.utils.data import sft, shared
    from axolotl.utils.schemas.datasets import SFTDataset

    if SFTDataset.model_config.get("extra") != "allow":
        SFTDataset.model_config["extra"] = "allow"
        SFTDataset.model_rebuild(force=True)
    shared.DATASET_HASH_DATASET_EXTRA_FIELDS = _with(
        shared.DATASET_HASH_DATASET_EXTRA_FIELDS, *(key for key in DATASET_KEYS if key != "mask_ratio"), PREPARED_AS
    )
    # `tokens` changes how text is split; `excess_length_strategy` what happens to long rows.
    shared.DATASET_HASH_CONFIG_EXTRA_FIELDS = _with(
        shared.DATASET_HASH_CONFIG_EXTRA_FIELDS, "tokens", "excess_length_strategy"
    )
    if not hasattr(sft.get_dataset_wrapper, "__wrapped__"):
        sft.get_dataset_wrapper = _marking(sft.get_dataset_wrapper)


def _with(fields: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return (*fields, *(field for field in more if field not in fields))


def _marking(get_dataset_wrapper: Any) -> Any:
    """Wrap Axolotl's function that tokenises one data set: its result gets the column ``mask_weight``."""

    @wraps(get_dataset_wrapper)
    @one_sentence
    def wrapper(dataset_config: Any, tokenizer: Any, cfg: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        dataset, prompter = get_dataset_wrapper(dataset_config, tokenizer, cfg, *args, **kwargs)
        if cfg.get("cotmask"):
            dataset = mark_dataset(dataset, dataset_config, cfg.get("dataset_num_proc"))
        return dataset, prompter

    return wrapper


def mark_dataset(dataset: Any, entry: Mapping[str, Any], num_proc: int | None) -> Any:
    """Return the tokenised ``dataset`` with the column ``mask_weight`` (float32 per token), scaled for this data set.

    A data set of our own strategies has the column already; in any other, every token that carries a label gets 1.

    Raises:
        CoTMaskError: the data set has no labels.
    """
    if "labels" not in dataset.column_names:
        raise CoTMaskError(
            f"{entry['path']}: the prepared rows have no labels (there are: {', '.join(dataset.column_names)}), so "
            "there is nothing to mask: use a `type` that makes input_ids and labels"
        )
    weight = entry[PREPARED_AS]["weight"]
    if MASK_WEIGHT in dataset.column_names and weight == 1:
        return dataset
    return dataset.map(
        _mark_rows,
        batched=True,
        fn_kwargs={"weight": weight},
        num_proc=num_proc,
        desc="Marking maskable tokens",
    )


def _mark_rows(columns: Mapping[str, list[Any]], weight: float) -> dict[str, list[Any]]:
    marks = columns.get(MASK_WEIGHT) or [weights_from_labels(labels) for labels in columns["labels"]]
    return {MASK_WEIGHT: [np.asarray(mark, dtype=np.float32) * np.float32(weight) for mark in marks]}
