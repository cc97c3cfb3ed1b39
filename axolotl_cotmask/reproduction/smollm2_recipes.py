"""The recipes of ``recipes/smollm2-135m``, of one table: ``recipes/made.py`` writes them.

A base of 135 million parameters on GSM8K: plain (the base model, the paper's prompt) and chat (the instruction-tuned
one, its own template), full and LoRA, for one small GPU; and a few rows of it for a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from axolotl_cotmask.masking.config import MASK_WARMUP
from axolotl_cotmask.reproduction.paper.facts import find_run

#: The folder, and how the outputs' begins.
NAME = "smollm2-135m"
#: What `reproduction.smollm2` makes, and the recipes for a CPU begin with.
CPU_BASE = f"outputs/{NAME}/base"
#: Rows of GSM8K that the recipes for a CPU train on: whole batches, so that all arms take as many steps.
CPU_ROWS = 96
#: The paper's runs whose epochs, warm-up and masking these have.
_SFT, _MFT = find_run("llama2-7b/gsm8k-sft"), find_run("llama2-7b/gsm8k-mft")


@dataclass(frozen=True)
class _Method:
    """How a recipe trains: its words, epochs, share of warm-up steps, and the lines of the block ``cotmask:``."""

    words: str
    epochs: int
    warmup_ratio: float
    masking: tuple[str, ...]


_SFT_MASKING = ("mask_ratio: 0  # plain SFT with the same data path and prompt as the MFT recipe",)


def _masking(*noise: str) -> tuple[str, ...]:
    return (
        f"mask_ratio: {_MFT.mask_ratio}       # p_max",
        f"warmup_ratio: {MASK_WARMUP:.4f}  # p rises linearly from 0 over two thirds of the optimizer steps",
        *noise,
    )


_METHODS = {
    "sft": _Method("SFT", _SFT.epochs, _SFT.lr_warmup, _SFT_MASKING),
    "sft-matched": _Method("the control of MFT, SFT at the same epochs", _MFT.epochs, _MFT.lr_warmup, _SFT_MASKING),
    "mft": _Method(
        "MFT",
        _MFT.epochs,
        _MFT.lr_warmup,
        _masking("noise: random         # a uniformly random token of the base vocabulary"),
    ),
    "mft-mask": _Method("MFT", _MFT.epochs, _MFT.lr_warmup, _masking("noise: mask           # a new <mask> token")),
}


@dataclass(frozen=True)
class _Recipe:
    """What is written into a recipe, by name."""

    name: str
    method: _Method
    chat: bool = False
    lora: bool = False
    cpu: bool = False


def recipe_texts() -> dict[str, str]:
    """Return the text of each recipe by its name, such as ``smollm2-135m/gsm8k-mft``."""
    return {f"{NAME}/{recipe.name}": "\n".join(_lines(recipe)) + "\n" for recipe in _recipes()}


def _recipes() -> Iterator[_Recipe]:
    for data, chat in (("gsm8k", False), ("gsm8k-chat", True)):
        for name, method in _METHODS.items():
            yield _Recipe(f"{data}-{name}", method, chat)
        # A new <mask> would stay untrained in an adapter.
        for name in ("sft-matched", "mft"):
            yield _Recipe(f"{data}-{name}-lora", _METHODS[name], chat, lora=True)
    for name, method in (("sft", _METHODS["sft"]), ("mft", _METHODS["mft-mask"])):
        short = replace(method, epochs=_SFT.epochs, warmup_ratio=_SFT.lr_warmup)
        yield _Recipe(f"gsm8k-{name}-cpu", short, cpu=True)


def _lines(recipe: _Recipe) -> Iterator[str]:
    yield from _header(recipe)
    yield from _model(recipe)
    yield ""
    yield from ("plugins:", "  - axolotl_cotmask.CoTMaskPlugin", "cotmask:")
    yield from (f"  {line}" for line in recipe.method.masking)
    yield from (
        "",
        "datasets:",
        "  - path: openai/gsm8k",
        "    name: main",
        f"    split: train[:{CPU_ROWS}]" if recipe.cpu else "    split: train",
        f"    type: axolotl_cotmask.prompt_strategies.{'gsm8k_chat' if recipe.chat else 'gsm8k'}",
        f"dataset_prepared_path: ./outputs/{NAME}/prepared",
        "val_set_size: 0",
        "sequence_len: 512",
        "excess_length_strategy: truncate",
        "",
        f"output_dir: ./outputs/{NAME}/{recipe.name}",
        f"num_epochs: {recipe.method.epochs}",
        f"micro_batch_size: {1 if recipe.cpu else 8}",
        "gradient_accumulation_steps: 8",
        f"learning_rate: {'1.0e-3' if recipe.lora else '1.0e-4'}",
        "lr_scheduler: cosine",
        f"warmup_ratio: {recipe.method.warmup_ratio}",
        f"optimizer: {'adamw_torch' if recipe.cpu else 'adamw_torch_fused'}",
        "weight_decay: 0.0",
        "seed: 42",
        "",
    )
    yield from _hardware(recipe)
    yield from ("", f"logging_steps: {5 if recipe.cpu else 10}", "save_strategy: epoch", "save_total_limit: 1")


def _header(recipe: _Recipe) -> Iterator[str]:
    model = "SmolLM2-135M-Instruct" if recipe.chat or recipe.cpu else "SmolLM2-135M"
    rows = f"the first {CPU_ROWS} rows of GSM8K" if recipe.cpu else "GSM8K"
    template = " with its own chat template" if recipe.chat else ""
    yield f"# {model} on {rows}{template}{', LoRA' if recipe.lora else ''}: {recipe.method.words}."
    yield "# Written by `nox -s tables`."
    if recipe.cpu:
        yield "# For a CPU: a real model, and so few rows and steps that it learns GSM8K's format and little else."
    else:
        yield "# Epochs, batch and masking are those of the paper's GSM8K runs with Llama-2-7B; the learning rate is a"
        yield "# guess. Nothing is tuned for this model."
        yield "# For 1 GPU of 8 GB (reckoned, not measured): micro_batch_size 8 x gradient_accumulation_steps 8 = a"
        yield "# batch of 64."
    yield "#"
    if recipe.cpu:
        yield f"#   axolotl cotmask base-model smollm2 {CPU_BASE}"
    yield f"#   axolotl train recipes/{NAME}/{recipe.name}.yaml{' --launcher python' if recipe.cpu else ''}"
    if recipe.lora:
        yield f"#   axolotl merge-lora recipes/{NAME}/{recipe.name}.yaml"
    yield from _scoring(recipe)


def _scoring(recipe: _Recipe) -> Iterator[str]:
    output = f"outputs/{NAME}/{recipe.name}{'/merged' if recipe.lora else ''}"
    device = ",dtype=float32 --device cpu --limit 50" if recipe.cpu else ""
    template = " --apply_chat_template" if recipe.chat else ""
    task = "cotmask_gsm8k_chat" if recipe.chat else "cotmask_gsm8k"
    yield f"#   lm_eval --model hf --model_args pretrained={output}{device}{template} \\"
    yield f"#       --include_path evaltasks --tasks {task} --output_path scores --log_samples"


def _model(recipe: _Recipe) -> Iterator[str]:
    if recipe.cpu:
        yield f"base_model: ./{CPU_BASE}"
    elif recipe.chat:
        yield "base_model: HuggingFaceTB/SmolLM2-135M-Instruct"
    else:
        yield "base_model: HuggingFaceTB/SmolLM2-135M"
        yield "special_tokens:"
        yield '  pad_token: "<|im_end|>"  # the base model\'s tokenizer has none'
    if recipe.lora:
        yield ""
        yield from ("adapter: lora", "lora_r: 32", "lora_alpha: 64", "lora_dropout: 0.05", "lora_target_linear: true")


def _hardware(recipe: _Recipe) -> Iterator[str]:
    if not recipe.cpu:
        yield from ("bf16: true", "tf32: true", "attn_implementation: sdpa")
        return
    yield "# On a CPU: no mixed precision, and an attention that keeps packed samples apart."
    yield from ("bf16: false", "fp16: false", "tf32: false", "attn_implementation: sdpa", "pad_to_sequence_len: false")
    yield from ("group_by_length: false", "dataloader_num_workers: 0", "dataset_num_proc: 1")
