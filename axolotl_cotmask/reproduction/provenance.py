"""Where a result comes from: what a stage's ``provenance.json`` says beside Axolotl's and lm-eval's own records."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.versions import git, package_version

_RAPL, _CPUINFO = Path("/sys/class/powercap"), Path("/proc/cpuinfo")
_MAIN = ("axolotl", "torch", "transformers", "peft", "accelerate", "datasets", "lm-eval", "math-verify")


def describe_environment(repositories: Iterable[str]) -> dict[str, Any]:
    """Return code, main versions, hardware, and the revision of each of the hub's ``repositories`` in its cache."""
    return {
        "axolotl-cotmask": package_version(),
        "versions": {name: metadata.version(name) for name in _MAIN},
        "hardware": hardware(),
        "revisions": {name: revision for name in repositories if (revision := _revision(name))},
    }


def write_code_and_versions(directory: Path) -> None:
    """Write ``versions.json``, with every package, and ``changes.diff``, where the checkout differs from its commit."""
    versions = {package.name: package.version for package in metadata.distributions()}
    (directory / "versions.json").write_text(json.dumps(versions, indent=1, sort_keys=True), encoding="utf-8")
    if package_version().endswith(".dirty"):
        (directory / "changes.diff").write_text(git("diff", "HEAD") or "", encoding="utf-8")


def hardware() -> dict[str, Any]:
    """Return the machine: processor, cores, memory in GiB, GPUs."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus: list[str] = []
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        gpus = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return {
        "system": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "gpus": gpus,
    }


def _revision(repository: str) -> str | None:
    """Return the commit that the hub's cache has of a model or data set, or None."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for kind in ("models", "datasets"):
        main = Path(HF_HUB_CACHE, f"{kind}--{repository.replace('/', '--')}", "refs", "main")
        if main.is_file():
            return main.read_text().strip()
    return None


def energy() -> dict[str, float]:
    """Return the energy counters that the machine has, in joules by their names: processors (RAPL) and GPUs (NVML)."""
    counters = {}
    for package in sorted(_RAPL.glob("intel-rapl:?")):
        try:
            counters[package.name] = int((package / "energy_uj").read_text()) / 1e6
        except OSError:
            # Many machines let nobody but root read it.
            continue
    # It comes with Axolotl.
    import pynvml

    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        for number in range(pynvml.nvmlDeviceGetCount()):
            device = pynvml.nvmlDeviceGetHandleByIndex(number)
            counters[f"gpu-{number}"] = pynvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1e3
    return counters


def joules_between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the joules between two readings of `energy`; a counter that wrapped around in between is left out."""
    return {name: round(after[name] - joules) for name, joules in before.items() if after.get(name, 0) >= joules}
