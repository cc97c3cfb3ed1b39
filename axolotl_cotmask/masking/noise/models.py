"""The model inside its wrappers."""

from __future__ import annotations

from typing import Any

from torch import nn


def base_model(model: nn.Module) -> Any:
    """Return the transformers model inside the wrappers of DDP, FSDP, DeepSpeed and PEFT."""
    from accelerate.utils import extract_model_from_parallel

    inner = extract_model_from_parallel(model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner
