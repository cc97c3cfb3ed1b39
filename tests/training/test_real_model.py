"""Training SmolLM2-135M: masks, the new token beside tied embeddings, resume, merging, scores; gradients of the whole model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from support.gradient_recorder import GRADIENTS
from support.hermetic import RealData
from support.lm_eval_runs import EVALTASKS
from support.project import Project
from support.recorded import RECORDER, forwards
from support.trained import LORA, OURS, alpaca, identical, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = [pytest.mark.real, pytest.mark.slow]
MASK = {"mask_ratio": 0.4, "noise": "mask", "warmup_ratio": 0}
EMBEDDINGS = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def cut(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two of its thirty layers, with its embeddings and its tokenizer, for where the weights do not matter."""
    directory = tmp_path_factory.mktemp("cut")
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32, num_hidden_layers=2)
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(smollm2).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def small(cut: Path, new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = new_project(tmp_path_factory.mktemp("small"))
    return Project(project.directory, cut, project.run)


def test_packed_masks_and_a_new_token_beside_tied_embeddings(small: Project, cut: Path) -> None:
    """The learning rate is 0, so that the new row is seen as it starts."""
    output_dir = small.train(
        "packed", cotmask=MASK, plugins=[OURS, RECORDER], sample_packing=True, sequence_len=512, micro_batch_size=1,
        max_steps=2, learning_rate=0.0,
    )  # fmt: skip
    before, after = weights(cut), weights(output_dir)
    assert EMBEDDINGS in after
    assert "lm_head.weight" not in after, "still tied"
    assert torch.equal(after[EMBEDDINGS][:-1], before[EMBEDDINGS])
    torch.testing.assert_close(after[EMBEDDINGS][-1], before[EMBEDDINGS].mean(0), atol=1e-6, rtol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(output_dir)
    mask = tokenizer.convert_tokens_to_ids("<mask>")
    assert mask == 49152 == len(tokenizer) - 1
    trained = [forward for forward in forwards(output_dir) if forward["training"]]
    assert trained
    for forward in trained:
        [ids], [labels] = forward["input_ids"], forward["labels"]
        masked = [place for place, token in enumerate(ids) if token == mask]
        assert all(labels[place] != -100 for place in masked)
        assert 0.3 < len(masked) / sum(label != -100 for label in labels) < 0.5
        clean = [label if token == mask else token for token, label in zip(ids, labels, strict=True)]
        # Several rows, each with the paper's prompt and its end; padding is the same token, and no label.
        text = tokenizer.decode(clean)
        assert labels.count(tokenizer.eos_token_id) == text.count("### Response:") > 1


def test_a_resumed_run_that_strips_the_token_is_the_same_model(small: Project, cut: Path) -> None:
    steps = {"cotmask": MASK, "max_steps": 4, "micro_batch_size": 2, "save_strategy": "steps", "save_steps": 2}
    whole = small.train("whole", **steps)
    resumed = small.train(
        "resumed",
        **{**steps, "cotmask": {**MASK, "strip_mask_token": True}, "save_strategy": "no", "save_steps": None},
        resume_from_checkpoint=str(whole / "checkpoint-2"),
    )
    expected, stripped = weights(whole), weights(resumed)
    assert expected[EMBEDDINGS].shape[0] == 49153
    expected[EMBEDDINGS] = expected[EMBEDDINGS][:49152]
    assert identical(expected, stripped)
    assert not identical(expected, weights(cut))
    config = json.loads((resumed / "config.json").read_text(encoding="utf-8"))
    assert (config["vocab_size"], config["tie_word_embeddings"]) == (49152, True)
    ours, base = AutoTokenizer.from_pretrained(resumed), AutoTokenizer.from_pretrained(cut)
    assert ours.get_vocab() == base.get_vocab()
    assert (ours.chat_template, ours.special_tokens_map) == (base.chat_template, base.special_tokens_map)


def test_a_merged_adapter_is_scored_and_analysed(
    small: Project, real_data: RealData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty questions of GSM8K, and as many corrupted steps; few tokens each, since two layers say nothing."""
    real_data.needs("gsm8k_test.jsonl")
    config = small.config(
        "lora", cotmask={**MASK, "strip_mask_token": True}, max_steps=2, learning_rate=0.01,
        lora_modules_to_save=["embed_tokens", "lm_head"], peft_ensure_weight_tying=True,
        datasets=[{"path": str(small.directory / "train.jsonl"), "type": "axolotl_cotmask.prompt_strategies.gsm8k_chat"}],
        **LORA,
    )  # fmt: skip
    small.axolotl("train", config).check()
    small.axolotl("merge-lora", config).check()
    merged = small.directory / "lora" / "merged"
    before, after = weights(small.model), weights(merged)
    assert after.keys() == before.keys(), "tied as before"
    assert after[EMBEDDINGS].shape == before[EMBEDDINGS].shape
    assert not torch.equal(after[EMBEDDINGS], before[EMBEDDINGS])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))
    results = lm_eval.simple_evaluate(
        HFLM(str(merged), dtype="float32", device="cpu", batch_size=25),
        tasks=["cotmask_gsm8k", "cotmask_corrupted_step"],
        task_manager=TaskManager(include_path=str(EVALTASKS), include_defaults=False),
        limit=50,
        gen_kwargs="max_gen_toks=8",
    )
    assert {task: counts["effective"] for task, counts in results["n-samples"].items()} == {
        "cotmask_gsm8k": 50, "cotmask_corrupted_step": 50,
    }  # fmt: skip
    assert 0 <= results["results"]["cotmask_corrupted_step"]["follows_question,none"] <= 1
    output = small.axolotl(
        "cotmask", "analyze", "dependency", f"MFT={merged}", "--data", str(small.directory / "train.jsonl"), "--rows",
        "2", "--json",
    ).check().output  # fmt: skip
    assert json.loads(output[output.index("{") :])


@pytest.fixture
def full(smollm2: Path, project: Project) -> Project:
    return Project(project.directory, smollm2, project.run)


ONE_STEP = {"max_steps": 1, "max_grad_norm": 1e6}


@pytest.fixture
def sums(full: Project) -> list[dict[str, Any]]:
    """Eight rows, as a data set that a config without the plugin can read, too.

    Each digit is a token, so that all have as many labels: Axolotl 0.19 takes the mean of the micro-batches' means.
    """
    pairs = zip(range(11, 51, 5), range(20, 48, 3), strict=False)
    rows = [
        {"question": f"{a}+{b}?", "answer": f"{a}+{b} = <<{a}+{b}={a + b}>>{a + b}\n#### {a + b}"} for a, b in pairs
    ]
    return alpaca(full, rows)


def test_accumulated_gradients_are_those_of_one_batch(full: Project, sums: list[dict[str, Any]]) -> None:
    gradients = []
    for batch, accumulation in ((4, 2), (8, 1)):
        output_dir = full.train(
            f"{batch}x{accumulation}", micro_batch_size=batch, gradient_accumulation_steps=accumulation, datasets=sums,
            cotmask={**MASK, "noise": "random"}, plugins=[OURS, GRADIENTS], **ONE_STEP,
        )  # fmt: skip
        gradients.append(torch.load(output_dir / "gradients.pt"))
    first, second = gradients
    assert first.keys() == second.keys()
    assert len(first) == 272
    for name in first:
        scale = first[name].abs().max()
        assert scale > 0
        assert (first[name] - second[name]).abs().max() < 1e-4 * scale, name


def test_a_ratio_of_zero_is_no_plugin_to_the_bit(full: Project, sums: list[dict[str, Any]]) -> None:
    changes = {"micro_batch_size": 2, "datasets": sums, **ONE_STEP}
    plain = full.train("plain", plugins=None, cotmask=None, **changes)
    ours = full.train("zero", cotmask={"mask_ratio": 0}, **changes)
    assert identical(weights(plain), weights(ours))
    assert not torch.equal(weights(ours)[EMBEDDINGS], weights(full.model)[EMBEDDINGS].float())
