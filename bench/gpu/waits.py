"""How often the host waits for the GPU in a step: calls that torch's profiler sees."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

#: Of CUDA, which a CPU has none of.
CUDA_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
#: Of torch, each of which waits on a GPU: a number is read, or a shape depends on numbers. A CPU has them, too.
TORCH_WAITS = ("aten::item", "aten::nonzero", "aten::_unique2", "aten::equal", "aten::masked_select")
#: There in every step on a GPU, unless the profiler sees no calls of CUDA.
_WITNESS = "cudaLaunchKernel"


def count_waits(step: Callable[[], object], device: torch.device) -> dict[str, int | None]:
    """Return how often a step makes each of these calls; None for CUDA's where the profiler does not see them.

    Args:
        step: is called once; warmed up before.
        device: where it runs.
    """
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize()
    with profile(activities=activities) as profiler:
        step()
    calls = {event.key: event.count for event in profiler.key_averages()}
    sees_cuda = any(name.startswith(_WITNESS) for name in calls)
    cuda = {name: calls.get(name, 0) if sees_cuda else None for name in CUDA_WAITS}
    return {**cuda, **{name: calls.get(name, 0) for name in TORCH_WAITS}}
