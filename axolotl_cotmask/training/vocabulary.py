"""The new mask token in tokenizer and model: how it is added, how its embedding starts, how it goes again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.masking.config import DEFAULT_MASK_TOKEN
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.mask_token import mask_token_id


def load_base_tokenizer(cfg: Mapping[str, Any]) -> Any:
    """Load the tokenizer of a config as the base model brings it, without the tokens that the config adds.

    Raises:
        CoTMaskError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    name = cfg.get("tokenizer_config") or cfg.get("base_model_config") or cfg.get("base_model")
    try:
        return AutoTokenizer.from_pretrained(
            name, revision=cfg.get("revision_of_model"), trust_remote_code=bool(cfg.get("trust_remote_code"))
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CoTMaskError(f"base_model {name}: its tokenizer cannot be loaded ({reason})") from error


def add_mask_token(cfg: Any) -> None:
    """Add the new mask token to the config's ``tokens:`` unless the base tokenizer has it.

    Raises:
        CoTMaskError: a LoRA run would leave the new token's embedding untrained; names the three ways out.
    """
    if DEFAULT_MASK_TOKEN in load_base_tokenizer(cfg).get_vocab():
        return
    if cfg.get("adapter"):
        needed = _embedding_layers(cfg)
        if not set(needed) <= set(cfg.get("lora_modules_to_save") or ()):
            raise CoTMaskError(
                f"cotmask.noise masks with the new token {DEFAULT_MASK_TOKEN}, and adapter: {cfg['adapter']} does not "
                "train embeddings, so that token would stay untrained: set noise: random, or name an existing token "
                f'(mask_token: "<unk>"), or add lora_modules_to_save: [{", ".join(needed)}]'
            )
    if DEFAULT_MASK_TOKEN not in (cfg.get("tokens") or ()):
        cfg["tokens"] = [*(cfg.get("tokens") or ()), DEFAULT_MASK_TOKEN]


def _embedding_layers(cfg: Mapping[str, Any]) -> list[str]:
    from axolotl.loaders.utils import get_linear_embedding_layers
    from transformers import AutoConfig

    model_config = AutoConfig.from_pretrained(
        cfg.get("base_model_config") or cfg["base_model"],
        revision=cfg.get("revision_of_model"),
        trust_remote_code=bool(cfg.get("trust_remote_code")),
    )
    return get_linear_embedding_layers(model_config.model_type)


def new_token_id(cfg: Any, run: RunMasking, tokenizer: Any) -> int | None:
    """Return the id of the mask token where the run adds it to the base vocabulary, None where nothing is added.

    Args:
        cfg: the validated config.
        run: its masking.
        tokenizer: the run's, with the tokens that the config adds.

    Raises:
        CoTMaskError: ``strip_mask_token`` could not take it off again.
    """
    config = run.config
    if not run.uses_mask_token:
        return None
    token_id = mask_token_id(tokenizer, config)
    if config.token in load_base_tokenizer(cfg).get_vocab():
        return None
    if config.strip_mask_token and token_id != len(tokenizer) - 1:
        raise CoTMaskError(
            f"cotmask.strip_mask_token takes off the last token, and `tokens:` puts others behind {config.token}: "
            "take it out of `tokens:` (it is added by itself), or put it last"
        )
    return token_id


def start_at_mean(model: Any, token_id: int, old_rows: int) -> None:
    """Set the input and output embedding of ``token_id`` to the mean of the first ``old_rows`` rows.

    Axolotl itself does this only on request and only when it resizes; a padded vocabulary is not resized.
    """
    layers = {id(layer): layer for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer}
    for layer in layers.values():
        for parameter in (layer.weight, getattr(layer, "bias", None)):
            # On ranks that wait for rank 0 to broadcast the weights they are on the meta device.
            if parameter is None or parameter.is_meta:
                continue
            with _whole(parameter), torch.no_grad():
                parameter[token_id] = parameter[:old_rows].float().mean(dim=0).to(parameter.dtype)


@contextmanager
def _whole(parameter: nn.Parameter) -> Iterator[None]:
    """Gather a parameter that DeepSpeed ZeRO-3 has split over the ranks, and write the change back."""
    if not hasattr(parameter, "ds_id"):
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
        yield


def embedding_names(model: Any) -> set[str]:
    """Return how the weights of the input and output embeddings end in a state dict, such as ``lm_head.weight``."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    return {
        f"{name.rsplit('.', 1)[-1]}.weight"
        for name, module in model.named_modules()
        if any(module is x for x in layers)
    }


def strip_token(cfg: Any, token: str, names: Collection[str], base_rows: int) -> None:
    """Save the trained model anew without ``token``, the last one, and its tokenizer with it.

    Args:
        cfg: the validated config.
        token: which its ``tokens:`` hold.
        names: from `embedding_names`.
        base_rows: of the base model's embeddings.

    Raises:
        CoTMaskError: there is no safetensors file.
    """
    from axolotl.loaders import load_tokenizer
    from axolotl.utils.dict import DictDefault

    without = DictDefault(cfg.to_dict())
    without.tokens = [other for other in cfg.tokens if other != token]
    tokenizer = load_tokenizer(without)
    strip_rows(Path(cfg.output_dir), names, rows=max(base_rows, len(tokenizer)))
    tokenizer.save_pretrained(str(cfg.output_dir))


def strip_rows(directory: Path, names: Collection[str], rows: int) -> None:
    """Cut the embeddings of a saved model or adapter down to ``rows`` rows. Each file is replaced whole.

    Args:
        directory: what ``save_pretrained`` wrote, as safetensors.
        names: from `embedding_names`.
        rows: number of embedding rows to keep.

    Raises:
        CoTMaskError: there is no safetensors file.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise CoTMaskError(
            f"cotmask.strip_mask_token: {directory} holds no safetensors file to strip (the trained model is kept as "
            "it was saved): save a full state dict, or merge the shards first"
        )
    for file in files:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
        for key, tensor in tensors.items():
            if any(key.endswith(f".{name}") or key == name for name in names) and tensor.shape[0] > rows:
                tensors[key] = tensor[:rows].clone()
        with whole_file(file) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    config_file = directory / "config.json"
    if config_file.is_file():
        config = json.loads(config_file.read_text(encoding="utf-8"))
        config["vocab_size"] = rows
        with whole_file(config_file) as temporary:
            temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
