"""All that is wrong with a config at once: what we refuse, and what Axolotl's own schema refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from axolotl_cotmask.common.errors import CoTMaskError, Fault, Key, key_name, one_line, one_sentence, reason, shown
from axolotl_cotmask.masking.config import config_faults, parse_config
from axolotl_cotmask.masking.datasets import dataset_entries
from axolotl_cotmask.training import checks, entries, keys
from axolotl_cotmask.training.config_file import ConfigFile
from axolotl_cotmask.training.named_plugins import plugin_faults


class ConfigError(CoTMaskError):
    """What is wrong with a config: one sentence, or a line for each with how many they are above."""

    def __init__(self, faults: Iterable[Fault], file: ConfigFile | None) -> None:
        lines = []
        for fault in faults:
            place = file.place(fault.key) if file else ""
            lines.append(one_line(fault.sentence) + (f" ({file.path}, {place})" if file and place else ""))
        super().__init__(lines[0])
        if len(lines) > 1:
            self.args = ("\n  ".join([f"{len(lines)} things are wrong in the config:", *lines]),)


def find(cfg: Mapping[str, Any], file: ConfigFile | None) -> list[Fault]:
    """Return what is wrong with a config as it was written, where the plugin is registered, with the worst first."""
    misplaced = list(checks.top_level_faults(cfg))
    # Where the block is not there, a key that is like it may be meant for it.
    block = config_faults(cfg.get("cotmask")) if cfg.get("cotmask") is not None or not misplaced else []
    forms = [*_form_faults(cfg), *entries.form_faults(cfg)]
    faults = [*(file.faults if file else ()), *plugin_faults(cfg), *misplaced, *block, *forms]
    if not forms:
        config = None if block or cfg.get("cotmask") is None else parse_config(cfg["cotmask"])
        faults += keys.key_faults(cfg)
        own = list(entries.option_faults(cfg, config.mask_ratio if config else None))
        faults += own
        # Also where other options are wrong.
        written = cfg.get("cotmask")
        if isinstance(written, Mapping):
            faults += entries.noise_faults(("cotmask", "noise"), written.get("noise"))
            faults += entries.select_faults(("cotmask", "select"), written.get("select"))
        if config is not None:
            faults += checks.lr_tail_faults(cfg, config)
        if config is not None and not own:
            faults += checks.option_faults(cfg, config)
    faults += checks.base_model_faults(cfg)
    return faults


def _form_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    from axolotl.utils.schemas.config import AxolotlInputConfig

    special = cfg.get("special_tokens")
    if special is not None and not isinstance(special, Mapping):
        yield Fault(
            ("special_tokens",),
            f"special_tokens is {shown(special)}: give tokens by name, such as {{pad_token: <pad>}}",
        )
    for name, value in cfg.items():
        field = AxolotlInputConfig.model_fields.get(name) if isinstance(name, str) else None
        if field is not None and isinstance(value, bool) and _is_number(field.annotation):
            # Which would be 1 or 0.
            yield Fault((name,), f"{name} is {shown(value)}: give a number")
    for name in ("tokens", "lora_modules_to_save"):
        texts = cfg.get(name)
        if texts is not None and not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            yield Fault((name,), f"{name} is {shown(texts)}: give a list of texts")


def stop_on_faults(cfg: Any, *more: Callable[[Any], Iterable[Fault]]) -> None:
    """Stop where anything is wrong with a config as it was written, and say all of it.

    Args:
        cfg: the config.
        more: other checks.

    Raises:
        ConfigError: what, and on which lines of the file.
    """
    file = _file(cfg)
    if faults := [*find(cfg, file), *(fault for check in more for fault in check(cfg))]:
        raise ConfigError(_once([*faults, *axolotl_faults(cfg)]), file)


def _file(cfg: Any) -> ConfigFile | None:
    """Return the file of a config, where it was read from one."""
    path = cfg.get("axolotl_config_path")
    try:
        return ConfigFile(Path(path)) if path else None
    except CoTMaskError:
        # Axolotl has read it, or would not have come here: it is away by now.
        return None


def _once(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield the faults without those about a key of which another one has told, or about what it stands in."""
    told: list[Key] = []
    for fault in faults:
        if fault.key == () or not any(key[: len(fault.key)] == fault.key for key in told):
            yield fault
            told.append(fault.key)


def axolotl_faults(cfg: Any, refused: Exception | None = None) -> list[Fault]:
    """Return what Axolotl's schema refuses: key by key, and then what ``refused``, its own error, tells."""
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from axolotl.utils.schemas.datasets import SFTDataset

    found: list[Fault] = []
    with _silent():
        for name, value in cfg.items():
            field = AxolotlInputConfig.model_fields.get(name) if isinstance(name, str) else None
            if field is None or value is None:
                continue
            try:
                TypeAdapter(field.annotation).validate_python(_plain(value))
            except ValidationError as error:
                found += _told(error, cfg, (name,))
            # A validator of Axolotl's that did not expect such a value.
            except Exception as error:
                found.append(Fault((name,), f"{name} is {shown(value)}: Axolotl cannot read it ({first_line(error)})"))
        # Which alternative of the list's type an entry was tried as, an error about the list would not tell.
        for key, entry in dataset_entries(cfg):
            try:
                SFTDataset.model_validate(_plain(entry))
            except ValidationError as error:
                found += _told(error, cfg, key)
            except Exception as error:
                found.append(Fault(key, f"{key_name(key)}: Axolotl cannot read it ({first_line(error)})"))
    if isinstance(refused, ValidationError) and refused.title != SFTDataset.__name__:
        found += _told(refused, cfg, ())
    elif refused is not None and not found:
        found.append(Fault((), f"Axolotl refuses the config ({first_line(refused)}): mend it"))
    return list(_once(found))


def _is_number(annotation: Any) -> bool:
    kinds = set(get_args(annotation) or [annotation]) - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def _told(error: ValidationError, cfg: Any, above: Key) -> Iterator[Fault]:
    """Yield what an error of pydantic tells, a sentence for each key of the config."""
    by_key: dict[Key, list[str]] = {}
    for detail in error.errors():
        key = _in_config((*above, *detail["loc"]), cfg)
        message = f"{detail['loc'][-1]} is missing" if detail["type"] == "missing" else reason(detail)
        messages = by_key.setdefault(key, [])
        if message not in messages:
            messages.append(message)
    for key, messages in by_key.items():
        value = _at(cfg, key) if key else None
        # An entry as a whole would hide what is said of it.
        value = "" if isinstance(value, Mapping) else f" is {shown(value)}"
        about = f"{key_name(key)}{value}: " if key else "Axolotl refuses the config: "
        yield Fault(key, about + "; or ".join(messages[:3]))


def _in_config(location: tuple[Any, ...], cfg: Any) -> Key:
    """Return the place in the config that a location of pydantic means, which also names types and models."""
    key: Key = ()
    value = cfg
    for part in location:
        inside = isinstance(value, Mapping) and part in value
        if inside or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            key, value = (*key, part), value[part]
    return key


def _at(value: Any, key: Key) -> Any:
    for part in key:
        value = value[part]
    return value


def first_line(error: BaseException) -> str:
    """Return the kind of an error and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def _silent() -> Iterator[None]:
    """Keep validators from saying twice what they say."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)


def in_sentences(validate: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Axolotl's function that validates a config: what it refuses ends a run with the plugin in sentences."""

    @wraps(validate)
    @one_sentence
    def wrapper(cfg: Any, *args: Any, **kwargs: Any) -> Any:
        if not cfg.get("cotmask"):
            return validate(cfg, *args, **kwargs)
        try:
            return validate(cfg, *args, **kwargs)
        except Exception as error:
            raise ConfigError(axolotl_faults(cfg, error), _file(cfg)) from error

    return wrapper


def after_validation(complete: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of Axolotl's that takes a valid config: what stops it ends a run of ours in a sentence."""

    @wraps(complete)
    @one_sentence
    def wrapper(cfg: Any) -> Any:
        try:
            return complete(cfg)
        except Exception as error:
            if not cfg.get("cotmask"):
                raise
            # Of a file of its own an error of the system says which.
            key: Key = ("base_model",) if isinstance(error, OSError) and error.filename is None else ()
            what = f"base_model {cfg.base_model} cannot be loaded" if key else "Axolotl stops at the config"
            raise ConfigError(
                [
                    Fault(
                        key, f"{what} ({first_line(error)}): mend the config, or take out the plugin for the traceback"
                    )
                ],
                _file(cfg),
            ) from error

    return wrapper
