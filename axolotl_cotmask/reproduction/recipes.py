"""The packaged recipes: how they are read, and for how many GPUs each is; the names of the laptop's plans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import Config

#: The sharded recipes that are for another number of GPUs than the paper's: those for two machines, and LLM2LLM's.
_OTHERS: Mapping[str, int] = {
    f"{base}/gsm8k-mft-{layout}": 2 * paper.GPUS
    for base in ("llama2-7b", "llama2-13b")
    for layout in ("2nodes", "zero3-2nodes")
} | {f"llm2llm/llama2-7b-{method}": 4 for method in ("sft", "mft")}


def recipe_path(name: str) -> Path:
    """Return where a packaged recipe lies, there or not; ``name`` is its path below ``recipes/`` without its suffix."""
    return directory("recipes") / f"{name}.yaml"


def recipe_names() -> list[str]:
    """Return the names of the packaged recipes that can be run by their names; the laptop's are arms of its plans."""
    root = directory("recipes")
    names = sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.glob("*/*.yaml"))
    return [name for name in names if not name.startswith("laptop/")]


def plan_names() -> list[str]:
    """Return the names of the laptop's plans that travel with the package: laptop, demo, ..."""
    return sorted(path.stem for path in Path(__file__).parent.glob("laptop/*.yaml") if path.stem != "tiny")


def load_recipe(name: str) -> Config:
    """Return a packaged recipe by its name."""
    return yaml.safe_load(recipe_path(name).read_text(encoding="utf-8"))


def recipe_gpus(name: str) -> int:
    """Return for how many GPUs a packaged recipe is: the paper's eight where the model is sharded over them."""
    config = load_recipe(name)
    sharded = "fsdp_config" in config or "deepspeed" in config
    return _OTHERS.get(name, paper.GPUS if sharded else 1)


def parse_yaml(text: str | bytes, place: str) -> Any:
    """Parse YAML; ``place`` is where it stands, for the sentence.

    Raises:
        CoTMaskError: it is none, or its bytes are no UTF-8.
    """
    try:
        return yaml.safe_load(text)
    # The second where it has the form of a date or a number, and is none.
    except (yaml.YAMLError, ValueError) as error:
        raise CoTMaskError(f"{place}: this is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise CoTMaskError(f"{place}: lists and mappings are nested too deeply: mend the file") from error
