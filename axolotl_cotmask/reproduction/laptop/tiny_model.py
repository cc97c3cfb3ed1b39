"""A tiny Llama and its tokenizer, built from nothing in seconds, for trial runs on a CPU."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_model
from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

#: The model's context in tokens: room for 512 generated ones, as the evaluation allows, after the longest prompt.
MAX_TOKENS = 1024

#: Enough for GSM8K's everyday words.
DEFAULT_VOCAB_SIZE = 2048

# Names the file that marks a directory as a tiny model and says what it was built from.
_DESCRIPTION = "tiny_model.json"
#: A Llama tokenizer's special tokens: unknown, beginning, end, padding.
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")


@dataclass(frozen=True)
class Shape:
    """Widths and depth of a tiny Llama."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int


SHAPES: Mapping[str, Shape] = {
    "micro": Shape(hidden_size=128, intermediate_size=384, layers=3, heads=4),
    "mini": Shape(hidden_size=256, intermediate_size=688, layers=4, heads=8),
}


def training_texts(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return prompt and target as the model will see them, for pairs of question and answer."""
    return [alpaca_prompt(question) + SEPARATOR + answer for question, answer in rows]


def prompt_parts() -> list[str]:
    """Return the texts before and after the question in the paper's prompt."""
    return alpaca_prompt("\0").split("\0")


def build_tokenizer(texts: Sequence[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer that adds ``<s>`` in front, as Llama's does.

    Each digit is a token of its own. The two constant parts of the paper's prompt are one added token each: as words
    they would be a good part of every example, and a tiny model on a CPU has no time to spare for them.

    Args:
        texts: what to learn the merges from.
        vocab_size: number of tokens, the special and the added ones included; fewer when the texts give fewer merges.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    constant = prompt_parts()
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(constant),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Merges for the constant text would be wasted on tokens that never occur.
    words = (part for text in texts for part in re.split("|".join(map(re.escape, constant)), text))
    tokenizer.train_from_iterator(words, trainer)
    return like_llama(tokenizer, MAX_TOKENS)


def like_llama(tokenizer: Tokenizer, max_tokens: int) -> PreTrainedTokenizerFast:
    """Return ``tokenizer`` with Llama's special tokens, ``<s>`` in front, and the prompt's constant parts as tokens.

    Args:
        tokenizer: its vocabulary holds `SPECIAL`.
        max_tokens: the model's context.
    """
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer.add_tokens([AddedToken(part, normalized=False) for part in prompt_parts()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )


def build_tiny_model(
    directory: str | os.PathLike[str],
    texts: Sequence[str],
    seed: int,
    vocab_size: int = DEFAULT_VOCAB_SIZE,
    shape: Shape = SHAPES["mini"],
) -> bool:
    """Build a tokenizer from ``texts`` and a randomly initialised float32 Llama, and save both in ``directory``.

    The directory appears whole or not at all. A tiny model that is there already is replaced, unless it was built from
    the same arguments.

    Args:
        directory: where to save.
        texts: prompts with their targets, from `training_texts`.
        seed: decides the weights.
        vocab_size: at most so many tokens; the texts may not give enough merges for all.
        shape: widths and depth of the model.

    Returns:
        Whether it was built; False when the same model was there already.

    Raises:
        CoTMaskError: there are no texts, or the directory holds something else or cannot be written.
    """
    import torch

    directory = Path(directory)
    if not texts:
        raise CoTMaskError(f"{directory}: there is no text to build a tokenizer from: give at least one training row")
    description = {
        "seed": seed,
        "vocab_size": vocab_size,
        **asdict(shape),
        "texts": hashlib.sha256("\0".join(texts).encode()).hexdigest(),
    }
    existing = _description(directory)
    if existing == description:
        return False
    if existing is None and directory.exists():
        raise CoTMaskError(f"{directory} exists and is no tiny model: name a directory that does not exist yet")
    # transformers draws initial weights from the global generator, which belongs to the caller.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = build_tokenizer(texts, vocab_size)
        model = new_llama(tokenizer, shape, shape.hidden_size**-0.5)
    with whole_model(directory) as built:
        model.save_pretrained(built)
        tokenizer.save_pretrained(built)
        (built / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return True


def new_llama(tokenizer: PreTrainedTokenizerFast, shape: Shape, spread: float) -> LlamaForCausalLM:
    """Return a float32 Llama of a tokenizer's vocabulary and context, its weights drawn from torch's global generator.

    Args:
        tokenizer: from `like_llama`.
        shape: widths and depth.
        spread: standard deviation of the initial weights. The usual 0.02 suits widths of thousands: at these widths it
            costs hundreds of steps.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=tokenizer.model_max_length,
            tie_word_embeddings=True,
            initializer_range=spread,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            dtype="float32",
        )
    )


def _description(directory: Path) -> dict[str, Any] | None:
    """Return what the tiny model in ``directory`` was built from, or None when there is none."""
    try:
        return json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
