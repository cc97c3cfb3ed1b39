"""Characters of tokens from the ids alone: against the fast tokenizers' own mapping, and where there is none."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_tokenizers import byte_level, mistral, sentencepiece_like
from transformers import ByT5Tokenizer

from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.masking.offsets import decoded_offsets, text_between

NAMES = ["sentencepiece-like", "byte-level", "mistral"]
TEXTS = [
    "Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72",
    "a 12 😀x 数学é",
    "🦆",
    "🦆🦆 👩\u200d👩 e\u0301\u00a0x",
    "a  two\n\n  b ",
    "12 apples",
]


@cache
def tokenizer(name: str) -> Any:
    builders = {"sentencepiece-like": sentencepiece_like, "byte-level": byte_level, "mistral": mistral}
    return ByT5Tokenizer() if name == "bytes" else builders[name]()


def check_against_the_mapping(name: str, text: str) -> None:
    """With a prompt before it, as in training: each token of the text has the characters that the mapping gives it."""
    tokens = tokenizer(name)
    whole = "Response: " + text
    encoded = tokens(whole)
    decoded, offsets = decoded_offsets(tokens, encoded["input_ids"])
    assert decoded == tokens.decode(encoded["input_ids"], clean_up_tokenization_spaces=False)
    assert decoded.endswith(whole)
    lead = len(decoded) - len(whole)
    assert offsets[0] == (0, 0), "BOS"
    for (start, end), ours in zip(encoded.encodings[0].offsets[2:], offsets[2:], strict=True):
        assert ours == (start + lead, end + lead), decoded[slice(*ours)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", TEXTS)
def test_as_the_tokenizers_own_mapping(name: str, text: str) -> None:
    check_against_the_mapping(name, text)


@pytest.mark.parametrize("name", NAMES)
def test_as_the_mapping_on_real_solutions(name: str, real_data: Path) -> None:
    rows = list(read_jsonl(real_data / "gsm8k_train.jsonl"))[::40]
    texts = [row["answer"] for row in rows]
    texts += [row["solution"] for row in list(read_jsonl(real_data / "math_train_sample.jsonl"))[::10]]
    for text in texts:
        check_against_the_mapping(name, text)


def test_the_space_before_a_text() -> None:
    # The mapping gives the space's token the character after it.
    tokens = tokenizer("mistral")
    ids = tokens("12 apples")["input_ids"]
    assert tokens.convert_ids_to_tokens(ids) == ["<s>", "▁", "1", "2", "▁ap", "ples"]
    assert decoded_offsets(tokens, ids) == ("<s> 12 apples", [(0, 0), (3, 4), (4, 5), (5, 6), (6, 9), (9, 13)])
    # Without BOS the space goes, and its token shares the character after it here, too.
    assert decoded_offsets(tokens, ids[1:]) == ("12 apples", [(0, 1), (0, 1), (1, 2), (2, 5), (5, 9)])


def test_tokens_that_make_a_character_together() -> None:
    for name in ("sentencepiece-like", "byte-level", "bytes"):
        tokens = tokenizer(name)
        ids = tokens("x😀y", add_special_tokens=False)["input_ids"]
        text, offsets = decoded_offsets(tokens, ids)
        assert text == "x😀y"
        assert [text[slice(*span)] for span in offsets[-6:]] == ["x", "😀", "😀", "😀", "😀", "y"]


def test_a_character_that_is_cut_off() -> None:
    # `excess_length_strategy: truncate` may leave half an emoji.
    tokens = tokenizer("byte-level")
    ids = tokens("x 😀", add_special_tokens=False)["input_ids"][:-2]
    text, offsets = decoded_offsets(tokens, ids)
    assert text == tokens.decode(ids)
    assert offsets == [(0, 1), (1, 2), (2, len(text)), (2, len(text))]


def test_the_replacement_character_takes_the_next_token_with_it() -> None:
    tokens = tokenizer("byte-level")
    ids = tokens("a\ufffdb c", add_special_tokens=False)["input_ids"]
    text, offsets = decoded_offsets(tokens, ids)
    assert [text[slice(*span)] for span in offsets] == ["a", *["\ufffdb"] * 4, " c"]


@pytest.mark.parametrize("name", [*NAMES, "bytes"])
def test_no_tokens(name: str) -> None:
    assert decoded_offsets(tokenizer(name), []) == ("", [])


def test_special_tokens_have_no_characters() -> None:
    tokens = byte_level(("<|im_start|>", "<|im_end|>"), bos=None)
    ids = tokens("<|im_start|>user\n5<|im_end|>\n")["input_ids"]
    text, offsets = decoded_offsets(tokens, ids)
    assert text == "<|im_start|>user\n5<|im_end|>\n"
    assert [text[slice(*span)] for span in offsets] == ["", "u", "s", "e", "r", "\n", "5", "", "\n"]


@pytest.mark.parametrize("name", [*NAMES, "bytes"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_ids_cover_the_text_in_order(name: str, data: st.DataObject) -> None:
    tokens = tokenizer(name)
    ids = data.draw(st.lists(st.integers(0, min(len(tokens), 3000) - 1), max_size=12))
    text, offsets = decoded_offsets(tokens, ids)
    assert len(offsets) == len(ids)
    special = set(tokens.all_special_ids)
    last = (0, 0)
    for index, (start, end) in zip(ids, offsets, strict=True):
        assert 0 <= start <= end <= len(text)
        if index not in special:
            assert start >= last[1] or (start, end) == last
            last = (start, end)
    if special.isdisjoint(ids):
        covered = dict.fromkeys(span for span in offsets if span[0] < span[1])
        assert "".join(text[slice(*span)] for span in covered) == text


def test_text_between() -> None:
    text = "Q: 1 A: 2 é</s>"
    offsets = [(0, 0), (0, 2), (2, 4), (4, 7), (7, 9), (9, 11), (9, 11), (0, 0)]
    assert text_between(text, offsets, 4, 8) == (" 2 é", [(0, 2), (2, 4), (2, 4), (0, 0)])
    assert text_between(text, offsets, 0, 3) == ("Q: 1", [(0, 0), (0, 2), (2, 4)])
    assert text_between(text, offsets, 7, 8) == ("", [(0, 0)])
    assert text_between(text, offsets, 4, 4) == ("", [])
