"""Batches in parts of rows of like length: the same rows, masks and labels, and up to rounding the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from support.project import Project

from axolotl_cotmask.training.parts import mean_of_parts, split_by_length

#: So that rounding stays small: no moments that divide it away.
PLAIN = {"optimizer": "sgd", "learning_rate": 0.1, "micro_batch_size": 8, "sample_packing": False}


def batch(lengths: list[int]) -> dict[str, torch.Tensor]:
    seq = max(lengths)
    mask = (torch.arange(seq) < torch.tensor(lengths)[:, None]).long()
    ids = torch.arange(1, mask.numel() + 1).view(mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 12))
def test_every_token_is_in_one_part_and_little_padding_is(lengths: list[int], parts: int) -> None:
    inputs = batch(lengths)
    split = split_by_length(inputs, {"weight": inputs["input_ids"] * 0.5}, parts)
    assert len(split) == min(parts, len(lengths))
    tokens = [token for part, _ in split for token in part["input_ids"].flatten().tolist() if token]
    assert sorted(tokens) == sorted(token for token in inputs["input_ids"].flatten().tolist() if token)
    for part, marks in split:
        assert part["input_ids"].shape == part["attention_mask"].shape == marks["weight"].shape
        assert torch.equal(marks["weight"], part["input_ids"] * 0.5), "rows keep what belongs to them"
        if parts > 1:
            assert part["attention_mask"][:, -1].any(), "its longest row has no padding"
    shortest = [int(part["attention_mask"].sum(dim=1).min()) for part, _ in split]
    assert shortest == sorted(shortest)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_mask": None},
        {"attention_mask": torch.ones(2, 1, 5, 5)},
        {"token_type": torch.ones(2)},
    ],
    ids=["no mask", "a mask of pairs", "a value per row"],
)
def test_what_cannot_be_split_stays_whole(changes: dict[str, Any]) -> None:
    inputs = {name: value for name, value in {**batch([3, 5]), **changes}.items() if value is not None}
    [(whole, marks)] = split_by_length(inputs, {}, 2)
    assert whole == inputs
    assert marks == {}


def test_the_mean_is_over_tokens_and_not_over_parts() -> None:
    losses, counts = [torch.tensor(1.0), torch.tensor(4.0)], [torch.tensor(2), torch.tensor(1)]
    assert mean_of_parts(losses, counts).item() == pytest.approx((2 * 1 + 4) / 3)
    assert mean_of_parts([torch.tensor(0.0)] * 2, [torch.tensor(0)] * 2).item() == 0, "nothing counts"


def trained(directory: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    (state_file,) = directory.glob("checkpoint-*/trainer_state.json")
    state = json.loads(state_file.read_text(encoding="utf-8"))
    return load_file(directory / "model.safetensors"), [entry for entry in state["log_history"] if "loss" in entry]


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        {"mask_ratio": 0},
        {"mask_ratio": 0.4, "noise": "random"},
        {"mask_ratio": 0.4, "noise": "random", "loss_on": "clean"},
        {"mask_ratio": 0.4, "noise": {"uniform": {"alpha": 5}}, "warmup_ratio": 0},
        {"mask_ratio": 0.4, "noise": {"scheduled_sampling": {"tau": 5}}, "warmup_ratio": 0},
    ],
    ids=["sft", "random", "clean", "uniform", "scheduled"],
)
def test_a_run_in_parts_has_the_masks_and_up_to_rounding_the_weights_of_the_whole(
    project: Project, block: dict[str, Any]
) -> None:
    weights, logs = zip(
        *(
            trained(
                project.train(
                    f"parts-{parts}",
                    **PLAIN,
                    cotmask={**block, "parts_by_length": parts},
                    gradient_accumulation_steps=2,
                    save_strategy="epoch",
                )
            )
            for parts in (1, 3)
        ),
        strict=True,
    )
    base = load_file(project.model / "model.safetensors")
    for name, whole in weights[0].items():
        moved = (whole - base[name]).abs().max()
        assert (whole - weights[1][name]).abs().max() <= 1e-3 * moved + 1e-7, name
    for whole, in_parts in zip(*logs, strict=True):
        assert in_parts["loss"] == pytest.approx(whole["loss"], rel=1e-4)
        for key in ("scheduled_ratio", "realised_ratio"):
            assert in_parts[f"cotmask/{key}"] == whole[f"cotmask/{key}"], "the masks are the same"


def test_it_does_not_go_with_packing(project: Project) -> None:
    config = project.config(sample_packing=True, cotmask={"mask_ratio": 0.4, "noise": "random", "parts_by_length": 4})
    assert (
        project.axolotl("train", config)
        .sentence()
        .startswith(
            "cotmask.parts_by_length is 4, and sample_packing leaves no padding to save: take out one of the two ("
        )
    )
