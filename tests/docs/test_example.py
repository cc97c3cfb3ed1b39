"""The example of examples/README.md: its commands as they stand there, with a tiny model instead of SmolLM2."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from support import chat_models
from support.forked import Axolotl
from support.pages import ROOT, commands
from transformers import LlamaConfig, LlamaForCausalLM

PAGE = ROOT / "examples" / "README.md"
SHOP = ROOT / "examples" / "tea-shop"


def test_the_data_are_what_the_script_makes() -> None:
    sys.path.insert(0, str(SHOP))
    try:
        import make
    finally:
        sys.path.remove(str(SHOP))
    for path, text in make.files().items():
        assert path.read_text(encoding="utf-8") == text, path
    asked = [json.loads(line)["messages"][0]["content"] for line in (SHOP / "train.jsonl").open(encoding="utf-8")]
    tested = [json.loads(line)["question"] for line in (SHOP / "test.jsonl").open(encoding="utf-8")]
    assert (len(set(asked)), len(set(tested))) == (96, 60)
    assert set(asked).isdisjoint(tested)


@pytest.mark.slow
def test_the_page_from_its_data_to_a_comparison(axolotl: Axolotl, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    chats = [json.loads(line)["messages"] for line in (SHOP / "train.jsonl").open(encoding="utf-8")]
    base = tmp_path / "outputs" / "smollm2-135m" / "base"
    tokenizer = chat_models.tokenizer("qwen3", chat_models.texts(turn for chat in chats for turn in chat))
    tokenizer.save_pretrained(base)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **shape)
    ).save_pretrained(base)
    said = {}
    for program, *words in commands(PAGE):
        if words[:2] == ["cotmask", "base-model"]:
            continue
        if program == "lm_eval":
            run = axolotl.lm_eval(*words, "--limit", "8", "--gen_kwargs", "max_gen_toks=8", cwd=tmp_path)
        else:
            run = axolotl(*[word for word in words if word not in ("--launcher", "python")], cwd=tmp_path)
        said[" ".join(words[:3])] = run.check().output
    assert "nothing wrong was found" in said["cotmask check examples/tea-shop/mft.yaml"]
    assert "scheduled ratio" in said["cotmask preview examples/tea-shop/mft.yaml"]
    assert "cotmask/loss_noised" in said["train examples/tea-shop/mft.yaml --launcher"]
    assert "exact_match" in said["cotmask compare outputs/tea-shop/scores-sft"]
    assert (tmp_path / "outputs/tea-shop/compare.html").is_file()
