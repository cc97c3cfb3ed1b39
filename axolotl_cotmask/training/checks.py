"""What stops a run: everything that would make it silently something else than what its config says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.masking.config import PROTECTABLE, TAIL_START_LR, TAIL_START_STEP, CoTMaskConfig, parse_noise
from axolotl_cotmask.masking.datasets import RunMasking, dataset_entries
from axolotl_cotmask.masking.experimental import selectors
from axolotl_cotmask.masking.experimental.chat import CHAT_SCOPES
from axolotl_cotmask.training.chat_roles import check_roles
from axolotl_cotmask.training.keys import DATASET_KEYS, OUR_STRATEGIES, is_ours

#: What Axolotl's cosine with a constant tail needs, with the paper's value.
_COSINE_RATIOS = {"cosine_min_lr_ratio": TAIL_START_LR, "cosine_constant_lr_ratio": TAIL_START_STEP}
#: Config keys that make another curve of the cosine.
_OTHER_CURVES = ("lr_quadratic_warmup", "jagged_restart_steps")


def check_top_level(cfg: Mapping[str, Any]) -> None:
    """Stop on a misspelt or misplaced ``cotmask`` key, which Axolotl would drop.

    Raises:
        CoTMaskError: names the key and what was probably meant.
    """
    from axolotl.utils.schemas.config import AxolotlInputConfig

    for key in map(str, cfg):
        if key == "cotmask" or key in AxolotlInputConfig.model_fields:
            continue
        if key in CoTMaskConfig.model_fields:
            raise CoTMaskError(f"{key} stands at the top level of the config: move it into the `cotmask:` block")
        if _means_cotmask(key):
            raise CoTMaskError(f"{key} is not a key of the config: did you mean cotmask?")


def command() -> str | None:
    """Return the name of the `axolotl` command that loads the config; None in a launcher's process, or without one."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.info_name


def check_command_line() -> None:
    """Stop on a command that has nothing to do with masking, and on an option of ours on the command line.

    `axolotl` hands options that it does not know to its launcher, and drops them where there is none.

    Raises:
        CoTMaskError: names the command or the option.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    if context.info_name == "vllm-serve":
        raise CoTMaskError(
            "axolotl vllm-serve serves a model to reinforcement training, which masking does not go with: serve a "
            "trained model by vLLM itself (`vllm serve OUTPUT_DIR`)"
        )
    for argument in context.args:
        name = argument.partition("=")[0].removeprefix("--")
        if argument.startswith("--") and (_means_cotmask(name) or name.replace("-", "_") in CoTMaskConfig.model_fields):
            raise CoTMaskError(
                f"--{name} on the command line does not reach the `cotmask:` block: set it in the config (for several "
                "values, by `axolotl train CONFIG --sweep SWEEP`)"
            )


def _means_cotmask(key: str) -> bool:
    plain = "".join(c for c in re.split(r"[.:]|__", key.lower())[0] if c.isalnum())
    is_near = difflib.get_close_matches(plain, ["cotmask"], cutoff=0.75)
    return plain.startswith(("cotmask", "maskedthought")) or plain == "mft" or bool(is_near)


def check_datasets(cfg: Mapping[str, Any], config: CoTMaskConfig) -> None:
    """Check what this package adds to the entries of ``datasets:``.

    Raises:
        CoTMaskError: names the entry, the key and the mend.
    """
    from axolotl.utils.schemas.datasets import SFTDataset

    for name, entry in dataset_entries(cfg):
        for key in entry:
            known = key in SFTDataset.model_fields or key in DATASET_KEYS
            if not known and difflib.get_close_matches(key, DATASET_KEYS, cutoff=0.75):
                raise CoTMaskError(f"{name}.{key} is not an option{closest(key, DATASET_KEYS)}")
        _check_mask_ratio(name, entry.get("mask_ratio"), config)
        _check_noise(name, entry.get("noise"))
        _check_select(f"{name}.select", entry.get("select") or selectors.EVERY_TOKEN)
        _check_protect(name, entry)
        _check_shards(f"{name}.", entry, of="shards", number="shards_idx")
        if entry.get("shards") and entry.get("preprocess_shards"):
            raise CoTMaskError(
                f"{name}.preprocess_shards does not go with shards, which would win: take out one of the two"
            )
    _check_shards("", cfg, of="dataset_shard_num", number="dataset_shard_idx")


def _check_mask_ratio(name: str, ratio: Any, config: CoTMaskConfig) -> None:
    if ratio is None:
        return
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
        raise CoTMaskError(f"{name}.mask_ratio is {ratio}: it is a ratio, give a number from 0 to 1")
    if ratio > 0 and config.mask_ratio == 0:
        raise CoTMaskError(
            f"{name}.mask_ratio is {ratio}, and cotmask.mask_ratio is 0, which switches masking off: give "
            "cotmask.mask_ratio the ratio of the other data sets"
        )


def _check_noise(name: str, noise: Any) -> None:
    if noise is None:
        return
    try:
        parse_noise(noise)
    except ValueError as error:
        raise CoTMaskError(f"{name}.noise is {noise}: {error}") from error


def _check_select(key: str, select: Any) -> None:
    try:
        selectors.get(str(select))
    except CoTMaskError as error:
        raise CoTMaskError(f"{key}: {error}") from error


def check_options(cfg: Mapping[str, Any], config: CoTMaskConfig) -> None:
    """Stop on options of the ``cotmask:`` block that make no sense together, or with the rest of the config.

    Raises:
        CoTMaskError: names the keys.
    """
    _check_select("cotmask.select", config.select)
    entries = [entry for _, entry in dataset_entries(cfg)]
    if config.strip_mask_token and not RunMasking(config, cfg.get("datasets")).uses_mask_token:
        raise CoTMaskError(
            "cotmask: only noise with a new <mask> token leaves something to strip: take strip_mask_token out"
        )
    if config.scope == "source":
        if any(entry.get("protect") for entry in entries):
            raise CoTMaskError(
                "cotmask.scope is source, and protect keeps tokens of the target from being noised, which are not "
                "noised then: take out protect, or set scope: all"
            )
        if config.loss_on != "all":
            raise CoTMaskError(
                f"cotmask.scope is source, and loss_on: {config.loss_on} chooses among the tokens that predict a "
                "label, of which the prompt's last alone may be noised then: set scope: target or all, or loss_on: all"
            )
        if config.adaptive is not None:
            raise CoTMaskError(
                "cotmask.scope is source, and adaptive follows losses at noised tokens that predict a label, of which "
                "there are none then: set scope: target or all, or take out adaptive"
            )
    if config.scope in CHAT_SCOPES and config.mask_ratio > 0:
        check_roles(cfg, config.scope)
    if config.adaptive is not None and config.mask_ratio == 0:
        raise CoTMaskError("cotmask.mask_ratio is 0, which switches masking off: take out adaptive, or give a ratio")
    if config.loss_on == "noised" and config.mask_ratio == 0:
        raise CoTMaskError("cotmask.mask_ratio is 0, so loss_on: noised would leave no loss: set loss_on: all")
    if config.loss_on == "noised" and (config.start_ratio or config.start_steps):
        raise CoTMaskError(
            "cotmask.loss_on: noised has no loss in the steps before start_ratio or start_steps: take out one of them"
        )
    noises = [parse_noise(value) for value in (config.noise, *(e["noise"] for e in entries if e.get("noise")))]
    embedding_noise = next((noise.name for noise in noises if noise.name in ("dropout", "uniform")), None)
    if embedding_noise and cfg.get("torch_compile"):
        raise CoTMaskError(
            f"cotmask.noise {embedding_noise} changes embeddings as the model runs, which a compiled model does not "
            "see: set torch_compile: false, or choose another noise"
        )
    if config.parts_by_length > 1 and cfg.get("sample_packing"):
        raise CoTMaskError(
            f"cotmask.parts_by_length is {config.parts_by_length}, and sample_packing leaves no padding to save: take "
            "out one of the two"
        )
    if config.schedule == "random" and (cfg.get("context_parallel_size") or 1) > 1:
        raise CoTMaskError(
            "cotmask.schedule: random draws a ratio for each process, and with context_parallel_size several of them "
            "share a batch: choose another schedule, or take out context_parallel_size"
        )


def _check_protect(name: str, entry: Mapping[str, Any]) -> None:
    protect = entry.get("protect")
    if protect is None:
        return
    if isinstance(protect, str) or not all(item in PROTECTABLE for item in protect):
        raise CoTMaskError(f"{name}.protect is {protect}: give a list of {', '.join(PROTECTABLE)}")
    if not is_ours(entry):
        raise CoTMaskError(
            f"{name}.protect works with the types {OUR_STRATEGIES}*, and this type is {entry.get('type')}: take "
            "protect out, or use one of them"
        )


def _check_shards(prefix: str, keys: Mapping[str, Any], of: str, number: str) -> None:
    """Check one of the pairs of keys that say which part of the data is taken."""
    shards, index = keys.get(of), keys.get(number)
    if index and not shards:
        raise CoTMaskError(f"{prefix}{number} is {index}, and {of} does not say of how many: add {of}")
    # What is no number Axolotl's schema refuses.
    if isinstance(shards, int) and isinstance(index, int) and not 0 <= index < shards:
        raise CoTMaskError(f"{prefix}{number} is {index}, and {of} is {shards}: give a number from 0 to {shards - 1}")


def check_lr_tail(cfg: Mapping[str, Any], config: CoTMaskConfig) -> None:
    """Stop when ``lr_tail`` has no constant tail to make a line of; ``cfg`` may be the config as it was written.

    Raises:
        CoTMaskError: names the key.
    """
    if config.lr_tail is None:
        return
    # Without the key Axolotl takes cosine.
    scheduler = cfg.get("lr_scheduler") or "cosine"
    if scheduler != "cosine":
        raise CoTMaskError(
            f"cotmask.lr_tail goes with lr_scheduler: cosine, and lr_scheduler is {scheduler}: take out one of the two"
        )
    for key, example in _COSINE_RATIOS.items():
        value = cfg.get(key)
        if not _is_between_0_and_1(value):
            found = "not set" if value is None else value
            raise CoTMaskError(
                f"cotmask.lr_tail needs {key}, which is {found}: give a number between 0 and 1, such as {example}"
            )
    for key in _OTHER_CURVES:
        if cfg.get(key):
            raise CoTMaskError(f"cotmask.lr_tail does not go with {key}: take out one of the two")


def _is_between_0_and_1(value: Any) -> bool:
    # YAML reads 5e-2 as text, and Axolotl's schema makes a number of it later.
    try:
        return 0 < float(value) < 1
    except (TypeError, ValueError):
        return False


def check_base_model(cfg: Mapping[str, Any]) -> None:
    """Stop when ``base_model`` is a local path and nothing is there (Axolotl would ask the hub for it).

    Raises:
        CoTMaskError: names the path.
    """
    base_model = str(cfg.get("base_model") or "")
    if base_model.startswith(("/", "./", "../", "~")) and not Path(base_model).expanduser().exists():
        raise CoTMaskError(
            f"base_model is {base_model}, and there is no such directory: mend the path (`axolotl cotmask tiny-model "
            "DIRECTORY` builds the tiny model of recipes/tiny)"
        )


def check_other_plugins(cfg: Any, plugins: Iterable[tuple[str, Any]], own: object) -> None:
    """Stop when another plugin would take the trainer class, or lose it to ours.

    Args:
        cfg: the validated config.
        plugins: (name, plugin) of all registered plugins.
        own: our own plugin object.

    Raises:
        CoTMaskError: names the other plugin.
    """
    for name, plugin in plugins:
        if plugin is not own and plugin.get_trainer_cls(cfg) is not None:
            raise CoTMaskError(
                f"the plugin {name} brings a trainer class of its own, and so does axolotl_cotmask.CoTMaskPlugin, so "
                "one of them would silently do nothing: take one out of `plugins:`"
            )
