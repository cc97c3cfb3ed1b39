"""The new mask token taken out of a saved model or adapter: the base model's exact vocabulary is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file


def embedding_names(model: Any) -> set[str]:
    """Return the names of the modules of the input and output embeddings, such as ``lm_head``."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    return {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if any(module is x for x in layers)}


@dataclass(frozen=True)
class Embeddings:
    """What is to be cut: the modules by name, from `embedding_names`, and how many rows they have and are to have."""

    names: Collection[str]
    trained_rows: int
    rows: int

    def cut(self, key: str, tensor: Tensor) -> Tensor:
        """Return the tensor that was saved as ``key`` without the rows that go.

        An adapter has the same rows under several names (``embed_tokens.weight``, ``.modules_to_save.weight``,
        ``.original_module.weight``, the factors of a LoRA on it), and not always first.
        """
        if set(key.split(".")).isdisjoint(self.names):
            return tensor
        for dimension, size in enumerate(tensor.shape):
            if size == self.trained_rows:
                tensor = tensor.narrow(dimension, 0, self.rows)
        # A file must not hold what was cut off.
        return tensor.clone(memory_format=torch.contiguous_format)


def strip_token(cfg: Any, token: str, names: Collection[str], trained_rows: int, base_rows: int) -> None:
    """Save the trained model anew without ``token``, the last one, and its tokenizer with it.

    Args:
        cfg: the validated config.
        token: which its ``tokens:`` hold.
        names: from `embedding_names`.
        trained_rows: of the trained model's embeddings.
        base_rows: of the base model's.

    Raises:
        CoTMaskError: there is no safetensors file.
    """
    from axolotl.loaders import load_tokenizer
    from axolotl.utils.dict import DictDefault

    without = DictDefault(cfg.to_dict())
    without.tokens = [other for other in cfg.tokens if other != token]
    tokenizer = load_tokenizer(without)
    strip_rows(Path(cfg.output_dir), Embeddings(names, trained_rows, rows=max(base_rows, len(tokenizer))))
    tokenizer.save_pretrained(str(cfg.output_dir))


def strip_rows(directory: Path, embeddings: Embeddings) -> None:
    """Cut the embeddings of a saved model or adapter. Each file is replaced whole.

    Args:
        directory: what ``save_pretrained`` wrote, as safetensors, in one file or several.
        embeddings: what to cut.

    Raises:
        CoTMaskError: there is no safetensors file.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    # What a killed process left half-written has a hidden name.
    for half in directory.glob(".*.safetensors"):
        half.unlink()
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise CoTMaskError(
            f"cotmask.strip_mask_token: {directory} holds no safetensors file to strip (the trained model is kept as "
            "it was saved): save a full state dict, or merge the shards first"
        )
    parameters = size = 0
    for file in files:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
            tensors = {
                key: embeddings.cut(key, opened.get_tensor(key))
                for key in opened.keys()  # noqa: SIM118 (not a dict)
            }
        with whole_file(file) as temporary:
            save_file(tensors, temporary, metadata=metadata)
        parameters += sum(tensor.numel() for tensor in tensors.values())
        size += sum(tensor.nbytes for tensor in tensors.values())
    for index in directory.glob("*.safetensors.index.json"):
        _rewrite(index, lambda content: content["metadata"].update(total_parameters=parameters, total_size=size))
    if (config := directory / "config.json").is_file():
        _rewrite(config, lambda content: _set_vocabulary(content, embeddings.rows))


def _set_vocabulary(config: dict[str, Any], rows: int) -> None:
    # A model that also takes images has the vocabulary in its text part.
    part = config if "vocab_size" in config else config["text_config"]
    part["vocab_size"] = rows


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
