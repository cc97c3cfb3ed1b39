"""Recipes made runnable on a CPU: a tiny base model of the same architecture, and rows with the same fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.resources import directory

RECIPES = directory("recipes")

#: Keys that need GPUs, or other machines.
_GPU_KEYS = (
    "fsdp_version", "fsdp_config", "deepspeed", "gradient_checkpointing", "load_in_4bit",
    "use_ray", "ray_run_name", "ray_num_workers", "resources_per_worker",
)  # fmt: skip
_CPU = {
    "bf16": False, "tf32": False, "fp16": False, "attn_implementation": "sdpa", "optimizer": "adamw_torch",
    "dataset_num_proc": 1, "logging_steps": 1,
}  # fmt: skip


def names(pattern: str = "*/*") -> list[str]:
    """The recipes' paths below ``recipes/`` without their suffix, sorted; those of the ablations have tests of their own."""
    found = (path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.glob(f"{pattern}.yaml"))
    return sorted(name for name in found if not name.startswith("ablations/"))


def text(name: str) -> str:
    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load(text(name))


def header(name: str) -> str:
    """The comment at the top, on one line."""
    lines = text(name).split("\nbase_model")[0].splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines)


def gpus(name: str) -> int:
    """For how many GPUs a recipe says that it is."""
    found = re.search(r"For (\d+) GPUs? of \d+ GB", header(name))
    assert found, f"{name} does not say for which hardware it is"
    return int(found[1])


def on_cpu(name: str, model: Path, data: Mapping[str, Path], where: Path) -> Path:
    """Write the recipe ``name`` for three steps on a CPU.

    Args:
        name: the recipe.
        model: replaces the base model.
        data: files that replace the data sets, by the last part of their ``type``, or by ``rl``.
        where: gets the config and the output; the prepared data lie beside it, for other recipes to share.
    """
    config = _without_gpu(name)
    datasets = []
    for entry in config["datasets"]:
        kind = config.get("rl") or entry["type"].rsplit(".", 1)[-1]
        of_the_hub = ("path", "name", "split", "data_files")
        local = {key: value for key, value in entry.items() if key not in of_the_hub}
        local |= {"path": str(data[kind]), "ds_type": "json"}
        datasets.append(local | ({"split": entry["split"]} if "rl" in config else {}))
    if config["sequence_len"] > 2048:
        config |= {"sequence_len": 1024, "gradient_accumulation_steps": 2}
    config |= {
        "base_model": str(model), "output_dir": str(where / "out"), "max_steps": 3,
        "dataset_prepared_path": str(where.parent / "prepared"), "save_strategy": "steps", "save_steps": 3,
        "datasets": datasets,
    }  # fmt: skip
    where.mkdir()
    path = where / "recipe.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _without_gpu(name: str) -> dict[str, Any]:
    config = {key: value for key, value in load(name).items() if key not in _GPU_KEYS} | _CPU
    if "adapter" in config:
        config["adapter"] = "lora"
        config |= {f"lora_{kernel}_kernel": False for kernel in ("mlp", "qkv", "o", "embedding")}
    return config


def differ_in_numbers(names: Sequence[str]) -> list[list[str]]:
    """Group recipes that are the same on a CPU but for their numbers and their masking, and are of one architecture."""
    groups: dict[str, list[str]] = {}
    for name in names:
        config = _without_gpu(name)
        types = [entry["type"] for entry in config.pop("datasets")]
        ours = {"base_model", "output_dir", "cotmask"}
        # Whether a number is 0 decides what is built.
        keys = {key: _kind(value) for key, value in config.items() if key not in ours}
        groups.setdefault(json.dumps([architecture(name), types, keys], sort_keys=True), []).append(name)
    return list(groups.values())


def architecture(name: str) -> str:
    """What a recipe's name begins with, as far as it tells the model's classes and template."""
    found = re.match("qwen3|llama-3|[a-z]+", name)
    assert found
    return found[0]


def _kind(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kind(of) for key, of in value.items()}
    return bool(value) if isinstance(value, int | float) else value


def logged(output_dir: Path) -> list[dict[str, Any]]:
    """What was logged at each training step."""
    state = json.loads(next(output_dir.glob("checkpoint-3/trainer_state.json")).read_text(encoding="utf-8"))
    return [entry for entry in state["log_history"] if "loss" in entry]


def validate(name: str, model: Path) -> None:
    """Let Axolotl validate the recipe as it stands, on the GPUs that it is for; only the base model is another one.

    For a process of its own: Axolotl keeps the registered plugins.
    """
    from axolotl.cli.config import prepare_plugins
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    capabilities = {"bf16": True, "fp8": False, "tf32": True, "n_gpu": 8, "n_node": 1, "compute_capability": "sm_80"}
    config = DictDefault({**load(name), "base_model": str(model)})
    # Ray's workers get the validated config, and validate it once more.
    for _ in range(2 if config.use_ray else 1):
        prepare_plugins(config)
        config = DictDefault(validate_config(config, capabilities, {"torch_version": "2.13.0"}).to_dict())
    assert config.cotmask or config.rl
