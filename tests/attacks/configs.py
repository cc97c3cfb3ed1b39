"""Mutated configs through `axolotl cotmask check`, or Axolotl's own loading, validation and preparation, in this process."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from axolotl.cli.config import load_cfg
from axolotl.integrations.base import PluginManager, load_plugin
from axolotl.loaders import load_tokenizer
from axolotl.utils.data import prepare_datasets
from axolotl.utils.dict import DictDefault
from axolotl.utils.schemas.config import AxolotlInputConfig
from axolotl.utils.schemas.datasets import SFTDataset
from axolotl.utils.tee import close_debug_log

from attacks import config_texts
from attacks.outcomes import FINE, Counts, outcome
from axolotl_cotmask.training.config_check import check_config
from axolotl_cotmask.training.named_plugins import NAME

_OPTIONS = (
    "mask_ratio", "schedule", "warmup_ratio", "warmup_steps", "start_ratio", "start_steps", "scope", "select", "noise",
    "hide_from_attention", "loss_on", "mask_token", "strip_mask_token", "seed", "parts_by_length", "lr_tail",
)  # fmt: skip
_NO_SWITCHES = set(_OPTIONS) - {"hide_from_attention", "strip_mask_token"}
_ENTRY_OPTIONS = ("mask_ratio", "noise", "select", "protect")
_STRATEGIES = "axolotl_cotmask.prompt_strategies."
_LONG = "many words " * 300
#: What stands where something else belongs.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 5, 0.5, 1e308, float("nan"), float("inf"), 10**30, "", " ", "0.5", "5e-1", "yes", "x",
    "tokens", "mask", "random", "two\nlines", "\x1b[31mred", _LONG, "~", "~nosuchuser", "~nosuchuser/x", "/", ".", "/nowhere",
    "./nowhere.jsonl", "x" * 300 + ".jsonl", "./" + "y" * 5000, "\u2028", "a\x00b", "é数", [], [None], [[]], [1], ["x"],
    [True], ["eos"], [{}], {}, {"a": 1}, {1: 2}, {None: None}, {"mask": 0.8, "random": 0.2}, {"mask": True}, {"mask": {}},
    {"tokens": {}}, {"dropout": {"q": 0.9}}, {"dropout": {"q": True}}, {"dropout": 5}, {"dropout": [1]}, {5: {"q": 1}},
    {"mask": 0.5, "random": 0.2}, {"uniform": {"alpha": "x"}}, {"scheduled_sampling": {"tau": 0}}, {"cotmask": {}}, [0.4], ["mask"], [[None, [None]]],
    {"a": None}, {"a": {"b": None}}, [{"a": [None]}], 2**63, -(2**70), datetime.date(2026, 2, 3), [datetime.date(2026, 2, 3)], b"bytes",
    {1, "x"}, "rows.jsonl", "rows.jsonl/below", "/dev/null", "/sys/x", "new/" + "z" * 300,
)  # fmt: skip
_SPECIAL_KEYS: tuple[Any, ...] = (
    1,
    None,
    True,
    2.5,
    "",
    "cotmsk",
    "mft",
    "protect",
    "noise",
    "cotmask.mask_ratio",
    _LONG,
)
#: Where root could write everywhere.
_WRITTEN = ("output_dir", "dataset_prepared_path")
_PLUGINS: tuple[Any, ...] = (
    [NAME, NAME],
    [NAME, "axolotl_cotmask.training.plugin.CoTMaskPlugin"],
    [NAME, "axolotl.integrations.liger.LigerPlugin"],
    ["nowhere.Plugin", NAME],
    [NAME, "axolotl.integrations.base.NoPlugin"],
    [NAME, "json.dumps"],
    {NAME: None},
    [NAME, None],
    [NAME, "x"],
    [[NAME]],
    NAME,
    [],
    None,
)
_TYPES = (
    "gsm8k",
    "gsm8k_chat",
    "math",
    "metamath",
    "query_response",
    "instruction_output",
    "mathinstruct",
    "nonsense",
    "",
)


def base(directory: Path, model: Path) -> dict[str, Any]:
    """A config without a fault; the directory holds its rows."""
    rows = [{"question": f"What is {i} + {i}?", "answer": f"It is {2 * i}.\n#### {2 * i}"} for i in range(6)]
    data = directory / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        "base_model": str(model), "plugins": [NAME],
        "cotmask": {"mask_ratio": 0.4, "noise": "random"},
        "datasets": [{"path": str(data), "type": _STRATEGIES + "gsm8k"}],
        "dataset_prepared_path": str(directory / "prepared"), "output_dir": str(directory / "out"), "dataset_num_proc": 1,
        "sequence_len": 256, "micro_batch_size": 2, "gradient_accumulation_steps": 1, "num_epochs": 1,
        "learning_rate": 1e-3, "optimizer": "adamw_torch", "lr_scheduler": "cosine", "attn_implementation": "sdpa",
        "bf16": False, "fp16": False, "tf32": False, "seed": 7,
    }  # fmt: skip


def cases(seed: int, config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bytes | None, bool]]:
    """Yield (what was done, config, its file where another one is meant, whether to check it) without end.

    They are the same for the same seed.
    """
    # Many processes for six rows take the time of thousands of cases.
    known = sorted(AxolotlInputConfig.model_fields.keys() - {"dataset_num_proc", "dataset_processes"})
    for number in itertools.count():
        draw = random.Random(f"{seed}-{number}")
        mutated, told = copy.deepcopy(config), []
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            told.append(draw.choice(_MUTATIONS)(draw, mutated, known))
        raw = None
        if draw.random() < 0.2:
            of_the_text, raw = config_texts.mutate(draw, dumped(draw.choice((config, mutated))))
            told.append(of_the_text)
        yield "; ".join(told), mutated, raw, draw.random() < 0.25


def dumped(config: dict[str, Any]) -> str:
    """The text of a config."""
    return yaml.safe_dump(config, allow_unicode=True)


def _set(draw: random.Random, block: Any, key: Any, name: str) -> str:
    value = copy.deepcopy(draw.choice(VALUES))
    if not isinstance(block, dict):
        return "nothing"
    if key in _WRITTEN and value in ("/", "/nowhere"):
        value = "/proc"
    block[key] = value
    return f"{name}{str(key)[:40]!r} = {str(value)[:60]!r}"


def _option(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    return _set(draw, config.get("cotmask"), draw.choice((*_OPTIONS, *_SPECIAL_KEYS)), "cotmask.")


def _top(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    return _set(draw, config, draw.choice(known), "")


def _common(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    names = (
        *config,
        *_SPECIAL_KEYS,
        "test_datasets",
        "tokenizer_config",
        "special_tokens",
        "tokens",
        "val_set_size",
        "adapter",
    )
    return _set(draw, config, draw.choice([name for name in names if name not in ("plugins", "dataset_num_proc")]), "")


def _entry(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    entries = config.get("datasets")
    entry = entries[0] if isinstance(entries, list) and entries else None
    return _set(
        draw,
        entry,
        draw.choice((*_ENTRY_OPTIONS, *_ENTRY_OPTIONS, *SFTDataset.model_fields, *_OPTIONS, *_SPECIAL_KEYS)),
        "entry.",
    )


def _remove(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    key = draw.choice([name for name in config if name != "plugins"] or ["nothing"])
    config.pop(key, None)
    return f"without {key!r}"


def _entry_without(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    key = draw.choice(("path", "type"))
    if isinstance(config.get("datasets"), list) and config["datasets"] and isinstance(config["datasets"][0], dict):
        config["datasets"][0].pop(key, None)
    return f"entry without {key}"


def _type(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    name = draw.choice(_TYPES)
    if isinstance(config.get("datasets"), list) and config["datasets"] and isinstance(config["datasets"][0], dict):
        config["datasets"][0]["type"] = _STRATEGIES + name
    return f"type {name}"


def _datasets(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    entry = {"path": "rows.jsonl", "type": _STRATEGIES + "gsm8k"}
    forms = (
        entry,
        [entry, None],
        [entry, "x"],
        [5],
        {"a": entry},
        "rows.jsonl",
        5,
        True,
        [[entry]],
        [entry, entry],
        [{}],
    )
    key, form = draw.choice(("datasets", "test_datasets")), draw.choice(forms)
    config[key] = copy.deepcopy(form)
    return f"{key} = {str(form)[:60]}"


def _plugins(draw: random.Random, config: dict[str, Any], known: list[str]) -> str:
    config["plugins"] = copy.deepcopy(draw.choice(_PLUGINS))
    return f"plugins = {config['plugins']}"


_MUTATIONS = (
    _option,
    _option,
    _option,
    _top,
    _common,
    _common,
    _entry,
    _entry,
    _entry,
    _remove,
    _entry_without,
    _type,
    _datasets,
    _plugins,
)


def load(path: Path) -> None:
    """Load and prepare as a training does."""
    cfg = load_cfg(str(path))
    for plugin in PluginManager.get_instance().plugins.values():
        plugin.load_datasets(cfg)
    prepare_datasets(cfg, load_tokenizer(cfg))


def reaches_the_plugin(raw: bytes) -> bool:
    """Whether Axolotl by itself comes to call the plugin: it reads the file, and loads what is named as plugins."""
    try:
        plugins = DictDefault(yaml.safe_load(raw.decode())).plugins
        for name in plugins:
            # Which it goes on without.
            with suppress(ImportError):
                load_plugin(name)
        return NAME in list(plugins)
    # Whatever a text that is no config ends in.
    except Exception:
        return False


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Try so many configs."""
    counts = Counts()
    config = base(directory, model)
    path = directory / "config.yaml"
    kept = {path, *directory.iterdir()}
    # Axolotl waits between its attempts to reach the hub.
    time.sleep = lambda _: None
    for number, (told, mutated, other, checked) in zip(range(count), cases(seed, config), strict=False):
        raw = dumped(mutated).encode() if other is None else other
        path.write_bytes(raw)
        checks = checked or not reaches_the_plugin(raw)
        PluginManager.get_instance().plugins.clear()
        end, text = outcome(partial(check_config if checks else load, path))
        close_debug_log()
        if (
            end == FINE
            and other is None
            and any(isinstance(mutated["cotmask"].get(name), bool) for name in _NO_SWITCHES)
        ):
            end = "silently otherwise"
        counts.add(end, f"{number}: {'check' if checks else 'train'}: {told}", text)
        for left in set(directory.iterdir()) - kept:
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    return counts
