"""Every config that would silently be something else ends in one sentence, through the real `axolotl` command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Rows, write_jsonl

OURS = "axolotl_cotmask.CoTMaskPlugin"
GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
LORA = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True}

TAIL = {"mask_ratio": 0.4, "noise": "random", "lr_tail": "linear"}
COSINE = {"cosine_min_lr_ratio": 0.05, "cosine_constant_lr_ratio": 0.6}


def dataset(**changes: Any) -> list[dict[str, Any]]:
    return [{"path": "train.jsonl", "type": GSM8K, **changes}]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "ratio above 1": ({"cotmask": {"mask_ratio": 1.4}}, r"cotmask\.mask_ratio is 1\.4: it is a ratio, give a number from 0 to 1"),
    "ratio below 0": ({"cotmask": {"mask_ratio": -0.1}}, r"cotmask\.mask_ratio is -0\.1: it is a ratio"),
    "ratio is text": ({"cotmask": {"mask_ratio": "much"}}, r"cotmask\.mask_ratio is much: it is a ratio"),
    "ratio missing": ({"cotmask": {"noise": "mask"}}, r"cotmask\.mask_ratio is missing: give the share"),
    "warm-up above 1": ({"cotmask": {"mask_ratio": 0.4, "warmup_ratio": 2}}, r"cotmask\.warmup_ratio is 2: it is a ratio"),
    "unknown noise": ({"cotmask": {"mask_ratio": 0.4, "noise": "gaussian"}}, r"cotmask\.noise is gaussian: the options are mask, random, "),
    "mixture of 1.2": (
        {"cotmask": {"mask_ratio": 0.4, "noise": {"mask": 0.8, "random": 0.4}}},
        r"cotmask\.noise is .*: the shares of mask and random are probabilities, and have to add up to 1",
    ),
    "unknown option": ({"cotmask": {"mask_ratio": 0.4, "warmup": 1}}, r"cotmask\.warmup is not an option: did you mean warmup_(ratio|steps)\?"),
    "nothing to strip": (
        {"cotmask": {"mask_ratio": 0.4, "noise": "random", "strip_mask_token": True}},
        r"cotmask: only noise with a new <mask> token leaves something to strip",
    ),
    "unknown tail": ({"cotmask": {"mask_ratio": 0.4, "lr_tail": "cosine"}}, r"cotmask\.lr_tail is cosine: the options are linear"),
    "tail of another curve": (
        {"cotmask": TAIL, **COSINE, "lr_scheduler": "linear"},
        r"cotmask\.lr_tail goes with lr_scheduler: cosine, and lr_scheduler is linear",
    ),
    "tail without a height": (
        {"cotmask": TAIL, **COSINE, "cosine_min_lr_ratio": None},
        r"cotmask\.lr_tail needs cosine_min_lr_ratio, which is not set: give a number between 0 and 1, such as 0\.05",
    ),
    "tail without a length": (
        {"cotmask": TAIL, **COSINE, "cosine_constant_lr_ratio": 1.0},
        r"cotmask\.lr_tail needs cosine_constant_lr_ratio, which is 1\.0: give a number between 0 and 1, such as 0\.6",
    ),
    "tail with restarts": (
        {"cotmask": TAIL, **COSINE, "jagged_restart_steps": 5},
        r"cotmask\.lr_tail does not go with jagged_restart_steps: take out one of the two",
    ),
    "no block": ({"cotmask": None}, r"names the plugin .* and has no `cotmask:` block"),
    "misspelt block": ({"cotmask": None, "cotmsk": {"mask_ratio": 0.4}}, r"cotmsk is not a key of the config: did you mean cotmask\?"),
    "block as a word": ({"masked_thought": {"mask_ratio": 0.4}}, r"masked_thought is not a key of the config: did you mean cotmask\?"),
    "option at top level": ({"mask_ratio": 0.2}, r"mask_ratio stands at the top level of the config: move it into the `cotmask:` block"),
    "plugin not registered": ({"plugins": None, "cotmask": {"mask_ratio": 0.4}}, r"needs the plugin, which is not registered, so nothing would be masked"),
    "rl": ({"rl": "dpo"}, r"rl is set, and preference or reinforcement training has no single target"),
    "reward model": ({"reward_model": True}, r"reward_model is set"),
    "streaming": ({"streaming": True, "max_steps": 5}, r"streaming is set, and streamed data sets are not supported"),
    "trainer class": ({"trainer_cls": "trl.SFTTrainer"}, r"trainer_cls is set, and it would be replaced"),
    "other trainer before ours": (
        {"plugins": ["axolotl.integrations.diffusion.DiffusionPlugin", OURS]},
        r"the plugin axolotl\.integrations\.diffusion\.DiffusionPlugin brings a trainer class of its own",
    ),
    "other trainer after ours": (
        {"plugins": [OURS, "axolotl.integrations.diffusion.DiffusionPlugin"]},
        r"the plugin axolotl\.integrations\.diffusion\.DiffusionPlugin brings a trainer class of its own",
    ),
    "mask token of two tokens": (
        {"cotmask": {"mask_ratio": 0.4, "noise": "mask", "mask_token": "<|blank|>"}},
        r"cotmask\.mask_token is <\|blank\|>, which is not one token of this tokenizer \(it splits into \d+\)",
    ),
    "LoRA with a new token": (
        {"cotmask": {"mask_ratio": 0.4, "noise": "mask"}, **LORA},
        r'set noise: random, or name an existing token \(mask_token: "<unk>"\), or add lora_modules_to_save: \[embed_tokens, lm_head\]',
    ),
    "strip a token that is not the last": (
        {"cotmask": {"mask_ratio": 0.4, "noise": "mask", "strip_mask_token": True}, "tokens": ["<mask>", "<other>"]},
        r"`tokens:` puts others behind <mask>: take it out of `tokens:`",
    ),
    "data set ratio above 1": ({"datasets": dataset(mask_ratio=3)}, r"datasets\[0\]\.mask_ratio is 3: it is a ratio"),
    "data set ratio without masking": (
        {"cotmask": {"mask_ratio": 0}, "datasets": dataset(mask_ratio=0.2)},
        r"datasets\[0\]\.mask_ratio is 0\.2, and cotmask\.mask_ratio is 0, which switches masking off",
    ),
    "misspelt data set key": ({"datasets": dataset(mask_ration=0.2)}, r"datasets\[0\]\.mask_ration is not an option: did you mean mask_ratio\?"),
    "protect something else": ({"datasets": dataset(protect=["numbers"])}, r"datasets\[0\]\.protect is \['numbers'\]: give a list of final_answer, eos"),
    "protect with another type": (
        {"datasets": [{"path": "train.jsonl", "type": "alpaca", "protect": ["eos"]}]},
        r"datasets\[0\]\.protect works with the types axolotl_cotmask\.prompt_strategies\.\*, and this type is alpaca",
    ),
    "no such data file": ({"datasets": dataset(path="./nowhere.jsonl")}, r"datasets\[0\]\.path is \./nowhere\.jsonl, and there is no such file"),
    "no such model": ({"base_model": "./nowhere"}, r"base_model is \./nowhere, and there is no such directory"),
    "everything protected": (
        {"datasets": dataset(mask_ratio=0), "num_epochs": 1},
        r"no token of the 48 training rows may be masked, so this would be plain SFT",
    ),
    "rows longer than sequence_len": ({"sequence_len": 40}, r"train\.jsonl, row 1: the example has \d+ tokens, and sequence_len is 40"),
    "prompt longer than sequence_len": (
        {"sequence_len": 20, "excess_length_strategy": "truncate"},
        r"train\.jsonl: no row is left, since every prompt alone fills the sequence_len of 20: raise sequence_len",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_config(project: Project, name: str) -> None:
    changes, expected = WRONG[name]
    sentence = project.axolotl("train", project.config("wrong", **changes)).sentence()
    assert re.search(expected, sentence), sentence
    assert not list(project.directory.glob("wrong/*.safetensors"))


LONG = "how many? " * 10_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"question": "a?", "answer": "1\\n#### 1"}\n{"question": "b?", "ans', r"line 2: not a complete JSON object", id="truncated line"),
        pytest.param('{"question": "a?", "answer": "1\\n#### 1"}\n{"question": "b?"}\n', r"row 2: the field 'answer' is missing", id="missing field"),
        pytest.param('{"question": "a?"}\n', r"the field 'answer' is missing \(there are: question\)", id="missing column"),
        pytest.param('{"question": "a?", "answer": " "}\n', r"row 1: the field 'answer' is empty", id="empty answer"),
        pytest.param('{"question": "a?", "answer": "it is 7"}\n', r"row 1: the field 'answer' has no final answer `#### number`", id="no final answer"),
        pytest.param('{"question": "a?", "answer": 7}\n', r"row 1: the field 'answer' is of type int, not text: make it a text in every row", id="number as answer"),
        pytest.param(json.dumps({"question": LONG, "answer": "#### 1"}) + "\n", r"row 1: the example has \d+ tokens, and sequence_len is 256", id="100,000 characters"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("processes", [1, 2])
def test_bad_rows(project: Project, text: str, expected: str, processes: int) -> None:
    (project.directory / "bad.jsonl").write_text(text)
    config = project.config("bad", datasets=dataset(path="./bad.jsonl"), dataset_num_proc=processes)
    sentence = project.axolotl("train", config).sentence()
    assert re.search(expected, sentence), sentence
    assert "bad.jsonl" in sentence
    assert not list((project.directory / "bad-prepared").glob("*/")), "no prepared data is left behind"


def test_data_directory_that_is_not_there(project: Project) -> None:
    config = project.config("hub", datasets=[{"path": "openai/gsm8k", "name": "main", "split": "train", "type": GSM8K}])
    sentence = project.axolotl("train", config, COTMASK_DATA_DIR="/nowhere").sentence()
    assert sentence.startswith("COTMASK_DATA_DIR is /nowhere, and there is no such directory")
    sentence = project.axolotl("train", config, COTMASK_DATA_DIR=str(project.directory)).sentence()
    assert "gsm8k_train.jsonl is not in it" in sentence


def test_preprocess_stops_with_the_same_sentences(project: Project) -> None:
    config = project.config("wrong", cotmask={"mask_ratio": 1.4})
    assert "cotmask.mask_ratio is 1.4" in project.axolotl("preprocess", config).sentence()


def test_data_prepared_without_the_plugin_is_not_used(project: Project, gsm8k_rows: Rows) -> None:
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in gsm8k_rows]
    alpaca = [{"path": str(write_jsonl(project.directory / "alpaca.jsonl", rows)), "type": "alpaca"}]
    prepared = {"dataset_prepared_path": str(project.directory / "prepared"), "datasets": alpaca}
    project.axolotl("preprocess", project.config("plain", plugins=None, cotmask=None, **prepared)).check()
    run = project.axolotl("train", project.config("masked", **prepared)).check()
    assert "Unable to find prepared dataset" in run.output
    assert "cotmask/realised_ratio" in run.output


@pytest.mark.slow
def test_the_sentence_comes_through_the_default_launcher(project: Project) -> None:
    config = project.config("wrong", cotmask={"mask_ratio": 1.4})
    command = [str(Path(sys.executable).parent / "axolotl"), "train", str(config), "--", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project.directory)
    assert done.returncode != 0
    assert (
        f"axolotl-cotmask: cotmask.mask_ratio is 1.4: it is a ratio, give a number from 0 to 1 ({config}, line 5)\n"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
