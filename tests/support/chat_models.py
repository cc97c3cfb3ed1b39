"""Today's chat models in small: their real chat templates, and tokenizers of our own with their special tokens.

The templates of Qwen3, Llama-3.2 and Gemma-3 come with TRL, an Axolotl dependency (Apache-2.0), which keeps the models' own
as they are published. SmolLM3's is `templates/smollm3.jinja`: the copy that llama.cpp keeps as
`models/templates/HuggingFaceTB-SmolLM3-3B.jinja`, taken from the source package llama-cpp-python 0.3.36; Apache-2.0, as its
head says, with edits by Unsloth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from support.small_tokenizers import LLAMA_3_WORDS


class _Model(NamedTuple):
    eos: str
    special: tuple[str, ...]
    added: tuple[str, ...] = ()
    bos: str | None = None


_TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
MODELS = {
    "qwen3": _Model("<|im_end|>", ("<|endoftext|>", "<|im_start|>"), _TAGS),
    "llama3_2": _Model(
        "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|eom_id|>"), bos="<|begin_of_text|>"
    ),
    "gemma3": _Model("<eos>", ("<start_of_turn>", "<end_of_turn>"), bos="<bos>"),
    "smollm3": _Model("<|im_end|>", ("<|end_of_text|>", "<|im_start|>"), _TAGS),
}  # fmt: skip


def template(model: str) -> str:
    """Return the chat template of ``model``."""
    own = Path(__file__).parent / "templates" / f"{model}.jinja"
    found = own if own.exists() else files("trl") / "chat_templates" / f"{model}.jinja"
    return found.read_text(encoding="utf-8")


def texts(turns: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return all that turns say, for `tokenizer`."""
    found: list[str] = []
    for value in (value for turn in turns for value in turn.values()):
        parts = value if isinstance(value, list) else [value]
        found += [part["text"] if isinstance(part, dict) and "text" in part else str(part) for part in parts]
    return found


def tokenizer(model: str, texts: Iterable[str], **settings: Any) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer with the template of ``model`` and its special tokens.

    Args:
        model: one of `MODELS`.
        texts: each of their words and runs of signs is one token, as Llama-3's rule parts them; others fall to bytes.
        settings: other ones of the tokenizer.
    """
    kind = MODELS[model]
    bytes_of_words = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words = dict.fromkeys(piece for text in texts for piece, _ in bytes_of_words.pre_tokenize_str(text))
    special = [kind.eos, *kind.special, *([kind.bos] if kind.bos else [])]
    tokens = dict.fromkeys([*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *words])
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], ignore_merges=True))
    made.pre_tokenizer, made.decoder = bytes_of_words, decoders.ByteLevel()
    settings = {
        "eos_token": kind.eos, "pad_token": kind.special[0], "bos_token": kind.bos, "chat_template": template(model),
        "additional_special_tokens": special, **settings,
    }  # fmt: skip
    fast = PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **settings)
    fast.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in kind.added])
    return fast
