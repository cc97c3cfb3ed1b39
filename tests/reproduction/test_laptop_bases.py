"""The base models that travel with the package: the same for everyone, and able to do what is said of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.full_disk import no_file_above
from transformers import AutoModelForCausalLM, AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import sha256
from axolotl_cotmask.reproduction.laptop import bases
from axolotl_cotmask.reproduction.laptop.base import measure_base
from axolotl_cotmask.reproduction.laptop.bases import BASES, Base, kind_and_seed, write_base
from axolotl_cotmask.reproduction.laptop.language import build_word_tokenizer

every_base = pytest.mark.parametrize("base", BASES.values(), ids=BASES)


@every_base
def test_its_weights_are_those_that_were_measured(base: Base) -> None:
    assert sha256(base.directory / "model.safetensors") == base.sha256
    assert kind_and_seed(base.name) == ("copying" if base.drills else "plain", base.seed)
    assert {path.name for path in base.directory.parent.iterdir()} == {*BASES, "bases.json"}


@every_base
@pytest.mark.slow
def test_it_can_do_what_is_said_of_it(base: Base) -> None:
    measured = measure_base(base.directory)
    for ability, share in vars(base.abilities).items():
        # Kernels of other machines may turn a close decision.
        assert getattr(measured, ability) == pytest.approx(share, abs=0.005), ability
    assert measured.sums >= 0.995
    assert (measured.copying > 0.9) == base.drills


def test_it_is_written_in_float32_with_the_tokenizer_of_the_language(tmp_path: Path) -> None:
    write_base("copying-1", tmp_path / "base")
    written, shipped = (
        AutoModelForCausalLM.from_pretrained(path) for path in (tmp_path / "base", BASES["copying-1"].directory)
    )
    assert (written.dtype, shipped.dtype) == (torch.float32, torch.bfloat16)
    for ours, theirs in zip(written.parameters(), shipped.parameters(), strict=True):
        assert torch.equal(ours, theirs.float())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    assert tokenizer.get_vocab() == build_word_tokenizer().get_vocab(), "the language has changed: bases do not fit"
    assert len(tokenizer) == written.config.vocab_size


def test_other_weights_or_another_name_stop_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CoTMaskError, match=r"no base model is named copying-01: did you mean copying-1\?"):
        write_base("copying-01", tmp_path / "base")
    with pytest.raises(CoTMaskError, match="copied-1 names no base model: give copying-SEED or plain-SEED"):
        kind_and_seed("copied-1")
    shutil.copytree(BASES["copying-1"].directory, tmp_path / "copying-1")
    with (tmp_path / "copying-1" / "model.safetensors").open("ab") as weights:
        weights.write(b"0")
    monkeypatch.setattr(bases, "_FOLDER", tmp_path)
    with pytest.raises(CoTMaskError, match="is not the file that copying-1 was measured on: install the package anew"):
        write_base("copying-1", tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_the_facts_are_in_order() -> None:
    facts = json.loads((BASES["copying-1"].directory.parent / "bases.json").read_text(encoding="utf-8"))
    assert list(facts) == sorted(facts)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with no_file_above(100_000), pytest.raises(CoTMaskError, match="base: cannot write a model there"):
        write_base("copying-1", tmp_path / "base")
    assert not list(tmp_path.iterdir())
