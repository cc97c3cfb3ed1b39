"""The learning rate of `lr_tail: linear` against the authors' formula, alone and through the real Axolotl."""

from __future__ import annotations

import itertools
import json
import math
import pickle
from pathlib import Path

import pytest
import torch
from support.project import Project

from axolotl_cotmask.training import lr_curve

RATIOS = {"min_ratio": 0.05, "cosine_share": 0.6}
#: (steps, warm-up): the paper's 7B runs have 3 % of thousands of steps; then what can go wrong at the edges.
RUNS = [(1170, 36), (3086, 93), (100, 0), (100, 60), (100, 80), (33, 10), (7, 2), (5, 3), (3, 1), (2, 0), (2, 2), (1, 0), (1, 1)]  # fmt: skip


def formula(step: int, steps: int, warmup: int) -> float:
    if step < warmup:
        return step / max(1, warmup)
    decay_end = steps * 0.6
    if step > decay_end:
        return max(0, 0.05 * (steps - step) / max(1, steps * (1 - 0.6)))
    progress = (step - warmup) / max(1, decay_end - warmup)
    return 0.05 + (1 - 0.05) * max(0, 0.5 * (1 + math.cos(math.pi * progress)))


def curve(steps: int, warmup: int) -> list[float]:
    return [lr_curve.factor(step, warmup_steps=warmup, steps=steps, **RATIOS) for step in range(steps + 1)]


@pytest.mark.parametrize(("steps", "warmup"), RUNS)
def test_every_point_is_the_authors_formula(steps: int, warmup: int) -> None:
    factors = curve(steps, warmup)
    assert factors == pytest.approx([formula(step, steps, warmup) for step in range(steps + 1)], abs=1e-15)
    if warmup < steps:
        assert factors[-1] == 0
    assert all(a <= b for a, b in itertools.pairwise(factors[:warmup]))
    assert all(a > b for a, b in itertools.pairwise(factors[warmup:])), "falls after the warm-up, with no constant tail"


def test_warm_up_cosine_and_line_meet() -> None:
    factors = curve(1000, 30)
    assert (factors[0], factors[30]) == (0, 1)
    assert factors[600] == pytest.approx(0.05)
    assert factors[601] == pytest.approx(0.05 * 399 / 400)
    assert factors[800] == pytest.approx(0.025)
    # Half-way through the cosine, half-way between its ends.
    assert factors[315] == pytest.approx((1 + 0.05) / 2)


def test_groups_keep_their_own_peaks_and_a_copy_goes_on() -> None:
    def optimizer() -> torch.optim.Optimizer:
        weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
        return torch.optim.AdamW([{"params": weights[:1], "lr": 1.0}, {"params": weights[1:], "lr": 0.1}])

    def rates(schedule: torch.optim.lr_scheduler.LRScheduler, count: int) -> list[list[float]]:
        seen = []
        for _ in range(count):
            seen.append(schedule.get_last_lr())
            schedule.optimizer.step()
            schedule.step()
        return seen

    expected = curve(20, 3)
    whole = lr_curve.scheduler(optimizer(), warmup_steps=3, steps=20, **RATIOS)
    seen = rates(whole, 9)
    resumed = lr_curve.scheduler(optimizer(), warmup_steps=3, steps=20, **RATIOS)
    resumed.load_state_dict(pickle.loads(pickle.dumps(whole.state_dict())))
    for group, state in zip(resumed.optimizer.param_groups, whole.optimizer.param_groups, strict=True):
        group["lr"] = state["lr"]
    seen += rates(resumed, 12)
    assert [first for first, _ in seen] == pytest.approx(expected)
    assert [second for _, second in seen] == pytest.approx([0.1 * factor for factor in expected])


@pytest.mark.slow
def test_a_run_and_a_resumed_run_have_these_learning_rates(project: Project) -> None:
    changes = {
        "cotmask": {"mask_ratio": 0.4, "noise": "random", "lr_tail": "linear"},
        "cosine_min_lr_ratio": 0.05, "cosine_constant_lr_ratio": 0.6, "warmup_ratio": 0.1, "num_epochs": 2,
        "save_strategy": "steps", "save_steps": 11, "embedding_lr": 1e-2,
    }  # fmt: skip

    def rates(output_dir: Path) -> dict[int, float]:
        state = json.loads((output_dir / "checkpoint-24" / "trainer_state.json").read_text(encoding="utf-8"))
        return {entry["step"]: entry["learning_rate"] for entry in state["log_history"] if "loss" in entry}

    whole = project.train("whole", **changes)
    # The step that ends as number k was made with the learning rate after k - 1 steps; 10 % of 24 steps are 2.
    assert rates(whole) == pytest.approx({step + 1: 1e-3 * formula(step, 24, 2) for step in range(24)})
    resumed = project.train("resumed", **changes, resume_from_checkpoint=str(whole / "checkpoint-11"))
    assert rates(resumed) == rates(whole)
    groups = torch.load(resumed / "checkpoint-24" / "optimizer.pt", weights_only=True)["param_groups"]
    assert {group["initial_lr"] for group in groups} == {1e-3, 1e-2}
    assert {group["lr"] for group in groups} == {0.0}
