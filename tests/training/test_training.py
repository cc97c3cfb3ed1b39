"""What a run trains on and what it logs and saves, through the real Axolotl."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.project import Project, Rows, write_jsonl
from support.recorded import RECORDER, forwards, masks, samples
from support.trained import GSM8K, LORA, OURS, alpaca, identical, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

METRICS = ["scheduled_ratio", "realised_ratio", "loss_noised", "loss_clean", "maskable_share", "samples_seen"]


def logged(output: str) -> list[dict[str, float]]:
    """The metrics of each logging step, from the console."""
    lines = [line[line.index("{'loss'") :].split("}")[0] + "}" for line in output.splitlines() if "{'loss'" in line]
    return [{key: float(value) for key, value in json.loads(line.replace("'", '"')).items()} for line in lines]


@pytest.mark.slow
def test_ratio_zero_is_the_run_without_the_plugin_bit_for_bit(project: Project, gsm8k_rows: Rows) -> None:
    data = alpaca(project, gsm8k_rows)
    without = project.train("without", plugins=None, cotmask=None, datasets=data)
    zero = project.train("zero", cotmask={"mask_ratio": 0}, datasets=data)
    masked = project.train("masked", cotmask={"mask_ratio": 0.4, "noise": "random"}, datasets=data)
    assert identical(weights(without), weights(zero))
    assert not identical(weights(without), weights(masked))


def test_gradient_checkpointing_does_not_draw_again(project: Project) -> None:
    plain = project.train("plain")
    checkpointed = project.train("checkpointed", gradient_checkpointing=True)
    assert identical(weights(plain), weights(checkpointed))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("other", ["Replacing", "Wrapping"])
def test_a_collator_that_another_plugin_sets_takes_the_marks_along(project: Project, other: str, first: bool) -> None:
    plugins = [OURS, f"support.other_collators.{other}"]
    # Collators are kept out of worker processes, which could not be given these.
    changes = {"cotmask": {"mask_ratio": 0.4, "noise": "random", "schedule": "constant"}, "dataloader_num_workers": 0}
    alone = project.train("alone", plugins=[OURS, RECORDER], **changes)
    both = project.train("both", plugins=[*(plugins[::-1] if first else plugins), RECORDER], **changes)
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    seen = masks(both, bos)
    assert seen == masks(alone, bos)
    assert sum(a != b for (_, clean), given in seen.items() for a, b in zip(clean, given, strict=True)) > 500


def test_a_collator_that_moves_the_rows_stops_the_run(project: Project) -> None:
    config = project.config(plugins=[OURS, "support.other_collators.Reversing"], dataloader_num_workers=0)
    assert project.axolotl("train", config).sentence().startswith("a training batch came without mask_weight")


@pytest.mark.parametrize("packing", [False, True], ids=["unpacked", "packed"])
@pytest.mark.slow
def test_only_target_inputs_change(project: Project, packing: bool) -> None:
    noise = {"mask_ratio": 1.0, "noise": "random", "warmup_ratio": 0}
    changes = {"sample_packing": packing, "num_epochs": 1, "plugins": [OURS, RECORDER]}
    clean = forwards(project.train("clean", **changes, cotmask={"mask_ratio": 0}))
    noised = forwards(project.train("noised", **changes, cotmask=noise))
    assert len(clean) == len(noised) > 0
    base = AutoTokenizer.from_pretrained(project.model).backend_tokenizer.get_vocab(with_added_tokens=False).values()
    for before, after in zip(clean, noised, strict=True):
        assert after["labels"] == before["labels"]
        assert {k: v for k, v in after.items() if k != "input_ids"} == {
            k: v for k, v in before.items() if k != "input_ids"
        }
        for row_before, row_after, labels in zip(
            before["input_ids"], after["input_ids"], before["labels"], strict=True
        ):
            for old, new, label in zip(row_before, row_after, labels, strict=True):
                assert new == old if label == -100 else new in base
            targets = [i for i, label in enumerate(labels) if label != -100]
            changed = sum(row_before[i] != row_after[i] for i in targets)
            assert changed > 0.9 * len(targets), "a random token is seldom the old one"


def test_evaluation_is_never_masked(project: Project) -> None:
    output_dir = project.train(
        "evaluated",
        cotmask={"mask_ratio": 0.5, "noise": "random", "warmup_ratio": 0},
        plugins=[OURS, RECORDER],
        val_set_size=8,
        evals_per_epoch=2,
    )
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    seen = samples(output_dir, bos)
    evaluated, trained = [s for s in seen if not s.training], [s for s in seen if s.training]
    assert len(evaluated) >= 16
    assert len(trained) == 40
    assert all(s.input_ids == s.clean for s in evaluated)
    assert all(s.input_ids != s.clean for s in trained)


def test_metrics_are_logged_and_true(project: Project) -> None:
    config = project.config(
        "logged", cotmask={"mask_ratio": 0.4, "noise": "random"}, plugins=[OURS, RECORDER], num_epochs=2,
        gradient_accumulation_steps=2, micro_batch_size=2, logging_steps=3, save_strategy="epoch",
    )  # fmt: skip
    rows = logged(project.axolotl("train", config).check().output)
    assert len(rows) == 8
    output_dir = project.directory / "logged"
    steps = {forward["step"] for forward in forwards(output_dir)}
    assert steps == set(range(24))
    for index, row in enumerate(rows):
        assert set(row) >= {f"cotmask/{metric}" for metric in METRICS}
        last = 3 * index + 2
        assert row["cotmask/scheduled_ratio"] == pytest.approx(min(0.4, 0.4 * last / (2 / 3 * 24 + 1)), abs=2e-4)
        assert row["cotmask/samples_seen"] == 4 * (last + 1)
        window = [f for f in forwards(output_dir) if f["step"] // 3 == index]
        tokens = [
            (token != label, label != -100)
            for forward in window
            for ids, labels in zip(forward["input_ids"], forward["labels"], strict=True)
            for token, label in zip(ids, labels, strict=True)
        ]
        maskable = sum(target for _, target in tokens)
        changed = sum(new and target for new, target in tokens)
        assert row["cotmask/maskable_share"] == pytest.approx(maskable / len(tokens), abs=1e-4)
        # A random token equals the old one now and then: the realised ratio is a little above the changed share.
        assert -1e-4 < row["cotmask/realised_ratio"] - changed / maskable < 0.02
        share = row["cotmask/realised_ratio"]
        mixed = share * row["cotmask/loss_noised"] + (1 - share) * row["cotmask/loss_clean"]
        assert mixed == pytest.approx(row["loss"], rel=0.02), "the two losses are parts of the loss"
    checkpoint = max(output_dir.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    history = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    assert history[-1]["cotmask/realised_ratio"] == pytest.approx(rows[-1]["cotmask/realised_ratio"], abs=1e-3)


@pytest.mark.slow
def test_data_sets_with_ratios_of_their_own(project: Project, gsm8k_rows: Rows) -> None:
    # Different questions, so that a sample tells which data set it came from.
    other = [{**row, "question": "Please: " + row["question"]} for row in gsm8k_rows]
    fields = [{"instruction": row["question"], "output": row["answer"]} for row in gsm8k_rows]
    third = [{**row, "instruction": "Now: " + row["instruction"]} for row in fields]
    write_jsonl(project.directory / "other.jsonl", other)
    write_jsonl(project.directory / "third.jsonl", third)
    write_jsonl(project.directory / "fourth.jsonl", [{"text": "Then: " + row["question"]} for row in gsm8k_rows])
    output_dir = project.train(
        "mixed",
        cotmask={"mask_ratio": 0.4, "noise": "mask", "warmup_ratio": 0},
        plugins=[OURS, RECORDER],
        num_epochs=4,
        datasets=[
            {"path": str(project.directory / "train.jsonl"), "type": GSM8K},
            {"path": str(project.directory / "other.jsonl"), "type": GSM8K, "mask_ratio": 0.1},
            {"path": str(project.directory / "third.jsonl"), "type": "axolotl_cotmask.prompt_strategies.instruction_output",
             "mask_ratio": 0.8},
            {"path": str(project.directory / "fourth.jsonl"), "type": "completion", "mask_ratio": 0.2},
        ],
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    counts = {0.4: [0, 0], 0.1: [0, 0], 0.8: [0, 0], 0.2: [0, 0]}
    for forward in forwards(output_dir):
        for ids, labels in zip(forward["input_ids"], forward["labels"], strict=True):
            clean = [label if label != -100 else token for token, label in zip(ids, labels, strict=True)]
            text = tokenizer.decode(clean)
            ratio = 0.8 if "Now: " in text else 0.1 if "Please: " in text else 0.2 if "Then: " in text else 0.4
            counts[ratio][0] += sum(token != label for token, label in zip(ids, labels, strict=True) if label != -100)
            counts[ratio][1] += sum(label != -100 for label in labels)
    for ratio, (noised, maskable) in counts.items():
        assert maskable > 2000
        assert abs(noised / maskable - ratio) < 5 * math.sqrt(ratio * (1 - ratio) / maskable), ratio


def test_protected_tokens_are_never_masked(project: Project) -> None:
    data = [{"path": str(project.directory / "train.jsonl"), "type": GSM8K, "protect": ["final_answer", "eos"]}]
    output_dir = project.train(
        "protected",
        cotmask={"mask_ratio": 1.0, "noise": "mask", "warmup_ratio": 0},
        plugins=[OURS, RECORDER],
        datasets=data,
    )
    tokenizer = AutoTokenizer.from_pretrained(output_dir)
    mask = tokenizer.convert_tokens_to_ids("<mask>")
    for seen in samples(output_dir, tokenizer.bos_token_id):
        target = [token for token, label in zip(seen.input_ids, seen.labels, strict=True) if label != -100]
        kept = target[target.index(next(token for token in target if token != mask)) :]
        assert mask not in kept
        text = tokenizer.decode(kept)
        assert text.lstrip().startswith("#### "), text
        assert text.endswith("</s>")


@pytest.mark.slow
def test_preprocess_beforehand_gives_the_same_run(project: Project) -> None:
    direct = project.train("direct")
    config = project.config("prepared")
    project.axolotl("preprocess", config).check()
    run = project.axolotl("train", config).check()
    assert "Loading prepared dataset from disk" in run.output
    assert identical(weights(direct), weights(project.directory / "prepared"))


@pytest.mark.slow
def test_prepared_data_is_made_again_when_file_or_weights_change_but_not_for_the_schedule(
    project: Project, gsm8k_rows: Rows
) -> None:
    prepared = {"dataset_prepared_path": str(project.directory / "prepared")}
    file = project.directory / "train.jsonl"

    def loads_from_disk(**changes: Any) -> bool:
        output = project.axolotl("train", project.config("cached", **prepared, **changes)).check().output
        return "Loading prepared dataset from disk" in output

    def own_ratio(ratio: float) -> dict[str, Any]:
        return {"datasets": [{"path": str(file), "type": GSM8K, "mask_ratio": ratio}]}

    assert not loads_from_disk()
    assert loads_from_disk(cotmask={"mask_ratio": 0.2, "noise": "random", "warmup_ratio": 0.1})
    assert not loads_from_disk(**own_ratio(0.2))
    assert loads_from_disk(**own_ratio(0.2))
    write_jsonl(file, gsm8k_rows[:-1])
    assert not loads_from_disk()


@pytest.mark.parametrize("padded", [False, True], ids=["resized", "padded vocabulary"])
def test_a_new_mask_token_starts_at_the_mean(project: Project, tmp_path: Path, padded: bool) -> None:
    base = tmp_path / "base"
    model = AutoModelForCausalLM.from_pretrained(project.model)
    old_rows = model.get_input_embeddings().num_embeddings
    if padded:
        model.resize_token_embeddings(old_rows + 30)
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(project.model).save_pretrained(base)
    before = load_file(base / "model.safetensors")
    output_dir = project.train(
        "mean", base_model=str(base), cotmask={"mask_ratio": 0.4, "noise": "mask"}, learning_rate=0.0, max_steps=1
    )
    after = load_file(output_dir / "model.safetensors")
    token = AutoTokenizer.from_pretrained(output_dir).convert_tokens_to_ids("<mask>")
    assert token == old_rows
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert after[name].shape[0] == old_rows + (30 if padded else 1)
        torch.testing.assert_close(after[name][token], before[name][:old_rows].mean(0), atol=1e-6, rtol=1e-5)
        assert torch.equal(after[name][:old_rows], before[name][:old_rows])


def test_a_trained_mask_token_is_not_started_again(project: Project) -> None:
    first = project.train("first", cotmask={"mask_ratio": 0.4, "noise": "mask", "warmup_ratio": 0}, learning_rate=0.05)
    token = AutoTokenizer.from_pretrained(first).convert_tokens_to_ids("<mask>")
    second = project.train(
        "second", base_model=str(first), cotmask={"mask_ratio": 0.4, "noise": "mask"}, learning_rate=0.0, max_steps=1
    )
    name = "model.embed_tokens.weight"
    assert torch.equal(weights(first)[name][token], weights(second)[name][token])


@pytest.mark.parametrize("padded", [False, True], ids=["resized", "padded vocabulary"])
@pytest.mark.slow
def test_strip_mask_token_leaves_the_base_vocabulary(project: Project, tmp_path: Path, padded: bool) -> None:
    base = tmp_path / "base"
    model = AutoModelForCausalLM.from_pretrained(project.model)
    if padded:
        model.resize_token_embeddings(model.get_input_embeddings().num_embeddings + 30)
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(project.model).save_pretrained(base)
    noise = {"mask_ratio": 0.4, "noise": "mask"}
    kept = project.train("kept", base_model=str(base), cotmask=noise)
    stripped = project.train("stripped", base_model=str(base), cotmask={**noise, "strip_mask_token": True})
    assert AutoTokenizer.from_pretrained(stripped).get_vocab() == AutoTokenizer.from_pretrained(base).get_vocab()
    assert "<mask>" in AutoTokenizer.from_pretrained(kept).get_vocab()
    model_kept, model_stripped = (AutoModelForCausalLM.from_pretrained(path) for path in (kept, stripped))
    rows = model.get_input_embeddings().num_embeddings
    assert model_stripped.config.vocab_size == rows == model_stripped.get_input_embeddings().num_embeddings
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(model_stripped(ids).logits, model_kept(ids).logits[..., :rows])
    assert not list(stripped.glob(".*tmp"))


@pytest.mark.parametrize(
    ("cotmask", "changes"),
    [
        pytest.param({"noise": "random"}, {}, id="random"),
        pytest.param({"noise": "mask", "mask_token": "<unk>"}, {}, id="existing token"),
        pytest.param({"noise": "mask"}, {"lora_modules_to_save": ["embed_tokens", "lm_head"]}, id="modules_to_save"),
        pytest.param(
            {"noise": "mask", "strip_mask_token": True},
            {"lora_modules_to_save": ["embed_tokens", "lm_head"]},
            id="stripped",
        ),
    ],
)
@pytest.mark.parametrize("packing", [False, True], ids=["unpacked", "packed"])
def test_lora(project: Project, cotmask: dict[str, Any], changes: dict[str, Any], packing: bool) -> None:
    config = project.config(
        "lora", cotmask={"mask_ratio": 0.4, "warmup_ratio": 0, **cotmask}, sample_packing=packing, **LORA, **changes
    )
    rows = logged(project.axolotl("train", config).check().output)
    assert all(abs(row["cotmask/realised_ratio"] - 0.4) < 0.15 for row in rows)
    adapter = weights(project.directory / "lora")
    assert any("lora_B" in name and bool(tensor.any()) for name, tensor in adapter.items()), "it has learnt something"
    base_rows = AutoModelForCausalLM.from_pretrained(project.model).get_input_embeddings().num_embeddings
    embeddings = [
        tensor for name, tensor in adapter.items() if name.endswith(("embed_tokens.weight", "lm_head.weight"))
    ]
    assert len(embeddings) == (2 if changes else 0)
    assert all(len(rows) == base_rows + (0 if cotmask.get("strip_mask_token") else 1) for rows in embeddings)
    has_mask = "<mask>" in AutoTokenizer.from_pretrained(project.directory / "lora").get_vocab()
    assert has_mask == (bool(changes) and not cotmask.get("strip_mask_token"))
