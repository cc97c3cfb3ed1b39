"""The base models: documents with true sums, a model that appears whole or not at all, the same from the same seed."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.reproduction.laptop.__main__ import laptop
from axolotl_cotmask.reproduction.laptop.base import Stage, draw_document, train_base
from axolotl_cotmask.reproduction.laptop.language import build_word_tokenizer

TOKENIZER = build_word_tokenizer()
SUM = re.compile(r"(\d+) ([-+*]) (\d+) = (?:<< \1 \2 \3 = (\d+) >> \4|(\d+))(?! [-+*=])")


@given(st.integers(0, 2**32), st.booleans())
def test_documents_hold_true_sums_in_the_words_of_the_language(seed: int, drills: bool) -> None:
    document = draw_document(random.Random(seed), drills)
    assert TOKENIZER.unk_token_id not in TOKENIZER(document)["input_ids"]
    for left, sign, right, *results in SUM.findall(document):
        assert eval(f"{left}{sign}{right}") == int(results[0] or results[1])
    assert len(SUM.findall(document)) == document.count("=") - document.count("<<")


def test_only_drills_have_annotations_and_they_have_no_question() -> None:
    rng = random.Random(0)
    documents = [draw_document(rng, drills=True) for _ in range(500)]
    annotated = [document for document in documents if "<<" in document]
    assert 0.4 < len(annotated) / len(documents) < 0.6
    assert not any("?" in document for document in annotated)
    assert not any("<<" in draw_document(rng, drills=False) for _ in range(500))


SHORT = Stage(3, 1e-3), Stage(2, 1e-3)


def test_a_base_is_the_same_from_the_same_seed_and_the_habit_comes_in_the_second_stage(tmp_path: Path) -> None:
    for name, drills in (("one", True), ("two", True), ("plain", False)):
        train_base(tmp_path / name, seed=4, drills=drills, stages=SHORT)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "plain")]
    assert files[0] == files[1] != files[2]
    one, plain = (AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("one", "plain"))
    moved = [(a - b).abs().max().item() for a, b in zip(one.parameters(), plain.parameters(), strict=True)]
    assert 0 < max(moved) < 0.02, "two steps away from each other"
    assert one.dtype == torch.bfloat16
    assert one.num_parameters() == pytest.approx(0.46e6, rel=0.02)
    assert len(AutoTokenizer.from_pretrained(tmp_path / "one")) == one.config.vocab_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "plain", "two"]


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    train_base(tmp_path / "trained", seed=0, drills=False, stages=(Stage(38, 6e-3), Stage(2, 1e-3)))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "trained", dtype=torch.float32)
    ids = TOKENIZER(draw_document(random.Random("held out"), drills=False), return_tensors="pt")
    with torch.no_grad():
        loss = model(**ids, labels=ids["input_ids"]).loss.item()
    assert loss < 4, "far below the 5.15 of guessing one of 172 words"


def test_an_existing_directory_is_left_alone_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(CoTMaskError, match="mine exists: name a directory that does not exist yet"):
        train_base(tmp_path / "mine", seed=0, drills=False, stages=SHORT)
    for command in ("train-base", "write-base"):
        result = CliRunner().invoke(laptop, [command, "copying-1", str(tmp_path / "mine")])
        assert (
            str(result.exception)
            == f"\naxolotl-cotmask: {tmp_path / 'mine'} exists: name a directory that does not exist yet"
        )


def test_nothing_is_left_when_the_loss_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match=r"the loss of the base model is nan at step \d+: lower the learning rate"):
        train_base(tmp_path / "base", seed=0, drills=False, stages=(Stage(30, float("inf")), SHORT[1]))
    assert list(tmp_path.iterdir()) == []
