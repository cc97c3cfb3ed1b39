"""What stops a run: everything that would make it silently something else than what its config says.

The functions that return `Fault` take the config as it was written; `axolotl_cotmask.training.faults` gathers them.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from axolotl_cotmask.common.axolotl_version import other_version
from axolotl_cotmask.common.errors import CoTMaskError, Fault, key_name, shown
from axolotl_cotmask.common.files import is_there
from axolotl_cotmask.masking.config import DATASET_KEYS, TAIL_START_LR, TAIL_START_STEP, CoTMaskConfig, parse_noise
from axolotl_cotmask.masking.datasets import RunMasking, dataset_entries
from axolotl_cotmask.masking.experimental.chat import CHAT_SCOPES
from axolotl_cotmask.training.chat_roles import role_sentences

#: What Axolotl's cosine with a constant tail needs, with the paper's value.
_COSINE_RATIOS = {"cosine_min_lr_ratio": TAIL_START_LR, "cosine_constant_lr_ratio": TAIL_START_STEP}
#: Config keys that make another curve of the cosine.
_OTHER_CURVES = ("lr_quadratic_warmup", "jagged_restart_steps")


def top_level_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the misspelt and misplaced keys of ours, which Axolotl would drop."""
    from axolotl.utils.schemas.config import AxolotlInputConfig

    for key in cfg:
        if not isinstance(key, str):
            yield Fault((key,), f"{shown(key)} is a key of the config, and keys are texts: mend or remove it")
        elif key == "cotmask" or key in AxolotlInputConfig.model_fields:
            continue
        elif key in CoTMaskConfig.model_fields:
            yield Fault((key,), f"{key} stands at the top level of the config: move it into the `cotmask:` block")
        elif key in DATASET_KEYS:
            yield Fault((key,), f"{key} stands at the top level of the config: move it into an entry of `datasets:`")
        elif _means_cotmask(key):
            yield Fault((key,), f"{key} is not a key of the config: did you mean cotmask?")
    special = cfg.get("special_tokens")
    if isinstance(special, Mapping) and special.get("mask_token"):
        place = ("special_tokens", "mask_token")
        yield Fault(place, f"{key_name(place)} is dropped by Axolotl: name the token as cotmask.mask_token")


def command() -> str | None:
    """Return the name of the `axolotl` command that loads the config; None in a launcher's process, or without one."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.info_name


def is_training() -> bool:
    """Return whether the config is loaded to train: by the `axolotl` command, or in the process of its launcher."""
    return command() == "train" or Path(sys.argv[0]).parts[-3:] == ("axolotl", "cli", "train.py")


def reads_saved_model(cfg: Mapping[str, Any]) -> bool:
    """Return whether the config is loaded to merge, ask or quantise a model that was trained by it."""
    return bool(cfg.get("merge_lora") or cfg.get("inference") or command() == "quantize")


def check_axolotl() -> None:
    """Stop where Axolotl is another one than this package was tested with.

    Raises:
        CoTMaskError: names both versions.
    """
    if sentence := other_version():
        raise CoTMaskError(sentence)


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


def option_faults(cfg: Mapping[str, Any], config: CoTMaskConfig) -> Iterator[Fault]:
    """Yield the options of the ``cotmask:`` block that make no sense together, or with the rest of the config."""
    for key, sentence in _option_sentences(cfg, config):
        yield Fault(("cotmask", key), sentence)


def _option_sentences(cfg: Mapping[str, Any], config: CoTMaskConfig) -> Iterator[tuple[str, str]]:
    entries = [entry for _, entry in dataset_entries(cfg)]
    run = RunMasking(config, cfg.get("datasets"))
    if config.strip_mask_token and not run.uses_mask_token:
        yield (
            "strip_mask_token",
            "cotmask: only noise with a new <mask> token leaves something to strip: take strip_mask_token out",
        )
    if config.mask_token is not None and config.mask_ratio > 0 and not run.uses_mask_token:
        yield (
            "mask_token",
            f"cotmask.mask_token is {config.mask_token}, and no noise of the run masks with a token: take it out, or "
            "set noise: mask",
        )
    if config.scope == "source":
        if any(entry.get("protect") for entry in entries):
            yield (
                "scope",
                "cotmask.scope is source, and protect keeps tokens of the target from being noised, which are not "
                "noised then: take out protect, or set scope: all",
            )
        if config.loss_on != "all":
            yield (
                "scope",
                f"cotmask.scope is source, and loss_on: {config.loss_on} chooses among the tokens that predict a "
                "label, of which the prompt's last alone may be noised then: set scope: target or all, or loss_on: all",
            )
    if config.scope in CHAT_SCOPES and config.mask_ratio > 0:
        yield from (("scope", sentence) for sentence in role_sentences(cfg, config.scope))
    if config.loss_on == "noised" and config.mask_ratio == 0:
        yield "loss_on", "cotmask.mask_ratio is 0, so loss_on: noised would leave no loss: set loss_on: all"
    if config.loss_on == "noised" and (config.start_ratio or config.start_steps):
        yield (
            "loss_on",
            "cotmask.loss_on: noised has no loss in the steps before start_ratio or start_steps: take out one of them",
        )
    noises = [parse_noise(value) for value in (config.noise, *(e["noise"] for e in entries if e.get("noise")))]
    embedding_noise = next((noise.name for noise in noises if noise.name in ("dropout", "uniform")), None)
    if embedding_noise and cfg.get("torch_compile"):
        yield (
            "noise",
            f"cotmask.noise {embedding_noise} changes embeddings as the model runs, which a compiled model does not "
            "see: set torch_compile: false, or choose another noise",
        )
    if config.parts_by_length > 1 and cfg.get("sample_packing"):
        yield (
            "parts_by_length",
            f"cotmask.parts_by_length is {config.parts_by_length}, and sample_packing leaves no padding to save: take "
            "out one of the two",
        )
    if config.schedule == "random" and cfg.get("context_parallel_size") not in (None, 1):
        yield (
            "schedule",
            "cotmask.schedule: random draws a ratio for each process, and with context_parallel_size several of them "
            "share a batch: choose another schedule, or take out context_parallel_size",
        )


def lr_tail_faults(cfg: Mapping[str, Any], config: CoTMaskConfig) -> Iterator[Fault]:
    """Yield what leaves ``lr_tail`` no constant tail to make a line of."""
    if config.lr_tail is None:
        return
    # Without the key Axolotl takes cosine.
    scheduler = cfg.get("lr_scheduler") or "cosine"
    if scheduler != "cosine":
        yield Fault(
            ("cotmask", "lr_tail"),
            f"cotmask.lr_tail goes with lr_scheduler: cosine, and lr_scheduler is {scheduler}: take out one of the two",
        )
        return
    for key, example in _COSINE_RATIOS.items():
        value = cfg.get(key)
        if not _is_between_0_and_1(value):
            found = "not set" if value is None else value
            yield Fault(
                (key,) if key in cfg else ("cotmask", "lr_tail"),
                f"cotmask.lr_tail needs {key}, which is {found}: give a number between 0 and 1, such as {example}",
            )
    for key in _OTHER_CURVES:
        if cfg.get(key):
            yield Fault((key,), f"cotmask.lr_tail does not go with {key}: take out one of the two")


def _is_between_0_and_1(value: Any) -> bool:
    # YAML reads 5e-2 as text, and Axolotl's schema makes a number of it later.
    try:
        return not isinstance(value, bool) and 0 < float(value) < 1
    except (TypeError, ValueError):
        return False


def base_model_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the local paths to a model or tokenizer that lead to nothing (Axolotl would ask the hub for it)."""
    for key in ("base_model", "base_model_config", "tokenizer_config"):
        path = cfg.get(key)
        if not isinstance(path, str):
            continue
        if path.startswith("~"):
            yield Fault((key,), f"{key} is {path}, and ~ is taken for the name of a directory: write the path in full")
        elif path.startswith(("/", "./", "../")) and not is_there(path):
            yield Fault(
                (key,),
                f"{key} is {path}, and there is no such directory: mend the path (`axolotl cotmask tiny-model "
                "DIRECTORY` builds the tiny model of recipes/tiny)",
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
