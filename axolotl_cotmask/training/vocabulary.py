"""The new mask token in tokenizer and model: how it is added, and how its embedding starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import CoTMaskConfig
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


def add_mask_token(cfg: Any, config: CoTMaskConfig) -> None:
    """Add the new mask token to the config's ``tokens:``, unless the config names one or the base tokenizer has it.

    Raises:
        CoTMaskError: a LoRA run would leave a new token's embedding untrained, or merge into another model; names the
            three ways out.
    """
    base = load_base_tokenizer(cfg)
    if config.token in base.get_vocab():
        return
    tokens = list(cfg.get("tokens") or ())
    added = {*tokens, *((cfg.get("special_tokens") or {}).get("additional_special_tokens") or ())}
    if cfg.get("adapter") and (config.mask_token is None or config.token in added):
        _check_adapter(cfg, config.token, existing_token(base))
    if config.mask_token is None and config.token not in tokens:
        cfg["tokens"] = [*tokens, config.token]


def existing_token(tokenizer: Any) -> str:
    """Return how a sentence names a token of the tokenizer that may stand for masked ones: not one that ends a text."""
    ends = (None, tokenizer.eos_token, tokenizer.bos_token)
    found = next((token for token in (tokenizer.unk_token, tokenizer.pad_token) if token not in ends), None)
    return "an existing token as mask_token" if found is None else f'an existing token (mask_token: "{found}")'


def _check_adapter(cfg: Mapping[str, Any], token: str, existing: str) -> None:
    from axolotl.loaders.utils import get_linear_embedding_layers
    from transformers import AutoConfig

    model_config = AutoConfig.from_pretrained(
        cfg.get("base_model_config") or cfg["base_model"],
        revision=cfg.get("revision_of_model"),
        trust_remote_code=bool(cfg.get("trust_remote_code")),
    )
    layers = get_linear_embedding_layers(model_config.model_type)
    reason, missing = (
        "unties this model's embeddings, so that the merged model would be another one than was trained",
        [],
    )
    if not set(layers) <= set(cfg.get("lora_modules_to_save") or ()):
        reason = "does not train embeddings, so that token would stay untrained"
        missing.append(f"lora_modules_to_save: [{', '.join(layers)}]")
    # Without it PEFT trains two copies of the one weight, and a model merged shard by shard has room for one of them.
    if getattr(model_config, "tie_word_embeddings", False) and not cfg.get("peft_ensure_weight_tying"):
        missing.append("peft_ensure_weight_tying: true")
    if missing:
        raise CoTMaskError(
            f"cotmask.noise masks with the new token {token}, and adapter: {cfg['adapter']} {reason}: set noise: "
            f"random, or name {existing}, or add {' and '.join(missing)}"
        )


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
