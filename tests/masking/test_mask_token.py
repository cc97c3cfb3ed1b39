"""Which ids the noise may use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.utils.mistral import HFMistralTokenizer
from support.small_tokenizers import byte_level, mistral_model_file, sentencepiece_like
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.draws import token_keys
from axolotl_cotmask.masking.mask_token import base_token_ids, mask_token_id


def sentencepiece_bpe() -> Any:
    """Llama-2's kind; the bytes of its fallback stand for text."""
    return sentencepiece_like(), {"<unk>", "<s>", "</s>"}


def sentencepiece_unigram() -> Any:
    """Gemma's and T5's places: control tokens and unused ones first, and a symbol that a user has defined."""
    pieces = ["<pad>", "</s>", "<s>", "<unk>", "<unused0>", "<table>", "\u2581a", "b", "\u2581", "cd"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=3))
    tokenizer.add_special_tokens(pieces[:5])
    tokenizer.add_tokens(["<table>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    return fast, set(pieces[:6])


def sentencepiece_itself() -> Any:
    """A SentencePiece model that is not converted: Mistral-7B-v0.1's."""
    return SentencePieceBackend(vocab_file=mistral_model_file()), {"<unk>", "<s>", "</s>"}


def trained_byte_level() -> Any:
    """SmolLM2's and StarCoder's kind: `tokenizers` trains with special tokens at the first ids of the vocabulary."""
    special = ["<|endoftext|>", "<|im_start|>", "<repo_name>", "<empty_output>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["one two three four two one"] * 3, trainer)
    assert set(special) <= tokenizer.get_vocab(with_added_tokens=False).keys()
    # Not all of them have a name in the tokenizer.
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>"), set(special)


def tiktoken_like() -> Any:
    """Llama-3's and Qwen's kind: ranks of text, and behind them special and reserved tokens, with a gap between."""
    ranks = byte_level()
    reserved = [f"<|reserved_special_token_{number}|>" for number in range(3)]
    ranks.add_special_tokens({"additional_special_tokens": ["<|begin_of_text|>", *reserved]})
    ranks.add_tokens(["<tool_call>"])
    return ranks, {"<s>", "</s>", "<|begin_of_text|>", *reserved, "<tool_call>"}


def with_added_tokens_inside() -> Any:
    """Tokens of the base vocabulary that somebody has declared to be added ones, special or not."""
    tokenizer = byte_level(special=("<a>", "<b>"))
    tokenizer.add_tokens([AddedToken("####"), AddedToken("<<", special=True)])
    return tokenizer, {"<s>", "</s>", "<a>", "<b>", "####", "<<"}


FAMILIES = (
    sentencepiece_bpe, sentencepiece_unigram, sentencepiece_itself, trained_byte_level, tiktoken_like, with_added_tokens_inside,
)  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_drawn_of_each_family(family: Callable[[], Any]) -> None:
    tokenizer, apart = family()
    drawn = set(tokenizer.convert_ids_to_tokens(base_token_ids(tokenizer).tolist()))
    assert drawn == tokenizer.get_vocab().keys() - apart
    assert drawn
    # Nor what a run adds.
    tokenizer.add_tokens([AddedToken("<mask>", special=False)])
    tokenizer.add_special_tokens({"pad_token": "<more>"})
    assert set(tokenizer.convert_ids_to_tokens(base_token_ids(tokenizer).tolist())) == drawn


@pytest.mark.parametrize(
    ("file", "name"), [("tekken_240911.json", "tekken.json"), ("tokenizer.model.v1", "tokenizer.model.v1")]
)
def test_what_is_drawn_of_mistrals_own_tokenizers(tmp_path: Path, file: str, name: str) -> None:
    shutil.copy(Path(mistral_model_file()).parent / file, tmp_path / name)
    tokenizer = HFMistralTokenizer.from_pretrained(str(tmp_path))
    special = 1000 if "tekken" in name else 3
    assert base_token_ids(tokenizer).tolist() == list(range(special, len(tokenizer)))


def test_no_row_of_padding_is_drawn(tiny_model: Path) -> None:
    """Of a model with more rows than the tokenizer has tokens."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    config = parse_config({"mask_ratio": 0.4, "noise": "random"})
    [noise] = RunMasking(config, [{"path": "a"}]).noises(tokenizer)
    everywhere = torch.ones(1, 60_000, dtype=torch.bool)
    keys = token_keys(torch.arange(60_000))[None]
    drawn = noise.replaced(torch.zeros(1, 60_000, dtype=torch.int64), everywhere, keys, seed=1, epoch=0)
    assert sorted(set(drawn[0].tolist())) == base_token_ids(tokenizer).tolist()
    assert max(drawn[0].tolist()) < len(tokenizer)


def test_the_mask_token_is_one_token(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    existing = parse_config({"mask_ratio": 0.4, "mask_token": "<unk>"})
    assert mask_token_id(tokenizer, existing) == tokenizer.unk_token_id
    with pytest.raises(CoTMaskError, match=r"cotmask\.mask_token is <mask>, which is not one token of this tokenizer"):
        mask_token_id(tokenizer, parse_config({"mask_ratio": 0.4}))
    tokenizer.add_tokens(["<mask>"])
    assert mask_token_id(tokenizer, parse_config({"mask_ratio": 0.4})) == len(tokenizer) - 1


def test_which_runs_use_the_mask_token() -> None:
    entries = [{"path": "a"}, {"path": "b", "noise": "random"}]
    assert RunMasking(parse_config({"mask_ratio": 0.4}), entries).uses_mask_token
    assert not RunMasking(parse_config({"mask_ratio": 0.4}), entries[1:]).uses_mask_token
    assert not RunMasking(parse_config({"mask_ratio": 0.4, "noise": "random"}), entries).uses_mask_token
    assert not RunMasking(parse_config({"mask_ratio": 0.4, "noise": {"dropout": {"q": 0.5}}}), entries).uses_mask_token
    assert RunMasking(parse_config({"mask_ratio": 0.4, "noise": {"mask": 0.1, "random": 0.9}}), []).uses_mask_token
    assert not RunMasking(parse_config({"mask_ratio": 0}), entries).uses_mask_token
