"""`axolotl cotmask preview`: what is shown is what a run masks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Rows, write_jsonl
from support.recorded import RECORDER, forwards, samples
from transformers import AutoTokenizer

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"


def preview(project: Project, config: Path, *options: str) -> dict[str, Any]:
    output = project.axolotl("cotmask", "preview", config, "--json", *options).check().output
    return json.loads(next(line for line in output.splitlines() if line.startswith('{"epoch"')))


def test_shows_what_training_masks(project: Project) -> None:
    constant = {"mask_ratio": 0.4, "noise": "random", "warmup_ratio": 0}
    # Batches of nine do not divide the 48 rows: an epoch has 6 steps.
    changes = {"cotmask": constant, "num_epochs": 2, "micro_batch_size": 9}
    config = project.config("shown", **changes, plugins=["axolotl_cotmask.CoTMaskPlugin", RECORDER])
    shown = preview(project, config, "--rows", "48", "--epoch", "1")
    assert not (project.directory / "shown").joinpath("model.safetensors").exists()
    project.axolotl("train", config).check()
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    seen = {
        "".join(view(tokenizer, seen.input_ids)): sum(a != b for a, b in zip(seen.input_ids, seen.clean, strict=True))
        for seen in samples(project.directory / "shown", tokenizer.bos_token_id)
        if seen.epoch == 1
    }
    [dataset] = shown["datasets"]
    texts = {"".join(t["becomes"] or t["text"] for t in row["tokens"]) for row in dataset["rows"]}
    assert texts == seen.keys()
    assert dataset["noised"] >= sum(seen.values()) > 0.35 * dataset["maskable"]
    assert dataset["realised_ratio"] == dataset["noised"] / dataset["maskable"]
    assert (shown["epoch"], shown["scheduled_ratio"], shown["max_steps"]) == (1, 0.4, 12)
    assert max(forward["step"] for forward in forwards(project.directory / "shown")) == 11


LONG, ALL = {"sequence_len": 125}, {"mask_ratio": 0.4, "noise": "random", "schedule": "constant"}
#: Changes of the config, and of the only entry, that decide which rows are trained on, how long they are, and in which order.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "truncated": ({**LONG, "excess_length_strategy": "truncate"}, {}),
    "long rows dropped": ({**LONG, "excess_length_strategy": "drop"}, {}),
    "short rows dropped": ({"min_sample_len": 125}, {}),
    "a shard": ({}, {"shards": 3, "shards_idx": 1}),
    "in shards": ({"val_set_size": 5}, {"preprocess_shards": 3}),
    "a shard of the whole": ({"dataset_shard_num": 4, "dataset_shard_idx": 2}, {}),
    "a part": ({}, {"split": "train[5:20]"}),
    "held out": ({"val_set_size": 0.25}, {}),
    "held out, in order": ({"val_set_size": 0.25, "shuffle_merged_datasets": False}, {}),
    "deduplicated": ({"dataset_exact_deduplication": True, "val_set_size": 7}, {}),
    "packed": ({"sample_packing": True, "val_set_size": 0.25, "eval_sample_packing": False}, {}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_the_rows_are_those_of_the_training(project: Project, gsm8k_rows: Rows, name: str) -> None:
    changes, of_entry = ROWS[name]
    # Some rows come twice.
    path = write_jsonl(project.directory / "rows.jsonl", [*gsm8k_rows, *gsm8k_rows[:9]])
    datasets = [{"path": str(path), "type": GSM8K, **of_entry}]
    seen = assert_same_rows(project, cotmask=ALL, datasets=datasets, **changes)
    assert 0 < len(seen) < 57 or name == "truncated"
    assert max(map(len, seen)) <= changes.get("sequence_len", 256)


def assert_same_rows(project: Project, **changes: Any) -> list[tuple[int, ...]]:
    """Check that preview and training give the model the same rows; return them."""
    config = project.config("same", plugins=["axolotl_cotmask.CoTMaskPlugin", RECORDER], **changes)
    shown = preview(project, config, "--rows", "100")
    assert not (project.directory / "same-prepared").exists(), "the preview leaves nothing behind"
    project.axolotl("train", config).check()
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    seen = [sample for sample in samples(project.directory / "same", bos) if sample.training]
    rows = [row["tokens"] for dataset in shown["datasets"] for row in dataset["rows"]]
    given = [
        tuple(token["id"] if token["becomes_id"] is None else token["becomes_id"] for token in row) for row in rows
    ]
    assert sorted(given) == sorted(sample.input_ids for sample in seen)
    assert sorted(tuple(token["id"] for token in row) for row in rows) == sorted(sample.clean for sample in seen)
    noised = [sum(token["kind"] == "masked" for token in row) for row in rows]
    assert (
        sum(noised)
        == sum(dataset["noised"] for dataset in shown["datasets"])
        > 0.3 * sum(dataset["maskable"] for dataset in shown["datasets"])
    )
    return given


@pytest.mark.slow
@pytest.mark.parametrize(
    "merging", ["shuffle_merged_datasets", "shuffle_before_merging_datasets", "curriculum_sampling"]
)
def test_the_rows_of_several_data_sets(project: Project, gsm8k_rows: Rows, merging: str) -> None:
    alpaca = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in gsm8k_rows[:20]]
    datasets = [
        {"path": "train.jsonl", "type": GSM8K, "shards": 2},
        {"path": str(write_jsonl(project.directory / "alpaca.jsonl", alpaca)), "type": "alpaca", "noise": "mask"},
        {"path": "train.jsonl", "type": GSM8K, "mask_ratio": 0.3, "split": "train[:8]"},
    ]
    on = merging != "curriculum_sampling"
    changes = {"shuffle_merged_datasets": False, merging: True, "dataset_exact_deduplication": on, "val_set_size": 9}
    assert_same_rows(project, cotmask=ALL, datasets=datasets, **changes)


def test_equal_rows_of_several_data_sets_come_once_whatever_their_masking(project: Project) -> None:
    datasets = [{"path": "train.jsonl", "type": GSM8K, **own} for own in ({}, {"mask_ratio": 0.1, "noise": "mask"})]
    config = project.config(cotmask=ALL, datasets=datasets, dataset_exact_deduplication=True)
    first, second = preview(project, config, "--rows", "100")["datasets"]
    texts = {"".join(token["text"] for token in row["tokens"]) for row in first["rows"] + second["rows"]}
    assert len(texts) == len(first["rows"]) + len(second["rows"]) == 48


@pytest.mark.parametrize("type_", [GSM8K, "alpaca"])
def test_a_row_that_is_too_long_stops_both(project: Project, gsm8k_rows: Rows, type_: str) -> None:
    rows = [{**row, "instruction": row["question"], "input": "", "output": row["answer"]} for row in gsm8k_rows]
    datasets = [{"path": str(write_jsonl(project.directory / "both.jsonl", rows)), "type": type_}]
    config = project.config("long", **LONG, excess_length_strategy="raise", datasets=datasets)
    sentence = project.axolotl("cotmask", "preview", config).sentence()
    assert re.search(r"\d+ tokens, .*125.*: raise sequence_len, or say what", sentence)
    assert project.axolotl("train", config).sentence() == sentence


def view(tokenizer: Any, ids: tuple[int, ...]) -> list[str]:
    from axolotl_cotmask.training.preview import token_text

    return [token_text(tokenizer, token) for token in ids]


def test_kinds_of_tokens_steps_and_data_sets(project: Project) -> None:
    path = str(project.directory / "train.jsonl")
    datasets = [
        {"path": path, "type": GSM8K, "protect": ["final_answer"]},
        {"path": path, "type": GSM8K, "mask_ratio": 0.1, "noise": {"dropout": {"q": 0.5}}},
    ]
    config = project.config("kinds", cotmask={"mask_ratio": 0.4, "noise": "mask"}, datasets=datasets)
    shown = preview(project, config, "--rows", "3", "--step", "8")
    ratio = 0.4 * 8 / (2 / 3 * 24 + 1)
    assert shown["max_steps"] == 24
    assert [round(d["scheduled_ratio"], 6) for d in shown["datasets"]] == [round(ratio, 6), round(ratio / 4, 6)]
    for row in shown["datasets"][0]["rows"]:
        kinds = [token["kind"] for token in row["tokens"]]
        assert kinds.count("protected") >= 2
        prompt = "".join(token["text"] for token in row["tokens"] if token["kind"] == "prompt")
        assert prompt.startswith("<s>Below is an instruction")
        assert prompt.endswith("### Response:")
        assert all((token["becomes"] == "<mask>") == (token["kind"] == "masked") for token in row["tokens"])
    others = [token for row in shown["datasets"][1]["rows"] for token in row["tokens"]]
    assert not any(token["kind"] == "protected" for token in others)
    assert all(token["becomes"] is None for token in others), "noise with options, of this data set alone"


def test_works_without_weights(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(project.model, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    # Which asks for colours that Axolotl then takes out of a pipe.
    look = project.axolotl("cotmask", "preview", project.config("bare", base_model=str(bare)), FORCE_COLOR="1")
    output = look.check().output
    assert "row 2 of " in output
    assert "0.400" in output
    assert "masked tokens: [[ ]]" in output
    assert len(re.findall(r"\[\[[^\[\]]+\]\]", output)) > 10, "without colours they are seen, too"


@pytest.mark.parametrize("command", ["preview", "check"])
def test_a_look_leaves_the_output_directory_as_it_is(project: Project, command: str) -> None:
    config = project.config()
    before = sorted(project.directory.iterdir())
    project.axolotl("cotmask", command, config).check()
    assert sorted(project.directory.iterdir()) == before
    log = project.directory / "config" / "debug.log"
    log.parent.mkdir()
    log.write_text("of a training")
    project.axolotl("cotmask", command, config).check()
    assert [(path, path.read_text()) for path in log.parent.iterdir()] == [(log, "of a training")]


def test_a_wrong_config_is_one_sentence(project: Project) -> None:
    config = project.config("wrong", cotmask={"mask_ratio": 2})
    assert project.axolotl("cotmask", "preview", config).sentence().startswith("cotmask.mask_ratio is 2")
    without = project.config("without", plugins=None, datasets=[{"path": "x", "type": "alpaca"}])
    assert "does not name the plugin" in project.axolotl("cotmask", "preview", without).sentence()


@pytest.mark.slow
def test_the_command_for_scripts_prints_nothing_but_the_result(project: Project) -> None:
    def result(*options: str) -> str:
        command = [str(Path(sys.executable).parent / "axolotl-cotmask"), "preview", str(project.config()), *options]
        colour = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=600, cwd=project.directory, check=True, env=colour
        ).stdout

    assert json.loads(result("--json"))["datasets"][0]["rows"]
    assert "\x1b[1;37;41m" in result(), "masked tokens are white on red"


def test_scope_selector_and_noise_without_tokens(project: Project) -> None:
    block = {
        "mask_ratio": 1.0,
        "schedule": "constant",
        "scope": "all",
        "select": "numbers",
        "noise": {"dropout": {"q": 0.9}},
    }
    [dataset] = preview(project, project.config("numbers", cotmask=block), "--rows", "8")["datasets"]
    tokens = [token for row in dataset["rows"] for token in row["tokens"]]
    masked = [token for token in tokens if token["kind"] == "masked"]
    assert len(masked) == dataset["noised"] == dataset["maskable"] > 50
    assert all(any(c.isdigit() for c in token["text"]) and token["becomes"] is None for token in masked)
    digits = [token for token in tokens if any(c.isdigit() for c in token["text"])]
    assert len(digits) == len(masked)
