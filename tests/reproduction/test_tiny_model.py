"""The tiny model: a Llama-like tokenizer with single digits, seeded weights, a directory that is whole or absent."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.full_disk import no_file_above
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from axolotl_cotmask.cli.tiny_model import tiny_model
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.data.sources import ENV_VAR, load
from axolotl_cotmask.reproduction.laptop.data import laptop_rows, write_laptop_data
from axolotl_cotmask.reproduction.laptop.tiny_model import (
    SHAPES,
    build_tiny_model,
    build_tokenizer,
    training_texts,
)

ROWS = laptop_rows(seed=0, train_rows=300, test_rows=20)
TEXTS = training_texts((row["question"], row["answer"]) for row in ROWS["gsm8k_train"])
MICRO = SHAPES["micro"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny") / "model"
    assert build_tiny_model(directory, TEXTS, seed=0, shape=MICRO)
    return directory


@pytest.fixture(scope="module")
def tokenizer(built: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(built)


# The module's own tokenizer, since hypothesis takes no fixture of a narrower scope well.
TOKENIZER = build_tokenizer(TEXTS, 2048)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ids = TOKENIZER(text)["input_ids"]
    # What spells a special token is that token; everything else comes back as it was.
    if not set(ids[1:]) & set(TOKENIZER.all_special_ids):
        assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


def test_prompt_and_target_survive_and_split_where_the_prompt_ends(tokenizer: PreTrainedTokenizerFast) -> None:
    for row in ROWS["gsm8k_test"]:
        prompt = alpaca_prompt(row["question"])
        whole = tokenizer(f"{prompt} {row['answer']}")["input_ids"]
        start = tokenizer(prompt)["input_ids"]
        assert whole[: len(start)] == start
        assert tokenizer.decode(whole, skip_special_tokens=True) == f"{prompt} {row['answer']}"


def test_digits_are_never_merged(tokenizer: PreTrainedTokenizerFast) -> None:
    digits = [tokenizer.convert_tokens_to_ids(digit) for digit in "0123456789"]
    assert len({*digits}) == 10
    assert not [token for token in tokenizer.get_vocab() if len(token) > 1 and re.search("[0-9]", token)]
    ids = tokenizer("12+30=<<12+30=42>>42", add_special_tokens=False)["input_ids"]
    assert [index for index in ids if index in digits] == [digits[int(c)] for c in "1230123042" + "42"]


def test_bos_stands_in_front_once_and_eos_nowhere(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("Tom has 3 apples.")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.eos_token_id not in ids
    assert tokenizer("Tom", add_special_tokens=False)["input_ids"][0] != tokenizer.bos_token_id
    special = [tokenizer.unk_token, tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token]
    assert special == ["<unk>", "<s>", "</s>", "<pad>"]


def test_the_constant_prompt_takes_two_tokens_outside_the_base_vocabulary(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer(alpaca_prompt(""))["input_ids"]
    assert len(ids) == 3
    base = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    assert not set(ids[1:]) & set(base.values())


def test_the_model_has_the_tokenizers_vocabulary_and_ids(built: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = AutoModelForCausalLM.from_pretrained(built)
    assert model.config.vocab_size == len(tokenizer)
    assert model.dtype == torch.float32
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(model.config, name) == getattr(tokenizer, name)
    # lm-eval asks for 512 new tokens after the prompt.
    assert model.config.max_position_embeddings >= 512 + 256
    ids = tokenizer([alpaca_prompt("How many?"), "Tom"], return_tensors="pt", padding=True)
    assert model(**ids).logits.shape[-1] == len(tokenizer)


@pytest.mark.parametrize(("name", "least", "most"), [("micro", 0.6e6, 1e6), ("mini", 2e6, 4e6)])
def test_parameter_counts(tmp_path: Path, name: str, least: float, most: float) -> None:
    # Random words, so that the vocabulary is filled as real text fills it.
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(3000)]
    build_tiny_model(tmp_path / name, [" ".join(words)], seed=0, shape=SHAPES[name])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / name)
    assert model.config.vocab_size == 2048
    assert least <= model.num_parameters() <= most


def test_same_seed_same_files_and_another_seed_other_weights(built: Path, tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    for name, seed in (("same", 0), ("other", 1)):
        build_tiny_model(tmp_path / name, TEXTS, seed, shape=MICRO)
    assert torch.equal(torch.rand(3), expected), "the caller's random state moved"
    files = {path.name: path.read_bytes() for path in built.iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "same").iterdir()}
    assert files["model.safetensors"] != (tmp_path / "other" / "model.safetensors").read_bytes()
    assert files["tokenizer.json"] == (tmp_path / "other" / "tokenizer.json").read_bytes()


def test_an_identical_model_is_left_alone_and_a_different_one_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    assert build_tiny_model(directory, TEXTS[:50], 0, shape=MICRO)
    before = (directory / "model.safetensors").stat().st_mtime_ns
    assert not build_tiny_model(directory, TEXTS[:50], 0, shape=MICRO)
    assert (directory / "model.safetensors").stat().st_mtime_ns == before
    assert build_tiny_model(directory, TEXTS[:50], 1, shape=MICRO)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_foreign_directory_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CoTMaskError, match="exists and is no tiny model: name a directory that does not exist yet"):
        build_tiny_model(tmp_path, TEXTS, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_half_built_when_saving_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "model"
    build_tiny_model(directory, TEXTS[:50], 0, shape=MICRO)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}

    def no_space(self: object, directory: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PreTrainedTokenizerFast, "save_pretrained", no_space)
    for room, reason in ((100_000, ".*File too large.*"), (2**30, "No space left on device")):
        with (
            no_file_above(room),
            pytest.raises(CoTMaskError, match=rf"cannot write a model there \({reason}\)"),
        ):
            build_tiny_model(directory, TEXTS[:50], 1, shape=MICRO)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match="there is no text to build a tokenizer from"):
        build_tiny_model(tmp_path / "model", [], 0)


def test_the_command_builds_says_when_it_is_there_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_laptop_data(tmp_path / "data", 0, 60, 5)
    monkeypatch.setenv(ENV_VAR, str(tmp_path / "data"))
    arguments = [str(tmp_path / "model"), "--seed", "3", "--size", "micro"]
    first = CliRunner().invoke(tiny_model, arguments)
    assert (first.exit_code, first.stdout) == (0, f"{tmp_path / 'model'}: built\n")
    rows = load("gsm8k_train")
    texts = training_texts(zip(rows["question"], rows["answer"], strict=True))
    assert not build_tiny_model(tmp_path / "model", texts, 3, shape=MICRO)
    again = CliRunner().invoke(tiny_model, arguments)
    assert (again.exit_code, again.stdout) == (0, f"{tmp_path / 'model'}: the same tiny model is there already\n")
    refused = CliRunner().invoke(tiny_model, [str(tmp_path / "data")])
    assert refused.exit_code == 1
    assert "is no tiny model" in refused.stderr
    assert json.loads((tmp_path / "model" / "tiny_model.json").read_text())["seed"] == 3
