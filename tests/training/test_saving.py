"""What a run saves loads again, by transformers, PEFT and both ways of merging, and is the model that was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.logits_recorder import IDS, SHARDS
from support.project import Project
from support.trained import LORA, OURS
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

MASK = {"mask_ratio": 0.4, "noise": "mask"}
EMBEDDINGS = {"lora_modules_to_save": ["embed_tokens", "lm_head"]}
TIED = {**EMBEDDINGS, "peft_ensure_weight_tying": True}
LOGITS = "support.logits_recorder.LogitsPlugin"


def base_model(project: Project, directory: Path, tied: bool, spare_rows: int = 0) -> Path:
    """A base model with weights of its own, of which the output embedding may be the input embedding."""
    config = AutoConfig.from_pretrained(project.model, tie_word_embeddings=tied)
    config.vocab_size += spare_rows
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    AutoTokenizer.from_pretrained(project.model).save_pretrained(directory)
    return directory


def trained(project: Project, base: Path, **changes: Any) -> tuple[Path, torch.Tensor]:
    """Train, and return the output directory with the logits of the trained model."""
    settings = {"base_model": str(base), "plugins": [OURS, LOGITS], "num_epochs": 2, "learning_rate": 5e-3}
    output_dir = project.train("saved", **{**settings, **changes})
    return output_dir, torch.load(output_dir / "logits.pt")


def assert_is_the_trained_one(model: Any, logits: torch.Tensor, rows: int) -> None:
    assert model.get_input_embeddings().num_embeddings == model.config.vocab_size == rows
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(IDS).logits, logits[..., :rows], atol=2e-6, rtol=1e-5)
    assert model.generate(input_ids=IDS, max_new_tokens=3, do_sample=False).max() < rows


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("strip", [False, True], ids=["kept", "stripped"])
@pytest.mark.parametrize("sharded", [False, True], ids=["one file", "shards"])
@pytest.mark.slow
def test_a_whole_model(project: Project, tmp_path: Path, tied: bool, strip: bool, sharded: bool) -> None:
    base = base_model(project, tmp_path / "base", tied)
    plugins = {"plugins": [OURS, LOGITS, SHARDS]} if sharded else {}
    output_dir, logits = trained(project, base, **plugins, cotmask={**MASK, "strip_mask_token": strip})
    assert (len(list(output_dir.glob("*.safetensors"))) > 1) is sharded
    rows = len(AutoTokenizer.from_pretrained(base)) + (0 if strip else 1)
    assert len(AutoTokenizer.from_pretrained(output_dir)) == rows
    model = AutoModelForCausalLM.from_pretrained(output_dir)
    assert_is_the_trained_one(model, logits, rows)
    if sharded:
        index = json.loads((output_dir / "model.safetensors.index.json").read_text(encoding="utf-8"))
        assert index["metadata"] == {
            "total_parameters": model.num_parameters(), "total_size": 4 * model.num_parameters()
        }  # fmt: skip


@pytest.mark.parametrize(("spare_rows", "changes"), [(0, {"resize_token_embeddings_to_32x": True}), (40, {})])
@pytest.mark.slow
def test_a_padded_vocabulary(project: Project, tmp_path: Path, spare_rows: int, changes: dict[str, Any]) -> None:
    """Whether the base model came with it, or the run pads it: the base model's vocabulary is left."""
    base = base_model(project, tmp_path / "base", tied=False, spare_rows=spare_rows)
    output_dir, logits = trained(project, base, **changes, cotmask={**MASK, "strip_mask_token": True})
    rows = len(AutoTokenizer.from_pretrained(base)) + spare_rows
    assert_is_the_trained_one(AutoModelForCausalLM.from_pretrained(output_dir), logits, rows)


ADAPTERS: dict[str, tuple[bool, dict[str, Any], dict[str, Any]]] = {
    "untied": (False, MASK, EMBEDDINGS),
    "untied, stripped": (False, {**MASK, "strip_mask_token": True}, EMBEDDINGS),
    "tied": (True, MASK, TIED),
    "tied, stripped": (True, {**MASK, "strip_mask_token": True}, TIED),
    "tied, stripped, DoRA": (True, {**MASK, "strip_mask_token": True}, {**TIED, "peft_use_dora": True}),
    "untied, no new token": (False, {"mask_ratio": 0.4, "noise": "random"}, {}),
    "tied, no new token": (True, {**MASK, "mask_token": "<unk>"}, {}),
}


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.slow
def test_an_adapter(project: Project, tmp_path: Path, name: str) -> None:
    from peft import AutoPeftModelForCausalLM, PeftModel

    tied, cotmask, changes = ADAPTERS[name]
    base = base_model(project, tmp_path / "base", tied)
    changes = {**LORA, **changes, "cotmask": cotmask}
    output_dir, logits = trained(project, base, **changes)
    rows = len(AutoTokenizer.from_pretrained(output_dir))
    assert rows == len(AutoTokenizer.from_pretrained(base)) + (logits.shape[-1] > 400 and "strip" not in name)
    adapted = AutoPeftModelForCausalLM.from_pretrained(output_dir)
    assert_is_the_trained_one(adapted, logits, rows)
    assert_is_the_trained_one(adapted.merge_and_unload(), logits, rows)
    if rows == AutoConfig.from_pretrained(base).vocab_size:
        # Nobody has to know that there was another token.
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), output_dir)
        assert_is_the_trained_one(plain, logits, rows)
    for method in ("memory_efficient", "legacy"):
        config = project.config("saved", base_model=str(base), **changes, merge_method=method)
        project.axolotl("merge-lora", config).check()
        assert_is_the_trained_one(AutoModelForCausalLM.from_pretrained(output_dir / "merged"), logits, rows)
        (output_dir / "merged").rename(tmp_path / method)


def test_the_sentence_asks_for_what_this_model_needs(project: Project, tmp_path: Path) -> None:
    base = base_model(project, tmp_path / "base", tied=True)

    def sentence(**changes: Any) -> str:
        config = project.config("wrong", base_model=str(base), cotmask=MASK, **LORA, **changes)
        return project.axolotl("train", config).sentence()

    both = "add lora_modules_to_save: [embed_tokens, lm_head] and peft_ensure_weight_tying: true"
    assert sentence().endswith(both)
    assert sentence(lora_modules_to_save=["lm_head"]).endswith(both)
    assert sentence(**EMBEDDINGS).endswith("or add peft_ensure_weight_tying: true")
    assert "the merged model would be another one" in sentence(**EMBEDDINGS)
