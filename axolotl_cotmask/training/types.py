"""What the entries of ``datasets:`` say of their type: that there is one of this name, and a template for its chats."""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError, key_name
from axolotl_cotmask.masking.datasets import dataset_entries

_AXOLOTLS, _OURS = "axolotl.prompt_strategies", "axolotl_cotmask.prompt_strategies"
#: They have modules in a place of their own.
_OTHERS = ("bradley_terry", "stepwise_supervised")


def check_types(cfg: Any, tokenizer: Any) -> None:
    """Check the types of a validated config, before data are read.

    Raises:
        CoTMaskError: there is no such type, or no chat template for it.
    """
    from axolotl.utils.chat_templates import get_chat_template_from_config

    for key, entry in dataset_entries(cfg):
        type_, name = entry.get("type"), key_name((*key, "type"))
        if not isinstance(type_, str):
            continue
        if not _is_there(type_):
            near = difflib.get_close_matches(type_, _known(), n=1)
            mend = f"did you mean {near[0]}?" if near else "mend the name"
            raise CoTMaskError(f"{name} is {type_}, and there is no such type: {mend}")
        if type_.split(".")[0] == "chat_template":
            try:
                get_chat_template_from_config(cfg=cfg, ds_cfg=entry, tokenizer=tokenizer)
            except ValueError as error:
                raise CoTMaskError(
                    f"{name} is {type_}, and there is no chat template ({str(error).splitlines()[0]}): name one as "
                    "chat_template, such as chatml"
                ) from error


def _is_there(type_: str) -> bool:
    """Whether Axolotl finds a type, in the order in which it looks."""
    from axolotl.utils.data.wrappers import DATASET_HANDLERS

    parts = type_.split(".")
    if parts[-1] == "load" or parts[-1].startswith("load_"):
        del parts[-1]
    name = ".".join(parts)
    if type_.split(":")[0] in DATASET_HANDLERS or name.startswith(_OTHERS):
        return True
    # Launchers, unlike commands, also look into the working directory.
    here = "/".join(parts)
    is_here = Path(f"{here}.py").is_file() or Path(here, "__init__.py").is_file()
    return _is_module(f"{_AXOLOTLS}.{name}") or (len(parts) > 1 and (is_here or _is_module(name)))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    # A name without a parent, or one that no module can have.
    except (ImportError, ValueError):
        return False


def _known() -> Iterator[str]:
    """Yield the names of types, for one that is meant."""
    from axolotl.utils.data.wrappers import DATASET_HANDLERS

    yield from DATASET_HANDLERS
    for package, prefix in ((_AXOLOTLS, ""), (_OURS, f"{_OURS}.")):
        found = importlib.util.find_spec(package)
        places = found.submodule_search_locations if found else None
        yield from (f"{prefix}{module.name}" for module in pkgutil.iter_modules(places))
