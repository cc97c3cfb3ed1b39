"""The same seed gives the same masks, always: positions and noise as they were recorded at commit 89dedd2.

(`random` and the mixture once more, when the special tokens of the base vocabulary were taken out of the draw.)
`python tests/support/pin_noise.py NAME` records another noise. A release that changes them breaks every user's run that is resumed with it: CHANGELOG.md has to say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.utils.collators import DataCollatorForSeq2Seq, V2BatchSamplerDataCollatorForSeq2Seq
from support.every_noise import NOISES as EVERY
from support.project import Rows
from transformers import LlamaConfig, LlamaForCausalLM

from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.draws import select_positions
from axolotl_cotmask.masking.marks import IGNORE_INDEX, Marking, mark_rows
from axolotl_cotmask.masking.noise import Noised
from axolotl_cotmask.masking.sample_ids import sample_numbers
from axolotl_cotmask.prompt_strategies.gsm8k import ROW_FORMAT
from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy
from axolotl_cotmask.reproduction.laptop.tiny_model import build_tokenizer, training_texts
from axolotl_cotmask.training.collator import MarkCollator

GOLDEN = json.loads(Path(__file__).with_name("golden_masks.json").read_text(encoding="utf-8"))
#: The last of the recorded samples; the others are the first three of the tests' problems.
NATALIA = {
    "question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How "
    "many clips did Natalia sell altogether in April and May?",
    "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether. "
    "That is $1,000.50 - 3.\n#### 72",
}
NOISES: dict[str, Any] = {
    "mask": "mask",
    "random": "random",
    "mixture": {"mask": 0.8, "random": 0.2},
    "dropout": {"dropout": {"q": 0.5}},
    "uniform": {"uniform": {"alpha": 5}},
    "scheduled_sampling": {"scheduled_sampling": {"tau": 1}},
}
LAYOUTS = ("padded-right", "padded-left", "single-right", "single-left", "packed")
Columns = dict[str, list[Any]]


def recorded_rows(gsm8k_rows: Rows) -> Rows:
    return [*gsm8k_rows[:3], NATALIA]


@pytest.fixture(scope="module")
def rows(gsm8k_rows: Rows) -> Rows:
    return recorded_rows(gsm8k_rows)


def new_tokenizer(gsm8k_rows: Rows) -> Any:
    return build_tokenizer(training_texts([(row["question"], row["answer"]) for row in gsm8k_rows]), vocab_size=400)


@pytest.fixture(scope="module")
def tokenizer(gsm8k_rows: Rows) -> Any:
    return new_tokenizer(gsm8k_rows)


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> LlamaForCausalLM:
    return new_model(tokenizer)


def tokenised(tokenizer: Any, rows: Rows, *protect: str) -> Columns:
    strategy = MarkedStrategy(ROW_FORMAT, tokenizer, "golden", frozenset(protect), 512, None)
    columns = {field: [row[field] for row in rows] for field in ("question", "answer")}
    return strategy.tokenize_rows(columns, list(range(len(rows))))


def marked(tokenizer: Any, columns: Columns, scope: str, select: str) -> Rows:
    marking = Marking(weight=1.0, sha256=None, scope=scope, select=select, group=None)
    columns = columns | mark_rows(columns, marking, tokenizer)
    return [{name: column[place] for name, column in columns.items()} for place in range(len(columns["labels"]))]


def batches(tokenizer: Any, samples: Rows, layout: str) -> Iterator[tuple[dict[str, torch.Tensor], Rows]]:
    """Yield the batches that a layout makes of the samples, each with its samples."""
    kind, _, side = layout.partition("-")
    tokenizer.padding_side = side or "right"
    inner = V2BatchSamplerDataCollatorForSeq2Seq if kind == "packed" else DataCollatorForSeq2Seq
    collate = MarkCollator(inner(tokenizer), tokenizer.padding_side, marks=True)
    parts = [[sample] for sample in samples] if kind == "single" else [samples]
    for part in parts:
        copies = [dict(sample) for sample in part]
        yield dict(collate([copies[:2], copies[2:]] if kind == "packed" else copies)), part
    tokenizer.padding_side = "right"


def by_sample(batch: dict[str, torch.Tensor], values: torch.Tensor, samples: Rows) -> Iterator[torch.Tensor]:
    """Yield the values of each sample, which is found in the batch by its ids."""
    for sample in samples:
        ids = list(sample["input_ids"])
        row, start = next(
            (row, start)
            for row, tokens in enumerate(batch["input_ids"].tolist())
            for start in range(len(tokens) - len(ids) + 1)
            if tokens[start : start + len(ids)] == ids
        )
        yield values[row, start : start + len(ids)]


def selection(batch: dict[str, torch.Tensor], ratio: float, seed: int, epoch: int) -> torch.Tensor:
    key = batch.get("unit_key", batch["token_key"])
    return select_positions(batch["mask_weight"], key, ratio=ratio, seed=seed, epoch=epoch)


def test_the_samples_are_the_recorded_ones(tokenizer: Any, rows: Rows) -> None:
    columns = tokenised(tokenizer, rows)
    assert [list(ids) for ids in columns["input_ids"]] == [sample["input_ids"] for sample in GOLDEN["samples"]]
    assert [list(labels) for labels in columns["labels"]] == [sample["labels"] for sample in GOLDEN["samples"]]
    protected = tokenised(tokenizer, rows, "final_answer", "eos")
    assert GOLDEN["protected"] == [
        [i for i, (weight, label) in enumerate(zip(*pair, strict=True)) if weight == 0 and label != IGNORE_INDEX]
        for pair in zip(protected["mask_weight"], protected["labels"], strict=True)
    ]


@pytest.mark.parametrize("where", GOLDEN["maskable"])
def test_positions_in_every_layout(where: str, tokenizer: Any, rows: Rows) -> None:
    samples = marked(tokenizer, tokenised(tokenizer, rows), *where.split("/"))
    maskable = [[i for i, weight in enumerate(sample["mask_weight"]) if weight > 0] for sample in samples]
    assert maskable == GOLDEN["maskable"][where]
    recorded = {key: positions for key, positions in GOLDEN["selected"].items() if key.startswith(f"{where}/")}
    assert len(recorded) == 3
    for key, positions in recorded.items():
        seed, epoch, ratio = key.split("/")[2:]
        for layout in LAYOUTS:
            selected = [
                values.nonzero().flatten().tolist()
                for batch, part in batches(tokenizer, samples, layout)
                for values in by_sample(batch, selection(batch, float(ratio), int(seed), int(epoch)), part)
            ]
            assert selected == positions, (key, layout)


def new_model(tokenizer: Any) -> LlamaForCausalLM:
    """Return a Llama whose weights come from a formula, so that no generator has a say."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            wave = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * (1.7 + number)) * 0.3
            parameter.copy_(torch.ones_like(parameter) if parameter.dim() == 1 else wave.view_as(parameter).float())
    return model.train()


def becomes(name: str, tokenizer: Any, rows: Rows, model: LlamaForCausalLM) -> Iterator[list[float]]:
    """Yield, for each sample, its ids with the noise in them, or of a noise on embeddings the sum of each noised one."""
    config = parse_config({"mask_ratio": 0.4, "mask_token": "<pad>", "noise": NOISES[name]})
    [noise] = RunMasking(config, [{"path": "golden"}]).noises(tokenizer)
    samples = marked(tokenizer, tokenised(tokenizer, rows), "target", "tokens")
    for batch, _ in batches(tokenizer, samples, "single-right"):
        selected = selection(batch, 0.4, 7, 0)
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
        noised = Noised(selected, batch["token_key"], sample_numbers(inputs), seed=7, epoch=0)
        with noise.applied(model, inputs, noised) as given:
            embedded: list[torch.Tensor] = []
            hook = model.get_input_embeddings().register_forward_hook(lambda _, __, found: embedded.append(found))  # noqa: B023
            model(**given)
            hook.remove()
        ids = given["input_ids"]
        if torch.equal(ids, batch["input_ids"]):
            yield embedded[0][selected].sum(-1).tolist()
        else:
            yield ids[0].tolist()


def test_every_noise_is_recorded() -> None:
    assert GOLDEN["noises"].keys() == NOISES.keys()
    assert {name for of in EVERY for name in ([of] if isinstance(of, str) else of)} <= NOISES.keys()


@pytest.mark.parametrize("name", NOISES)
def test_what_noised_positions_become(name: str, tokenizer: Any, rows: Rows, model: LlamaForCausalLM) -> None:
    for values, recorded in zip(becomes(name, tokenizer, rows, model), GOLDEN["noises"][name], strict=True):
        assert values == pytest.approx(recorded, abs=1e-4)
