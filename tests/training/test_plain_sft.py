"""`mask_ratio: 0` is the run without the plugin, bit for bit, whatever moves the learning rate."""

from __future__ import annotations

from typing import Any

import pytest
from support.project import Project, Rows, write_jsonl
from support.trained import alpaca, identical, last_state, weights

EVALUATED = {"val_set_size": 8, "evals_per_epoch": 2}
#: 48 rows in batches of 4 are 12 steps an epoch; a tenth of 12 and of 24 is no whole number.
RUNS: dict[str, dict[str, Any]] = {
    "linear": {"lr_scheduler": "linear"},
    "cosine": {"lr_scheduler": "cosine"},
    "cosine_with_restarts": {"lr_scheduler": "cosine_with_restarts", "lr_scheduler_kwargs": {"num_cycles": 2}},
    "polynomial": {"lr_scheduler": "polynomial"},
    "constant": {"lr_scheduler": "constant"},
    "constant_with_warmup": {"lr_scheduler": "constant_with_warmup"},
    "inverse_sqrt": {"lr_scheduler": "inverse_sqrt"},
    "reduce_lr_on_plateau": {"lr_scheduler": "reduce_lr_on_plateau", **EVALUATED},
    "cosine_with_min_lr": {"lr_scheduler": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}},
    "cosine_warmup_with_min_lr": {
        "lr_scheduler": "cosine_warmup_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
    },
    "warmup_stable_decay": {"lr_scheduler": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 4}},
    "greedy": {"lr_scheduler": "greedy", **EVALUATED},
    "one_cycle": {"lr_scheduler": "one_cycle"},
    "rex": {"lr_scheduler": "rex"},
    "quadratic warm-up": {"lr_quadratic_warmup": True},
    "cosine to a minimum": {"cosine_min_lr_ratio": 0.1},
    "constant tail": {"cosine_min_lr_ratio": 0.1, "cosine_constant_lr_ratio": 0.6},
    "jagged restarts": {"jagged_restart_steps": 5, "jagged_restart_warmup_steps": 2, "jagged_restart_anneal_steps": 1},
}  # fmt: skip
WARM_UPS: dict[str, dict[str, Any]] = {
    "none": {},
    "of no step": {"warmup_ratio": 0},
    "of less than a step": {"warmup_ratio": 0.01},
    "of one step": {"warmup_ratio": 0.1},
    "of a share of steps": {"warmup_ratio": 0.29, "num_epochs": 2},
    "of the whole run": {"warmup_ratio": 1.0},
    "of steps": {"warmup_steps": 3},
    "of a step": {"warmup_steps": 1},
    "of a part of an epoch": {"warmup_ratio": 0.3, "num_epochs": 0.7},
    # 1.1 * 10 is a little more than 11.
    "of epochs that are no whole steps": {"warmup_ratio": 0.3, "num_epochs": 1.1, "val_set_size": 8},
    "beside max_steps": {"warmup_ratio": 0.3, "max_steps": 7},
    "beside max_steps beyond the epochs": {"warmup_ratio": 0.3, "max_steps": 15},
    "of a batch size": {"warmup_ratio": 0.3, "batch_size": 8, "gradient_accumulation_steps": None},
    # 45 rows in batches of 4: 34 steps to Axolotl, 36 in whole epochs.
    "of rows that fill no batches": {"warmup_ratio": 0.3, "num_epochs": 3, "val_set_size": 3},
    "of accumulated batches": {"warmup_ratio": 0.3, "micro_batch_size": 2, "gradient_accumulation_steps": 3},
}


def is_plain(project: Project, rows: Rows, **changes: Any) -> bool:
    data = alpaca(project, rows)
    without = project.train("without", plugins=None, cotmask=None, datasets=data, **changes)
    zero = project.train("zero", cotmask={"mask_ratio": 0}, datasets=data, **changes)
    return identical(weights(without), weights(zero))


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.slow
def test_with_every_scheduler(project: Project, gsm8k_rows: Rows, name: str) -> None:
    assert is_plain(project, gsm8k_rows, num_epochs=2, warmup_ratio=0.1, **RUNS[name])


@pytest.mark.parametrize("name", WARM_UPS)
@pytest.mark.slow
def test_with_every_warm_up(project: Project, gsm8k_rows: Rows, name: str) -> None:
    assert is_plain(project, gsm8k_rows, **{"lr_scheduler": "linear", **WARM_UPS[name]})


def test_one_cycle_of_few_steps(project: Project, gsm8k_rows: Rows) -> None:
    """Its first part would have one step, by which it divides."""
    assert is_plain(project, gsm8k_rows[:20], lr_scheduler="one_cycle", warmup_ratio=0.2)


def test_masked_runs_round_as_axolotl_does(project: Project, gsm8k_rows: Rows) -> None:
    """Also where the steps are counted anew: 21 rows in batches of 4 are 6 steps an epoch, not 5.25."""
    write_jsonl(project.directory / "train.jsonl", gsm8k_rows[:21])
    output_dir = project.train("few", lr_scheduler="one_cycle", warmup_ratio=0.2, save_strategy="epoch")
    assert last_state(output_dir)["global_step"] == 6
