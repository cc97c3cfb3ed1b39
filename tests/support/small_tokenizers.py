"""Tokenizers for tests: two small ones with a vocabulary written here, and the real one of Mistral-7B-v0.1.

Nothing is trained, so that no version of a library can change an id. (The module is not named ``tokenizers``: pytest
puts this directory first on the import path, and the library of that name would be hidden.)
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from sentencepiece import SentencePieceProcessor
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

# The words of the prompts and of the test rows. A space before a word (here `_`) stands in its token, as in all real
# vocabularies; those words come first, so that the space is not left over.
_WORDS = """
    _Below _is _an _instruction _that _describes _a _task _paired _with _input _provides _further _context
    _Write _response _appropriately _completes _the _request _Instruction _Input _Response
    _many _apples _answer _write _program _what _If _value _of _x _=
    Below How The If print
"""
# Signs that stand together; the first five span the end of `### Response:` when no space follows it.
_SIGNS = [":\\", ":)", "://", ":**", "::", "###", "<<", ">>", "**", "\\[", "\\]", "$$"]
_ASCII = [chr(code) for code in range(33, 127)]
# Llama-3's own: a word takes one sign or space before it, digits stand in threes, signs take a space and newlines.
LLAMA_3_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _grown(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return tokens and merges that let each word grow from its first character, one character at a time, and for `####`."""
    grown = dict.fromkeys(word[:end] for word in words for end in range(2, len(word) + 1))
    merges = [(piece[:-1], piece[-1]) for piece in grown]
    return [*grown, "####"], [*merges, ("##", "##")]


def sentencepiece_like(**settings: Any) -> LlamaTokenizer:
    """Llama-2's kind: a space is put before the text, what is not in the vocabulary falls back to bytes, BOS `<s>`."""
    pieces, merges = _grown([word.replace("_", "▁") for word in _WORDS.split()] + ["▁▁", "▁("] + _SIGNS)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, "▁", *_ASCII, "é", "数"]
    return LlamaTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, add_bos_token=True, **settings
    )


def byte_level(special: tuple[str, ...] = (), bos: str | None = "<s>", **settings: Any) -> PreTrainedTokenizerFast:
    """Llama-3's kind: bytes as characters, nothing put before the text, BOS by a template (or none).

    Args:
        special: more special tokens, after `<s>` and `</s>`.
        bos: the token that is put before each text; None as in Qwen2.5.
        settings: for the tokenizer: eos_token, chat_template, ...
    """
    newlines = ["ĊĊ", ".ĊĊ", ":Ċ"]
    pieces, merges = _grown([word.replace("_", "Ġ") for word in _WORDS.split()] + ["ĠĠ", "Ġ("] + _SIGNS + newlines)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<s>", "</s>", *special, *alphabet, *pieces]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokens.index(bos))]
        )
    settings = {"bos_token": bos, "eos_token": "</s>", "additional_special_tokens": list(special), **settings}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **settings)


def mistral() -> LlamaTokenizer:
    """Mistral-7B-v0.1's tokenizer with its 32,000 tokens: SentencePiece, digits one by one, BOS `<s>`."""
    model = SentencePieceProcessor(model_file=mistral_model_file())
    vocab = {model.id_to_piece(index): index for index in range(len(model))}
    # Runs of spaces have early ids and the lowest scores: by their ids, they would be merged first.
    scores = {piece: model.get_score(index) for piece, index in vocab.items()}
    return LlamaTokenizer(vocab=vocab, merges=generate_merges(vocab, scores), add_bos_token=True)


def mistral_model_file() -> str:
    """Return the path of the SentencePiece model that comes with an Axolotl dependency."""
    return str(files("mistral_common") / "data" / "tokenizer.model.v1")
