"""Questions and answers: GSM8K's test split and GSM-IC, asked and judged as the lm-eval tasks do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import RowError, whole_file
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.data.sources import SOURCES, local_file, source_rows
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import GSM8K_HASH
from axolotl_cotmask.evaluation.benchmarks import gsm_ic

GSM_IC = ("gsm_ic_2step", "gsm_ic_mstep")
#: GSM-IC's task has so many of each part where the data are the samples of 1,000 rows.
_GSM_IC_ROWS = 1000

Row = dict[str, Any]


def read(name: str) -> list[Row]:
    """Return the rows of a data set in COTMASK_DATA_DIR, whose golds can all be read.

    Raises:
        CoTMaskError: the variable is not set, or the file is missing or broken.
    """
    path = local_file(name)
    if path is None:
        raise CoTMaskError(
            f"COTMASK_DATA_DIR is not set, and no network is asked: let it name a directory with {SOURCES[name].file}"
        )
    try:
        rows = list(source_rows(path, SOURCES[name]))
    except RowError as error:
        raise CoTMaskError(f"{path}, {error}: mend the file") from error
    if not rows:
        raise CoTMaskError(f"{path} holds no rows: put the data set there")
    tasks.check_golds((row["answer"] for row in rows), GSM8K_HASH, str(path))
    return rows


def documents(data: Mapping[str, Sequence[Row]], most: int) -> list[Row]:
    """Return all questions, each with ``set``, ``prompt`` and ``answer``; GSM-IC's with its base problems among them.

    Args:
        data: the rows of ``gsm8k_test`` and `GSM_IC`.
        most: of a set, spread evenly over it; of GSM-IC at most 1,000 a part.
    """
    asked = [
        {**row, "set": "gsm8k_test", "prompt": alpaca_prompt(row["question"])}
        for row in _spread(data["gsm8k_test"], most)
    ]
    for name in GSM_IC:
        variants = _spread(data[name], min(most, _GSM_IC_ROWS))
        asked += [
            {**row, "set": name, "prompt": gsm_ic.prompt(row)} for row in gsm_ic.with_base_problems(variants, name)
        ]
    return asked


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    number = min(most, len(rows))
    return [rows[place * len(rows) // number] for place in range(number)]


@torch.inference_mode()
def answer(
    model: Any, tokenizer: Any, prompts: Sequence[str], new_tokens: int, at_once: int, check: Callable[[], None]
) -> list[str]:
    """Return what a model writes after each prompt: greedy, to EOS or ``new_tokens``.

    Args:
        model: in evaluation mode.
        tokenizer: the model's.
        prompts: without BOS, which the tokenizer adds where it has one.
        new_tokens: at most.
        at_once: prompts of a batch, at most; those of like length are together.
        check: is called after each batch, and may raise.
    """
    batches = -(-len(prompts) // at_once)
    by_length = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    texts = [""] * len(prompts)
    for number in range(batches):
        places = by_length[number * len(prompts) // batches : (number + 1) * len(prompts) // batches]
        batch = tokenizer([prompts[place] for place in places], padding=True, padding_side="left", return_tensors="pt")
        batch = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}
        written = model.generate(
            **batch,
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )[:, batch["input_ids"].shape[1] :]
        for place, text in zip(places, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
            texts[place] = text
        check()
    return texts


def scores(asked: Sequence[Row], texts: Sequence[str]) -> dict[str, float | None]:
    """Return the metrics of the tasks ``cotmask_gsm8k`` and ``cotmask_gsm_ic``, shares from 0 to 1."""
    of_gsm8k, of_gsm_ic = [], []
    for row, text in zip(asked, texts, strict=True):
        if row["set"] == "gsm8k_test":
            of_gsm8k.append(tasks.scores(text, row["answer"], *tasks.NUMBER, row["question"]))
        else:
            of_gsm_ic.append(gsm_ic.process_results(row, [text]))
    result: dict[str, float | None] = {
        f"gsm8k_{name}": sum(row[name] for row in of_gsm8k) / len(of_gsm8k) for name in of_gsm8k[0]
    }
    for name in ("exact_match", "robust_match", "invalid", "base_accuracy"):
        value = gsm_ic.accuracy([row[name] for row in of_gsm_ic])
        result[f"gsm_ic_{name}"] = None if value is None else float(value)
    return result


def write_samples(path: Path, asked: Sequence[Row], texts: Sequence[str]) -> None:
    """Write question, gold, text and verdict of each, for `axolotl-cotmask score` and for eyes."""
    lines = [
        {
            "set": row["set"],
            "is_base": row.get("is_base", False),
            "prompt": row["prompt"],
            "gold": row["answer"],
            "prediction": text,
            "judge": GSM8K_HASH.judge(text, row["answer"]),
        }
        for row, text in zip(asked, texts, strict=True)
    ]
    with whole_file(path) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
