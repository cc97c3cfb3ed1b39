"""What a rehearsal reads: a tiny model of random weights, and made word problems in the form of the real data."""

from __future__ import annotations

from pathlib import Path

from axolotl_cotmask.reproduction.laptop.data import laptop_rows, write_laptop_data
from axolotl_cotmask.reproduction.laptop.tiny_model import Shape, build_tiny_model, training_texts

_SEED, _TRAIN, _TEST = 3, 12, 8
_SHAPE = Shape(hidden_size=16, intermediate_size=32, layers=1, heads=2)


def write(directory: Path) -> tuple[Path, str]:
    """Write both, where they are not there, and return the directory of the model, and that of the data."""
    model, data = directory / "tiny", directory / "data"
    rows = laptop_rows(_SEED, _TRAIN, _TEST)["gsm8k_train"]
    texts = training_texts([(row["question"], row["answer"]) for row in rows])
    build_tiny_model(model, texts, _SEED, vocab_size=400, shape=_SHAPE)
    write_laptop_data(data, _SEED, _TRAIN, _TEST)
    return model, str(data)
