"""The recipes of Self-Refine, DPO-ST and LLM2LLM: settings, Axolotl's validation, and three steps of each on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support import recipe_files as recipes
from support.forked import Axolotl
from support.project import Rows, write_jsonl

from axolotl_cotmask.data.sources import SOURCES
from axolotl_cotmask.reproduction.chained_rows import CHAINED

BASES = ("llama2-7b", "mistral-7b")
STAGES = [name for name in recipes.names() if name.startswith(("self-refine/", "dpo-st/"))]
LLM2LLM = [f"llm2llm/llama2-7b-{method}" for method in ("sft", "mft")]
NAMES = [*STAGES, *LLM2LLM]


def test_every_stage_of_a_chain_has_its_recipe_and_every_recipe_its_chain() -> None:
    used = {recipe for row in CHAINED.values() for recipe in (row.recipe, row.source)}
    assert set(STAGES) <= used
    assert used <= set(recipes.names())
    assert {f"self-refine/{base}-{stage}" for base in BASES for stage in ("sft", "mft", "dpo")} <= set(STAGES)


@pytest.mark.parametrize("base", BASES)
def test_the_first_stages_differ_in_the_masking_only(base: str) -> None:
    sft, mft, dpo = (recipes.load(f"self-refine/{base}-{stage}") for stage in ("sft", "mft", "dpo"))
    assert {key for key in sft | mft if sft.get(key) != mft.get(key)} == {"cotmask", "output_dir"}
    assert (sft["cotmask"]["mask_ratio"], mft["cotmask"]["mask_ratio"]) == (0, 0.4)
    adapter = {key for key in sft if key.startswith("lora_")} | {"adapter", "load_in_4bit"}
    assert {key: sft[key] for key in adapter} == {key: dpo[key] for key in adapter}


def test_llm2llm_trains_from_the_base_on_seeds_and_rows_as_its_code_does() -> None:
    assert set(LLM2LLM) == {name for name in recipes.names() if name.startswith("llm2llm/")}
    sft, mft = map(recipes.load, LLM2LLM)
    assert {key for key in sft | mft if sft.get(key) != mft.get(key)} == {"cotmask", "output_dir"}
    assert (sft["cotmask"]["mask_ratio"], mft["cotmask"]["mask_ratio"]) == (0, 0.4)
    settings = ("num_epochs", "learning_rate", "lr_scheduler", "warmup_ratio", "weight_decay", "sequence_len")
    assert [sft[key] for key in settings] == [3, 2e-5, "cosine", 0.03, 0, 1024]
    assert (recipes.gpus(LLM2LLM[0]), sft["micro_batch_size"], sft["gradient_accumulation_steps"]) == (4, 1, 32)
    assert [entry["type"].rpartition(".")[2] for entry in sft["datasets"]] == ["gsm8k", "query_response"]
    assert sft["datasets"][0]["path"].endswith(f"/{SOURCES['gsm8k_train'].file}"), (
        "the task that looks for mistakes reads it"
    )


@pytest.mark.parametrize("name", [name for name in recipes.names() if "rl" in recipes.load(name)])
def test_a_preference_stage_has_no_plugin_and_reads_what_augment_pairs_writes(name: str) -> None:
    config = recipes.load(name)
    assert not {"plugins", "cotmask"} & config.keys()
    assert (config["rl"], config["rl_beta"]) == ("dpo", 0.1)
    fields = {f"field_{field}": field for field in ("prompt", "chosen", "rejected")}
    assert [entry["type"] for entry in config["datasets"]] == [fields]


@pytest.mark.parametrize("name", NAMES)
def test_the_batch_is_what_the_header_says(name: str) -> None:
    config = recipes.load(name)
    batch = recipes.gpus(name) * config["micro_batch_size"] * config["gradient_accumulation_steps"]
    assert batch == (64 if name.startswith("self-refine/") and "rl" not in config else 128)
    assert f"a batch of {batch}" in recipes.header(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_axolotl_validates_it(name: str, tiny_model: Path, axolotl: Axolotl) -> None:
    assert axolotl.apart(recipes.validate, name, tiny_model) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [group[0] for group in recipes.differ_in_numbers(NAMES)])
def test_axolotl_trains_it(name: str, tiny_model: Path, gsm8k_rows: Rows, tmp_path: Path, axolotl: Axolotl) -> None:
    rows = gsm8k_rows[:16]
    pairs = [{"prompt": row["question"], "chosen": f" {row['answer']}", "rejected": " #### 0"} for row in rows]
    demonstrations = [{"query": row["question"], "response": row["answer"]} for row in rows]
    data = {
        "dpo": write_jsonl(tmp_path / "pairs.jsonl", pairs),
        "gsm8k": write_jsonl(tmp_path / "seeds.jsonl", gsm8k_rows[16:32]),
        "query_response": write_jsonl(tmp_path / "demonstrations.jsonl", demonstrations),
    }
    path = recipes.on_cpu(name, tiny_model, data, tmp_path / "run")
    small = yaml.safe_load(path.read_text()) | {"micro_batch_size": 2, "gradient_accumulation_steps": 1}
    path.write_text(yaml.safe_dump(small))
    axolotl("train", path, cwd=path.parent).check()
    logged = recipes.logged(path.parent / "out")
    assert len(logged) == 3
    key = "rewards/margins" if "rl" in recipes.load(name) else "cotmask/scheduled_ratio"
    assert all(key in entry for entry in logged)
