"""How lm-eval is called."""

from __future__ import annotations

from pathlib import Path

from axolotl_cotmask.common.files import read_json


def model_args(model: Path) -> dict[str, str]:
    """Return lm-eval's arguments for a whole model, or for an adapter with its base model."""
    adapter = model / "adapter_config.json"
    if not adapter.is_file():
        return {"pretrained": str(model)}
    # The adapter may have brought tokens that the base model's tokenizer does not have.
    base = read_json(adapter)["base_model_name_or_path"]
    return {"pretrained": base, "peft": str(model), "tokenizer": str(model)}
