"""Every command of `axolotl` works with a config that names the plugin, or says in a sentence why it does not."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.cli.main import cli
from safetensors.torch import load_file
from support.project import Project, Rows, write_jsonl
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

#: They take no config, or (lm-eval) read it without its plugins, and hand a task's name to `lm_eval`.
WITHOUT_PLUGINS = {
    "agent-docs",
    "config-schema",
    "delinearize-llama4",
    "fetch",
    "generate-cli-config-options",
    "lm-eval",
}
#: They are tested here or in the files of the room.
TESTED = {
    "train", "preprocess", "evaluate", "inference", "merge-lora", "merge-sharded-fsdp-weights", "quantize", "vllm-serve",
    "cotmask",
}  # fmt: skip
MASK = {"mask_ratio": 0.4, "noise": "mask"}
LORA = {
    "adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True, "lora_mlp_kernel": False,
    "lora_qkv_kernel": False, "lora_o_kernel": False, "lora_embedding_kernel": False,
}  # fmt: skip


def test_there_are_no_other_commands() -> None:
    context = cli.make_context("axolotl", ["train"], resilient_parsing=True)
    assert set(cli.list_commands(context)) == WITHOUT_PLUGINS | TESTED


def losses(output_dir: Path) -> dict[str, str]:
    """What `axolotl evaluate` measured, without times."""
    with (output_dir / "eval_summary.csv").open(encoding="utf-8") as file:
        return {
            row["metric"]: row["training"] + row["validation"]
            for row in csv.DictReader(file)
            if row["metric"] == "loss"
        }


@pytest.mark.parametrize(
    "changes",
    [{}, {"cotmask": {"mask_ratio": 0}}, {"sample_packing": True, "eval_sample_packing": True}, {"cotmask": {"mask_ratio": 0.4, "noise": "random", "select": "numbers"}}],
    ids=["rows", "plain", "packed", "units"],
)  # fmt: skip
def test_evaluate_measures_what_it_does_without_the_plugin(
    project: Project, gsm8k_rows: Rows, changes: dict[str, Any]
) -> None:
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in gsm8k_rows]
    alpaca = [{"path": str(write_jsonl(project.directory / "alpaca.jsonl", rows)), "type": "alpaca"}]
    changes = {"datasets": alpaca, "val_set_size": 12, **changes}
    project.axolotl("evaluate", project.config("with", **changes)).check()
    project.axolotl("evaluate", project.config("without", **{**changes, "plugins": None, "cotmask": None})).check()
    assert losses(project.directory / "with") == losses(project.directory / "without") != {}


def test_evaluate_needs_its_data(project: Project) -> None:
    gone = [{"path": "./gone.jsonl", "type": "axolotl_cotmask.prompt_strategies.gsm8k"}]
    sentence = project.axolotl("evaluate", project.config(datasets=gone)).sentence()
    assert sentence == "datasets[0].path is ./gone.jsonl, and there is no such file or directory: mend the path"


def test_inference_answers(project: Project) -> None:
    trained = project.train("trained", max_steps=1)
    (project.directory / "train.jsonl").unlink()
    config = project.config("asked", base_model=str(trained), cotmask=MASK)
    output = project.axolotl("inference", config, typed="How many apples?\n").check().output
    assert "<s> How many apples?" in output or "<s>How many apples?" in output


def test_merge_lora_both_ways(project: Project) -> None:
    project.train("lora", **LORA, max_steps=2)
    merged = {}
    for method in ("memory_efficient", "legacy"):
        project.axolotl("merge-lora", project.config("lora", **LORA, merge_method=method)).check()
        merged[method] = load_file(project.directory / "lora" / "merged" / "model.safetensors")
    assert merged["legacy"].keys() == merged["memory_efficient"].keys()
    for name, tensor in merged["legacy"].items():
        torch.testing.assert_close(tensor, merged["memory_efficient"][name])


@pytest.mark.parametrize("stripped", [False, True])
def test_quantize_keeps_tokenizer_and_model_together(project: Project, stripped: bool) -> None:
    block = {"cotmask": {**MASK, "strip_mask_token": stripped}}
    trained = project.train("full", **block, max_steps=1)
    quantization = {"weight_dtype": "int4", "activation_dtype": "int8", "group_size": 32}
    project.axolotl("quantize", project.config("full", **block, quantization=quantization)).check()
    tokenizer = AutoTokenizer.from_pretrained(trained / "quantized")
    assert (
        len(tokenizer)
        == AutoConfig.from_pretrained(trained / "quantized").vocab_size
        == len(AutoTokenizer.from_pretrained(project.model)) + (not stripped)
    )
    assert ("<mask>" in tokenizer.get_vocab()) is not stripped


def test_merge_sharded_fsdp_weights(project: Project) -> None:
    import torch.distributed.checkpoint as checkpoint

    state = AutoModelForCausalLM.from_pretrained(project.model).state_dict()
    checkpoint.save({"model": state}, checkpoint_id=project.directory / "sharded" / "pytorch_model_fsdp_0")
    project.axolotl("merge-sharded-fsdp-weights", project.config("sharded")).check()
    [merged] = (project.directory / "sharded" / "merged").glob("*.safetensors")
    for name, tensor in load_file(merged).items():
        assert torch.equal(tensor, state[name].to(torch.bfloat16))


def test_vllm_serve_is_for_another_training(project: Project) -> None:
    sentence = project.axolotl("vllm-serve", project.config()).sentence()
    assert sentence.startswith(
        "axolotl vllm-serve serves a model to reinforcement training, which masking does not go with"
    )


@pytest.mark.parametrize(
    "option",
    ["--cotmask.mask_ratio", "--cotmask-mask-ratio", "--cotmask__mask_ratio", "--mask_ratio", "--CoTMask.mask-ratio"],
)
@pytest.mark.parametrize("command", ["train", "evaluate", "inference"])
def test_an_option_of_ours_on_the_command_line(project: Project, command: str, option: str) -> None:
    for arguments in ([option, "0.2"], [f"{option}=0.2"]):
        sentence = project.axolotl(command, project.config(), *arguments).sentence()
        assert sentence.startswith(
            f"{option} on the command line does not reach the `cotmask:` block: set it in the config"
        )


def test_the_whole_block_on_the_command_line(project: Project) -> None:
    sentence = project.axolotl("train", project.config(), "--cotmask", '{"mask_ratio": 0.2}').sentence()
    assert sentence.startswith("--cotmask on the command line does not reach the `cotmask:` block")
    # Axolotl's own options do.
    run = project.axolotl("train", project.config(), "--max-steps", "1", "--learning-rate", "0.01").check()
    assert "1/1" in run.output


def test_commands_that_know_their_options_name_a_wrong_one(project: Project) -> None:
    run = project.axolotl("preprocess", project.config(), "--cotmask.mask_ratio", "0.2")
    assert (run.status, "No such option '--cotmask.mask_ratio'" in run.output) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["accelerate", "torchrun"])
def test_a_launcher_names_an_option_that_it_does_not_know(project: Project, launcher: str) -> None:
    command = [str(Path(sys.executable).parent / "axolotl"), "train", str(project.config()), "--launcher", launcher]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = subprocess.run(
        [*command, "--cotmask.mask_ratio", "0.2"], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert run.returncode != 0
    assert "--cotmask.mask_ratio" in run.stderr
