"""The recipes hold the paper's hyper-parameters, pass Axolotl's validation, prepare their data and train."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import recipe_files as recipes
from support.forked import Axolotl
from support.hermetic import user_data
from support.project import Rows, write_jsonl

import axolotl_cotmask
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.masking.config import MASK_WARMUP, TAIL_START_LR, TAIL_START_STEP
from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.paper.facts import BENCHMARKS, RUNS, find_run
from axolotl_cotmask.reproduction.recipes import plan_names

PAPER = {run.name: run for run in RUNS}
#: What is trained on what models wrote has tests of its own (test_chained_recipes.py).
ALL = [name for name in recipes.names() if not name.startswith(("laptop/", "self-refine/", "dpo-st/", "llm2llm/"))]
#: Bases newer than the paper's, with a chat template, by folder.
TODAY = ("qwen3-1.7b", "llama-3.2-1b")
#: What a recipe may change of the one that its name begins with.
VARIANTS = {
    "lora": {"adapter", "learning_rate", "lora_r", "lora_alpha", "lora_dropout", "lora_target_linear"} | (one_gpu := {"micro_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "fsdp_version", "fsdp_config"}),
    "packed": {"sample_packing", "sequence_len", "micro_batch_size"},
    "2nodes": {"micro_batch_size", "gradient_accumulation_steps"},
    "zero3": (zero3 := {"deepspeed", "gradient_checkpointing", "fsdp_version", "fsdp_config"}),
    "zero3-2nodes": zero3 | {"micro_batch_size", "gradient_accumulation_steps"},
    "ray": zero3 | {"use_ray", "ray_run_name", "ray_num_workers", "resources_per_worker"},
}  # fmt: skip
VARIANTS["cpu"] = {"base_model", "special_tokens", "cotmask", "datasets", "num_epochs", "warmup_ratio", "micro_batch_size", "optimizer", "bf16", "fp16", "tf32", "pad_to_sequence_len", "group_by_length", "dataloader_num_workers", "dataset_num_proc", "logging_steps"}  # fmt: skip
VARIANTS["qlora"] = VARIANTS["lora"] | {"load_in_4bit"}


def changed(first: str, second: str) -> set[str]:
    """The keys in which two recipes differ, the output directory left out."""
    a, b = recipes.load(first), recipes.load(second)
    return {key for key in a | b if a.get(key) != b.get(key)} - {"output_dir"}


def split(name: str) -> tuple[str, str | None]:
    """Divide a recipe's name into that of the recipe that it varies and the variant."""
    for variant in sorted(VARIANTS, key=len, reverse=True):
        if name.endswith(f"-{variant}"):
            return name.removesuffix(f"-{variant}"), variant
    return name, None


@pytest.mark.parametrize("name", PAPER)
def test_hyper_parameters_are_the_papers(name: str) -> None:
    config, run = recipes.load(name), PAPER[name]
    data = paper.DATA[run.data]
    assert config["base_model"] == paper.BASES[run.base].model
    assert config["fsdp_config"]["transformer_layer_cls_to_wrap"] == paper.BASES[run.base].layer
    assert {entry["type"] for entry in config["datasets"]} == {f"axolotl_cotmask.prompt_strategies.{data.strategy}"}
    assert (config["learning_rate"], config["num_epochs"], config["warmup_ratio"], config["sequence_len"]) == (
        run.learning_rate, run.epochs, run.lr_warmup, data.sequence_len,
    )  # fmt: skip
    assert (config["weight_decay"], config["lr_scheduler"], config["bf16"]) == (0, "cosine", True)
    assert recipes.gpus(name) == paper.GPUS
    masking = dict(config["cotmask"])
    assert (masking.pop("mask_ratio"), masking.pop("noise", None)) == (run.mask_ratio, run.noise)
    assert masking.pop("warmup_ratio", MASK_WARMUP) == pytest.approx(MASK_WARMUP, abs=1e-4)
    tail = {"cosine_min_lr_ratio": TAIL_START_LR, "cosine_constant_lr_ratio": TAIL_START_STEP}
    assert masking == ({"lr_tail": "linear"} if run.lr_tail else {})
    assert {key: config[key] for key in tail if key in config} == (tail if run.lr_tail else {})


@pytest.mark.parametrize("name", PAPER)
def test_a_recipe_says_what_was_published_and_where_the_scripts_differ(name: str) -> None:
    header, run = recipes.header(name), PAPER[name]
    for benchmark, score in run.scores.items():
        assert f"{score} % on {BENCHMARKS[benchmark]}" in header
    for note in run.scripts:
        assert note in header
    assert ("authors' script differs" in header) == bool(run.scripts)


def test_every_file_is_known() -> None:
    kinds = {
        "llama2-7b/alpaca-mft",
        "llama2-7b/alpaca-sft-matched",
        "tiny/gsm8k-sft",
        "tiny/gsm8k-mft",
        "qwen2.5-1.5b/gsm8k-mft",
        "qwen2.5-1.5b/gsm8k-sft-matched",
    }
    kinds |= {f"smollm2-135m/{data}-{method}" for data in ("gsm8k", "gsm8k-chat") for method in ("sft", "sft-matched", "mft", "mft-mask")}  # fmt: skip
    kinds |= {
        f"{base}/{data}-{method}"
        for base in TODAY
        for data in ("gsm8k", "openr1-math")
        for method in ("mft", "sft-matched")
    }
    matched = {name.removesuffix("mft") + "sft-matched" for name in PAPER if name.endswith("mft")}
    plain = {name for name in ALL if split(name)[1] is None}
    assert plain == PAPER.keys() | matched | kinds
    for base in ("llama2-7b", "mistral-7b"):
        for variant in ("lora", "qlora", "packed"):
            assert {f"{base}/gsm8k-mft-{variant}", f"{base}/gsm8k-sft-matched-{variant}"} <= set(ALL)
    for data in ("gsm8k", "gsm8k-chat"):
        assert {f"smollm2-135m/{data}-mft-lora", f"smollm2-135m/{data}-sft-matched-lora"} <= set(ALL)
    assert {name for name in ALL if name.endswith("-cpu")} == {
        "smollm2-135m/gsm8k-sft-cpu",
        "smollm2-135m/gsm8k-mft-cpu",
    }
    for base in ("llama2-7b", "llama2-13b"):
        for variant in ("2nodes", "zero3", "zero3-2nodes", "ray"):
            assert f"{base}/gsm8k-mft-{variant}" in ALL


@pytest.mark.parametrize("name", [name for name in ALL if "-sft-matched" in name])
def test_a_matched_control_differs_in_the_masking_only(name: str) -> None:
    mft = name.replace("-sft-matched", "-mft")
    assert changed(name, mft) == {"cotmask"}
    masking, control = recipes.load(mft)["cotmask"], recipes.load(name)["cotmask"]
    assert control == {"mask_ratio": 0} | {key: masking[key] for key in ("lr_tail",) if key in masking}


@pytest.mark.parametrize("name", [name for name in PAPER if name.endswith("mft")])
def test_sft_and_mft_differ_in_what_the_paper_changes_only(name: str) -> None:
    curve = {"cosine_min_lr_ratio", "cosine_constant_lr_ratio"} if PAPER[name].lr_tail else set()
    assert changed(name, name.replace("-mft", "-sft")) <= {"cotmask", "num_epochs", "warmup_ratio"} | curve


@pytest.mark.parametrize(("first", "second", "keys"), [
    ("tiny/gsm8k-sft", "tiny/gsm8k-mft", {"cotmask"}),
    ("smollm2-135m/gsm8k-sft-cpu", "smollm2-135m/gsm8k-mft-cpu", {"cotmask"}),
    *((f"smollm2-135m/{data}-mft", f"smollm2-135m/{data}-mft-mask", {"cotmask"}) for data in ("gsm8k", "gsm8k-chat")),
    *((f"smollm2-135m/{data}-sft", f"smollm2-135m/{data}-sft-matched", {"num_epochs", "warmup_ratio"}) for data in ("gsm8k", "gsm8k-chat")),
    *((f"smollm2-135m/gsm8k-{method}", f"smollm2-135m/gsm8k-chat-{method}", {"base_model", "special_tokens", "datasets"})
      for method in ("sft", "sft-matched", "mft", "mft-mask", "sft-matched-lora", "mft-lora")),
])  # fmt: skip
def test_two_recipes_differ_in_what_their_names_say_only(first: str, second: str, keys: set[str]) -> None:
    assert changed(first, second) == keys


@pytest.mark.parametrize("data", ["gsm8k", "openr1-math"])
def test_the_bases_of_today_differ_in_themselves_only(data: str) -> None:
    differing = changed(*(f"{base}/{data}-mft" for base in TODAY))
    assert differing <= {"base_model", "special_tokens", "chat_template", "chat_template_kwargs"}


def test_long_thinking_is_packed_and_masked_within() -> None:
    config = recipes.load("qwen3-1.7b/openr1-math-mft")
    assert (config["sample_packing"], config["sequence_len"], config["cotmask"]["scope"]) == (True, 16384, "thinking")
    assert config["datasets"][0]["type"] == "chat_template"


@pytest.mark.parametrize("name", [name for name in ALL if split(name)[1]])
def test_a_variant_changes_what_its_name_says_only(name: str) -> None:
    parent, variant = split(name)
    assert parent in ALL
    assert changed(name, parent) <= VARIANTS[variant or ""]


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("tiny/") and not name.endswith("-cpu")])
def test_the_batch_is_the_papers_on_the_hardware_that_it_names(name: str) -> None:
    config, parent = recipes.load(name), split(name)[0].replace("-sft-matched", "-mft")
    gpus = recipes.gpus(name)
    if "ray_num_workers" in config:
        assert config["ray_num_workers"] == gpus
    if "2nodes" in name:
        assert gpus == 2 * paper.GPUS
    if config.get("sample_packing"):
        return  # by tokens: the next test
    if "alpaca" in name:
        batch = 128  # Alpaca's own: the paper gives none
    else:
        batch = find_run(parent).batch_size if parent in PAPER else find_run("llama2-7b/gsm8k-mft").batch_size
    assert gpus * config["micro_batch_size"] * config["gradient_accumulation_steps"] == batch


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith("-packed")])
def test_a_packed_step_holds_as_many_rows_as_the_papers(name: str, real_data: Path) -> None:
    """With the 32,000 tokens of Mistral-7B, by Axolotl's own packing."""
    import numpy as np
    from axolotl.utils.samplers.multipack import pack_group
    from support.small_tokenizers import mistral

    from axolotl_cotmask.data.prompts import SEPARATOR, alpaca_prompt

    rows = list(read_jsonl(real_data / "gsm8k_train.jsonl"))
    texts = [alpaca_prompt(row["question"]) + SEPARATOR + row["answer"] for row in rows]
    lengths = np.array([len(ids) + 1 for ids in mistral()(texts)["input_ids"]], dtype=np.int32)
    config = recipes.load(name)
    bins = pack_group(lengths, 0, config["sequence_len"], max_bins=100_000, bin_size=200)
    rows_per_step = len(rows) / len(bins) * recipes.gpus(name) * config["micro_batch_size"]
    assert rows_per_step == pytest.approx(find_run("llama2-7b/gsm8k-mft").batch_size, rel=0.01)


def plan(name: str) -> dict[str, Any]:
    folder = Path(axolotl_cotmask.__file__).parent / "reproduction" / "laptop"
    return yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))


LAPTOP = {
    "sft": {"mask_ratio": 0},
    "mft-mask-0.2": {"mask_ratio": 0.2, "warmup_ratio": 0.6667, "noise": "mask"},
    "mft-mask-0.4": {"mask_ratio": 0.4, "warmup_ratio": 0.6667, "noise": "mask"},
    "mft-random-0.1": {"mask_ratio": 0.1, "warmup_ratio": 0.6667, "noise": "random"},
}


def test_the_arms_of_the_laptop_reproduction_differ_in_the_masking_only() -> None:
    assert {path.stem for path in (recipes.RECIPES / "laptop").glob("*.yaml")} == {*LAPTOP, "dpo"}
    sft = recipes.load("laptop/sft")
    for name, masking in LAPTOP.items():
        arm = recipes.load(f"laptop/{name}")
        assert arm["cotmask"] == masking | {"parts_by_length": 4}
        assert {key for key in sft | arm if sft.get(key) != arm.get(key)} <= {"cotmask", "output_dir"}


def test_the_demonstration_is_a_small_part_of_the_laptop_reproduction() -> None:
    whole, quick = plan("laptop"), plan("demo")
    (study,), (demo,) = whole["groups"].values(), quick["groups"].values()
    assert len(study["bases"]) >= 3
    assert len(study["problems"]) * len(study["bases"]) >= 10
    assert set(demo["arms"]) < set(study["arms"]) < set(LAPTOP)
    assert not set(demo["bases"]) & set(study["bases"]), "the settings were chosen with the demo's base"
    assert demo["train_rows"] == study["train_rows"]
    assert quick["test_rows"] == whole["test_rows"]


def test_the_study_of_more_bases_takes_those_that_nothing_was_trained_from_before() -> None:
    whole = plan("laptop-bases")
    (study,) = whole["groups"].values()
    assert study["bases"] == [f"copying-{seed}" for seed in range(5, 15)]
    assert study["problems"] == list(range(301, 311))
    assert not study["crossed"]
    # The study of augmentation came after it.
    others = [plan(name) for name in plan_names() if name not in ("laptop-bases", "laptop-augmented")]
    of_others = [group for other in others for group in other["groups"].values()]
    assert not {*study["bases"]} & {base for group in of_others for base in group["bases"]}
    assert not {*study["problems"]} & {seed for group in of_others for seed in group["problems"]}
    assert (study["train_rows"], whole["test_rows"]) == (300, 400)


@pytest.fixture(scope="module")
def models(tiny_model: Path, data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models of the architectures that the recipes train, by the beginning of a recipe's name."""
    import torch
    from support import chat_models
    from transformers import (
        AutoTokenizer,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    built: dict[str, Path] = {}
    texts = ["user assistant", *(text for row in read_jsonl(data["gsm8k"]) for text in row.values())]
    shape: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 2048,
    }  # fmt: skip
    # The first that fits a recipe's name is taken.
    for name, config, architecture in (
        ("qwen3", Qwen3Config, Qwen3ForCausalLM),
        ("llama-3.2", LlamaConfig, LlamaForCausalLM),
        ("mistral", MistralConfig, MistralForCausalLM),
        ("qwen", Qwen2Config, Qwen2ForCausalLM),
    ):
        built[name] = tmp_path_factory.mktemp(name)
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        if name in ("qwen3", "llama-3.2"):
            tokenizer = chat_models.tokenizer(name.replace("-", "").replace(".", "_"), texts)
        if name == "qwen":
            tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
            tokenizer.chat_template = (
                "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
                "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
            )
        tokenizer.save_pretrained(built[name])
        torch.manual_seed(0)
        architecture(config(vocab_size=len(tokenizer) + 8, eos_token_id=tokenizer.eos_token_id, **shape)).save_pretrained(built[name])  # fmt: skip
    # The instruction-tuned SmolLM2 has a template and pads with the end of a turn; the base model has neither.
    built["smollm2-135m/gsm8k-chat"] = built["smollm2-135m/gsm8k-mft-cpu"] = tmp_path_factory.mktemp("smollm2-instruct")
    built["smollm2-135m"] = tmp_path_factory.mktemp("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(built["qwen"])
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, **shape))
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    for directory in (built["smollm2-135m/gsm8k-chat"], built["smollm2-135m"]):
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        tokenizer.eos_token, tokenizer.pad_token, tokenizer.chat_template = "</s>", None, None
    return {**built, "llama": tiny_model, "tiny": tiny_model}


@pytest.fixture(scope="module")
def data(gsm8k_rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file with the fields of each data set, by type: some rows of the real sample where COTMASK_DATA_DIR has one."""
    names = {
        "gsm8k": "gsm8k_train", "query_response": "gsm8k_screl_train_use_500",
        "math": "math_train_sample", "metamath": "metamathqa_sample", "mathinstruct": "mathinstruct_sample",
    }  # fmt: skip
    fields = {
        "query_response": ("query", "response"), "math": ("problem", "solution"), "metamath": ("query", "response"),
        "mathinstruct": ("instruction", "output"),
    }  # fmt: skip
    made = tmp_path_factory.mktemp("data")
    files = {}
    for strategy, name in names.items():
        question, answer = fields.get(strategy, ("question", "answer"))
        rows = [{question: row["question"], answer: row["answer"]} for row in gsm8k_rows]
        if real := user_data(f"{name}.jsonl"):
            rows = list(itertools.islice(read_jsonl(real), 300))
        files[strategy] = write_jsonl(made / f"{strategy}.jsonl", rows)
    # Alpaca's fields, and a row without an output, as it has some.
    rows = [
        {"instruction": row["question"], "input": "", "output": row["answer"] * (place != 3), "text": "unused"}
        for place, row in enumerate(gsm8k_rows)
    ]
    files["instruction_output"] = write_jsonl(made / "alpaca.jsonl", rows)
    # OpenR1-Math's form.
    chats = [
        [
            ("user", row["question"]),
            ("assistant", "<think>\n{}\n</think>\n\n$\\boxed{{{}}}$".format(*row["answer"].split("\n#### "))),
        ]
        for row in itertools.islice(read_jsonl(files["gsm8k"]), 60)
    ]
    messages = [{"messages": [{"role": role, "content": text} for role, text in chat]} for chat in chats]
    files["chat_template"] = write_jsonl(made / "chats.jsonl", messages)
    return files | {"gsm8k_chat": files["gsm8k"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the prepared data, which recipes with the same data, format and base share."""
    return tmp_path_factory.mktemp("recipes")


def prepared_key(name: str) -> str:
    """What decides the prepared data of a recipe, in this test."""
    config = recipes.load(name)
    strategy = config["datasets"][0]["type"].rsplit(".", 1)[-1]
    return f"{recipes.architecture(name)}-{strategy}-{config['sequence_len']}-{config['cotmask'].get('noise') == 'mask'}"  # fmt: skip


def slow_unless_tiny(names: Iterable[str]) -> list[Any]:
    return [name if name.startswith("tiny/") else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", slow_unless_tiny(ALL))
def test_axolotl_validates_it(name: str, models: dict[str, Path], axolotl: Axolotl) -> None:
    assert axolotl.apart(recipes.validate, name, model_of(name, models)) == 0


def model_of(name: str, models: dict[str, Path]) -> Path:
    return next(path for start, path in models.items() if name.startswith(start))


#: The others of SmolLM2 differ from these in what tests above name, and are written by the same lines.
SMOLLM2 = {f"smollm2-135m/{name}" for name in ("gsm8k-mft", "gsm8k-chat-mft-lora", "gsm8k-mft-cpu")}
#: Of today's, each base and each data set once.
TODAYS = {"qwen3-1.7b/gsm8k-mft", "llama-3.2-1b/openr1-math-mft"}
#: One of those that differ, on a CPU, in nothing but numbers and masking, and some more for their masking.
TRAINED = [
    *("tiny/gsm8k-sft", "llama2-7b/gsm8k-sft", "llama2-7b/gsm8k-mft", *sorted(SMOLLM2)),
    *(
        next((name for name in group if recipes.load(name)["cotmask"]["mask_ratio"]), group[0])
        for group in recipes.differ_in_numbers(
            [name for name in ALL if name in TODAYS or not name.startswith(("smollm2-135m/", *TODAY))]
        )
    ),
]


@pytest.mark.parametrize("name", slow_unless_tiny(dict.fromkeys(TRAINED)))
def test_axolotl_prepares_and_trains_it(
    name: str, models: dict[str, Path], data: dict[str, Path], prepared: Path, axolotl: Axolotl
) -> None:
    """Three steps on a CPU, with a tiny base model of the same architecture and real rows or rows with their fields."""
    model = model_of(name, models)
    where = prepared / name.replace("/", "-")
    path = recipes.on_cpu(name, model, data, where)
    # The same data in the same format for the same base are prepared once, as a user's are.
    if not any(prepared.glob(f"{prepared_key(name)}.done")):
        assert "Success! Preprocessed data path" in axolotl("preprocess", path, cwd=where).check().output
        (prepared / f"{prepared_key(name)}.done").touch()
    output = axolotl("train", path, cwd=where).check().output
    assert "Loading prepared dataset from disk" in output
    logged = recipes.logged(where / "out")
    masking = recipes.load(name)["cotmask"]
    ratio, warmup = masking["mask_ratio"], masking.get("warmup_ratio", 1)
    assert [entry["cotmask/scheduled_ratio"] for entry in logged] == pytest.approx(
        [min(ratio, ratio * step / (warmup * 3 + 1)) for step in range(3)], abs=1e-4
    )
    assert all(math.isfinite(entry["loss"]) and entry["loss"] > 0 for entry in logged)
    if ratio:
        assert 0 < logged[-1]["cotmask/realised_ratio"] < 2 * ratio
