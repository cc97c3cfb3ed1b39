"""What has to be there before anything is begun; each lack is a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from axolotl_cotmask.common.errors import CoTMaskError
from bench.gpu import answers
from bench.gpu.accuracy import DATA, base_identity

_GIB = 2**30
#: GiB that each part needs of the card, by arithmetic: 50 of bfloat16 weights, gradients and AdamW's states of 6.7
#: billion parameters, and activations; the logits of 64 rows of up to 512 tokens, and their gradients.
_CARD = {"throughput": 62, "accuracy": 58}
#: GiB on the disk: 16 models of 0.26, one more while it is written, and the answers.
_DISK = {"throughput": 0.1, "accuracy": 6.0}


def faults(parts: list[str], directory: Path, base: Path | None, is_rehearsal: bool) -> Iterator[str]:
    """Yield what is missing for the parts, a sentence each."""
    if not is_rehearsal:
        yield from _card_faults(max(_CARD[part] for part in parts))
        yield from _disk_faults(sum(_DISK[part] for part in parts), directory)
    if "accuracy" in parts:
        readers: list[Callable[[], Any]] = [lambda: base_identity(base)]
        readers += [lambda name=name: answers.read(name) for name in DATA]  # type: ignore[misc]
        for read in readers:
            try:
                read()
            except CoTMaskError as error:
                yield str(error)


def _card_faults(needed: float) -> Iterator[str]:
    if not torch.cuda.is_available():
        build = "with CUDA" if torch.version.cuda or torch.version.hip else "for a CPU"
        yield (
            f"torch {torch.__version__}, a build {build}, sees no GPU: run this where nvidia-smi shows one and with a "
            "torch for it, or try it out on a CPU by --rehearse"
        )
        return
    name = torch.cuda.get_device_name()
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        yield f"{name} has no bfloat16: take a GPU of compute capability 8.0 or newer (A100, H100)"
    free, whole = (amount / _GIB for amount in torch.cuda.mem_get_info())
    if free < needed:
        others = "end what else uses it" if whole >= needed else "take a larger one, or only the other --part"
        yield f"{name} has {free:.0f} of its {whole:.0f} GiB free, and {needed:.0f} are needed: {others}"


def _disk_faults(needed: float, directory: Path) -> Iterator[str]:
    place = next(parent for parent in [directory, *directory.absolute().parents] if parent.is_dir())
    free = shutil.disk_usage(place).free / _GIB
    if free < needed:
        yield f"{directory}: the disk has {free:.1f} GiB free, and {needed:.1f} are needed: make room, or name another"
