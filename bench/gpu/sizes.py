"""How large everything is: on one card of 80 GB, and at the smallest size, for a rehearsal on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Layout:
    """A micro-batch of random samples, half of each the target: packed into one row each, or padded on the right.

    Args:
        rows: of the batch.
        sequence_len: tokens of a row.
        shortest: tokens of the shortest sample.
        longest: tokens of the longest one.
        packed: whether a row is filled with several samples.
    """

    rows: int
    sequence_len: int
    shortest: int
    longest: int
    packed: bool


@dataclass(frozen=True)
class Sizes:
    """What differs between the card and the rehearsal.

    Args:
        name: full or rehearsal, of which nothing is a measurement.
        device: ``cuda`` or ``cpu``.
        llama: arguments of LlamaConfig of the random model whose steps are timed.
        layouts: the micro-batches that are timed, by name.
        rounds: how often each way to train takes its turn, after one round to warm up.
        steps: optimizer steps of a turn.
        most_epochs: of a training; None for the recipe's.
        batch: rows of a training's batch; None for the recipe's.
        train_rows: of GSM8K, the first ones; None for all.
        questions: at most so many of each of the three sets of questions, spread evenly.
        seeds: of the trainings.
        new_tokens: of an answer, at most.
        answered_at_once: questions that are answered together.
    """

    name: Literal["full", "rehearsal"]
    device: str
    llama: Mapping[str, Any]
    layouts: Mapping[str, Layout]
    rounds: int
    steps: int
    most_epochs: int | None
    batch: int | None
    train_rows: int | None
    questions: int
    seeds: tuple[int, ...]
    new_tokens: int
    answered_at_once: int


#: The random model has the shape of Llama-2-7B.
FULL = Sizes(
    name="full",
    device="cuda",
    llama={
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 4096,
    },
    layouts={
        "packed 4096": Layout(rows=1, sequence_len=4096, shortest=128, longest=512, packed=True),
        "4 x 512": Layout(rows=4, sequence_len=512, shortest=256, longest=512, packed=False),
    },
    rounds=6,
    steps=2,
    most_epochs=None,
    batch=None,
    train_rows=None,
    # All of GSM8K's test split.
    questions=1319,
    seeds=(42, 43, 44),
    new_tokens=512,
    answered_at_once=1200,
)

REHEARSAL = Sizes(
    name="rehearsal",
    device="cpu",
    llama={
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    },
    layouts={
        "packed 4096": Layout(rows=1, sequence_len=64, shortest=8, longest=32, packed=True),
        "4 x 512": Layout(rows=4, sequence_len=32, shortest=16, longest=32, packed=False),
    },
    rounds=2,
    steps=1,
    most_epochs=2,
    batch=4,
    train_rows=8,
    questions=2,
    seeds=(42, 43),
    new_tokens=4,
    answered_at_once=4,
)
