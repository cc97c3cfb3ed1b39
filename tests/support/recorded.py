"""Reads what `support.recorder.RecorderPlugin` wrote: the samples as the model saw them, whatever the batches looked like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

RECORDER = "support.recorder.RecorderPlugin"


class Seen(NamedTuple):
    """One sample in one forward."""

    epoch: int
    training: bool
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def clean(self) -> tuple[int, ...]:
        """The ids before noise: the prompt is never noised, and a label is the token at its position."""
        return tuple(
            label if label != -100 else token for token, label in zip(self.input_ids, self.labels, strict=True)
        )


def forwards(output_dir: Path) -> list[dict[str, Any]]:
    """All recorded forwards of all ranks."""
    files = sorted(output_dir.glob("forwards-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def samples(output_dir: Path, bos: int) -> list[Seen]:
    """All samples of all recorded forwards, without padding."""
    return [sample for forward in forwards(output_dir) for sample in _split(forward, bos)]


def _split(forward: dict[str, Any], bos: int) -> Iterator[Seen]:
    for ids, labels in zip(forward["input_ids"], forward["labels"], strict=True):
        # Every sample begins with BOS, which is never noised, and ends with its last label.
        starts = [i for i, (token, label) in enumerate(zip(ids, labels, strict=True)) if token == bos and label == -100]
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            last = max(i for i in range(start, end) if labels[i] != -100)
            yield Seen(
                forward["epoch"], forward["training"], tuple(ids[start : last + 1]), tuple(labels[start : last + 1])
            )


def masks(output_dir: Path, bos: int) -> dict[tuple[int, tuple[int, ...]], tuple[int, ...]]:
    """(epoch, clean sample) -> sample as it was seen in training."""
    return {(seen.epoch, seen.clean): seen.input_ids for seen in samples(output_dir, bos) if seen.training}
