"""Which ids the noise may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.mask_token import base_token_ids, mask_token_id


def test_added_tokens_are_never_drawn(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    before = base_token_ids(tokenizer)
    added = tokenizer.convert_tokens_to_ids(list(tokenizer.added_tokens_encoder))
    tokenizer.add_tokens([AddedToken("<mask>"), AddedToken("<more>")])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|reserved|>"]})
    assert base_token_ids(tokenizer).tolist() == before.tolist()
    new = set(tokenizer.convert_tokens_to_ids(["<mask>", "<more>", "<|reserved|>"]))
    assert not new & set(before.tolist())
    # As in Llama-2, the special tokens of the base vocabulary belong to it; the constant prompt texts are added.
    assert len(set(added) - set(before.tolist())) == 2
    assert len(before) + len(set(added) - set(before.tolist())) + len(new) == len(tokenizer)


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
