"""The base models that travel with the package: the same weights for everyone, ``copying-1`` to ``plain-1``.

Training one takes 20 minutes, and sums in another order make another one on another machine; so they were made once, by
``python -m axolotl_cotmask.reproduction.laptop train-base NAME DIR``. `BASES` says what each can do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.files import read_json, sha256, whole_model
from axolotl_cotmask.reproduction.laptop.base import Abilities

_FOLDER = Path(__file__).with_name("bases")
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Base:
    """A base model: how it was made, the SHA-256 of its weights, and what it can do.

    With ``drills`` it has the habit of copying, as large models have it.
    """

    name: str
    seed: int
    drills: bool
    sha256: str
    abilities: Abilities

    @property
    def directory(self) -> Path:
        """Where its weights lie, in bfloat16, with configuration and tokenizer as transformers reads them."""
        return _FOLDER / self.name


def kind_and_seed(name: str) -> tuple[str, int]:
    """Return what a base's name says: ``copying-3`` is one with drills, of seed 3.

    Raises:
        CoTMaskError: it is no such name.
    """
    kind, _, seed = name.rpartition("-")
    if kind not in ("copying", "plain") or not seed.isdecimal():
        raise CoTMaskError(f"{name} names no base model: give copying-SEED or plain-SEED, such as copying-1")
    return kind, int(seed)


def _read() -> dict[str, Base]:
    facts = read_json(_FOLDER / "bases.json")
    return {
        name: Base(name, kind_and_seed(name)[1], name.startswith("copying"), of["sha256"], Abilities(**of["abilities"]))
        for name, of in facts.items()
    }


#: Those that travel with the package, by name.
BASES: Mapping[str, Base] = _read()


def find_base(name: str) -> Base:
    """Return a base that travels with the package.

    Raises:
        CoTMaskError: there is none of this name.
    """
    if name not in BASES:
        raise CoTMaskError(f"no base model is named {name}{closest(name, BASES)}")
    return BASES[name]


def write_base(name: str, directory: Path) -> None:
    """Write a base that travels with the package into ``directory``, in float32, as a whole or not at all.

    Raises:
        CoTMaskError: there is none of this name, its weights are not those that were measured, or the directory exists
            or cannot be written.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = find_base(name)
    if directory.exists():
        raise CoTMaskError(f"{directory} exists: name a directory that does not exist yet")
    if sha256(base.directory / _WEIGHTS) != base.sha256:
        raise CoTMaskError(
            f"{base.directory / _WEIGHTS} is not the file that {name} was measured on: install the package anew"
        )
    model = AutoModelForCausalLM.from_pretrained(base.directory, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(base.directory)
    with whole_model(directory) as built:
        model.save_pretrained(built)
        tokenizer.save_pretrained(built)


def describe(directory: Path, abilities: Abilities) -> str:
    """Return the entry of ``bases.json`` for a base that was trained into ``directory``."""
    return json.dumps({"sha256": sha256(directory / _WEIGHTS), "abilities": vars(abilities)}, indent=1)
