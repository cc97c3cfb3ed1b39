"""What is wrong with the entries of ``datasets:`` and ``test_datasets:``: their form, and the keys that are ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError, Fault, Key, closest, key_name, shown
from axolotl_cotmask.masking.config import DATASET_KEYS, PROTECTABLE, CoTMaskConfig, parse_noise
from axolotl_cotmask.masking.datasets import PREPARED_AS, dataset_entries
from axolotl_cotmask.masking.experimental import selectors
from axolotl_cotmask.masking.marks import Marking
from axolotl_cotmask.masking.noise import check as check_noise
from axolotl_cotmask.training.keys import OUR_STRATEGIES, is_ours

#: What the type of an entry may be in the sentence that asks for one.
_EXAMPLE = f"{{path: rows.jsonl, type: {OUR_STRATEGIES}gsm8k}}"


def form_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what in the lists of data sets is no data set: Axolotl's own schema ends in a traceback over it."""
    for name in ("datasets", "test_datasets"):
        entries = cfg.get(name)
        if entries is None:
            continue
        if not isinstance(entries, list):
            yield Fault((name,), f"{name} is {shown(entries)}: give a list of data sets, such as [{_EXAMPLE}]")
            continue
        if not entries and name == "datasets":
            yield Fault((name,), f"{name} is empty: give a list of data sets, such as [{_EXAMPLE}]")
        for number, entry in enumerate(entries):
            key: Key = (name, number)
            if not isinstance(entry, Mapping):
                yield Fault(key, f"{key_name(key)} is {shown(entry)}: give a data set, such as {_EXAMPLE}")
            else:
                yield from _entry_form_faults(key, entry)


def _entry_form_faults(key: Key, entry: Mapping[str, Any]) -> Iterator[Fault]:
    for name in entry:
        if not isinstance(name, str):
            place = (*key, name)
            yield Fault(place, f"{key_name(place)} is a key of a data set, and keys are texts: mend or remove it")
    path, type_ = entry.get("path"), entry.get("type")
    if path is None and type_ != "_synthetic":
        yield Fault(key, f"{key_name(key)}.path is missing: say where the data are, a file or a name on the hub")
    elif path is not None and (not isinstance(path, str) or not path.strip()):
        yield Fault((*key, "path"), f"{key_name(key)}.path is {shown(path)}: give a text, a file or a name on the hub")
    # Rows that are tokens already have none.
    if type_ is not None and (not isinstance(type_, str | Mapping) or not type_):
        yield Fault(
            (*key, "type"), f"{key_name(key)}.type is {shown(type_)}: give a name, such as {OUR_STRATEGIES}gsm8k"
        )


def option_faults(cfg: Mapping[str, Any], mask_ratio: float | None) -> Iterator[Fault]:
    """Yield what is wrong with what this package adds to the entries, and with their shards.

    Args:
        cfg: the config, whose data sets have the form of such.
        mask_ratio: of the ``cotmask:`` block; None where that is wrong itself.
    """
    for key, entry in dataset_entries(cfg):
        yield from _misplaced(key, entry)
        yield from _mask_ratio(key, entry.get("mask_ratio"), mask_ratio)
        yield from noise_faults((*key, "noise"), entry.get("noise"))
        yield from select_faults((*key, "select"), entry.get("select"))
        yield from _protect(key, entry)
        yield from _shards(key, entry, of="shards", number="shards_idx")
        if entry.get("shards") and entry.get("preprocess_shards"):
            yield Fault(
                (*key, "preprocess_shards"),
                f"{key_name(key)}.preprocess_shards does not go with shards, which would win: take out one of the two",
            )
    yield from _shards((), cfg, of="dataset_shard_num", number="dataset_shard_idx")


def _misplaced(key: Key, entry: Mapping[str, Any]) -> Iterator[Fault]:
    from axolotl.utils.schemas.datasets import SFTDataset

    for name in entry:
        place = (*key, name)
        if name in SFTDataset.model_fields or name in DATASET_KEYS or not isinstance(name, str):
            continue
        if name in CoTMaskConfig.model_fields:
            yield Fault(place, f"{key_name(place)} is not of a data set alone: move {name} into the `cotmask:` block")
        elif name == PREPARED_AS:
            # On a Ray worker the description is there already.
            if not _is_description(entry[name]):
                own = ", ".join(DATASET_KEYS)
                yield Fault(place, f"{key_name(place)} is no key of a data set: write its own {own} into the entry")
        elif difflib.get_close_matches(name, DATASET_KEYS, cutoff=0.75):
            yield Fault(place, f"{key_name(place)} is not an option{closest(name, DATASET_KEYS)}")


def _is_description(value: Any) -> bool:
    return isinstance(value, Mapping) and "format" in value and value.keys() <= Marking.__dataclass_fields__.keys()


def _mask_ratio(key: Key, ratio: Any, of_the_run: float | None) -> Iterator[Fault]:
    place, name = (*key, "mask_ratio"), f"{key_name(key)}.mask_ratio"
    if ratio is None:
        return
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
        yield Fault(place, f"{name} is {shown(ratio)}: it is a ratio, give a number from 0 to 1")
    elif ratio > 0 and of_the_run == 0:
        yield Fault(
            place,
            f"{name} is {ratio}, and cotmask.mask_ratio is 0, which switches masking off: give cotmask.mask_ratio the "
            "ratio of the other data sets",
        )


def noise_faults(place: Key, noise: Any) -> Iterator[Fault]:
    """Yield what is wrong with a noise, which stands at ``place``."""
    if noise is None:
        return
    try:
        spec = parse_noise(noise)
    except ValueError as error:
        yield Fault(place, f"{key_name(place)} is {shown(noise)}: {error}")
        return
    try:
        if spec.name is not None:
            check_noise(spec.name, spec.options)
    except CoTMaskError as error:
        yield Fault(place, str(error).replace("cotmask.noise", key_name(place), 1))


def select_faults(place: Key, select: Any) -> Iterator[Fault]:
    """Yield what is wrong with the name of a selector, which stands at ``place``."""
    if select is None:
        return
    if not isinstance(select, str):
        yield Fault(place, f"{key_name(place)} is {shown(select)}: give the name of a selector, such as numbers")
        return
    try:
        selectors.get(select)
    except CoTMaskError as error:
        yield Fault(place, f"{key_name(place)}: {error}")


def _protect(key: Key, entry: Mapping[str, Any]) -> Iterator[Fault]:
    protect, place = entry.get("protect"), (*key, "protect")
    if protect is None:
        return
    if not isinstance(protect, list) or not all(item in PROTECTABLE for item in protect):
        yield Fault(place, f"{key_name(place)} is {shown(protect)}: give a list of {', '.join(PROTECTABLE)}")
    elif not is_ours(entry):
        yield Fault(
            place,
            f"{key_name(place)} works with the types {OUR_STRATEGIES}*, and this type is {entry.get('type')}: take "
            "protect out, or use one of them",
        )


def _shards(key: Key, keys: Mapping[str, Any], of: str, number: str) -> Iterator[Fault]:
    """Yield what is wrong with one of the pairs of keys that say which part of the data is taken."""
    shards, index = keys.get(of), keys.get(number)
    place = (*key, number)
    if index and not shards:
        yield Fault(place, f"{key_name(place)} is {shown(index)}, and {of} does not say of how many: add {of}")
    for name in (of, *(("preprocess_shards",) if key else ())):
        if isinstance(keys.get(name), int) and keys[name] < 1:
            yield Fault((*key, name), f"{key_name((*key, name))} is {shown(keys[name])}: give a number from 1 on")
            return
    # What is no number Axolotl's schema refuses.
    if isinstance(shards, int) and isinstance(index, int) and not 0 <= index < shards:
        yield Fault(place, f"{key_name(place)} is {index}, and {of} is {shards}: give a number from 0 to {shards - 1}")
