"""The masks of a run depend on the samples, the epoch and the seed, and on nothing else (through the real Axolotl)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from support.project import Project
from support.recorded import RECORDER, forwards, masks, samples
from transformers import AutoTokenizer

CONSTANT = {"mask_ratio": 0.4, "noise": {"mask": 0.5, "random": 0.5}, "warmup_ratio": 0}
RECORDED = {"plugins": ["axolotl_cotmask.CoTMaskPlugin", RECORDER], "cotmask": CONSTANT, "num_epochs": 2}


def recorded_masks(project: Project, name: str, **changes: Any) -> dict[Any, Any]:
    output_dir = project.train(name, **{**RECORDED, **changes})
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    return masks(output_dir, bos)


@pytest.fixture(scope="module")
def unpacked(new_project: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """Masks of the plain run: 48 samples, 2 epochs, right-padded batches of 4."""
    result = recorded_masks(new_project(tmp_path_factory.mktemp("plain")), "plain")
    assert len(result) == 96, "every sample is seen once in each of two epochs"
    return result


def same_where_both_saw(result: dict[Any, Any], expected: dict[Any, Any], at_least: int) -> None:
    shared = result.keys() & expected.keys()
    assert len(shared) >= at_least
    assert {key: result[key] for key in shared} == {key: expected[key] for key in shared}


def test_micro_batch_size_and_accumulation(project: Project, unpacked: dict[Any, Any]) -> None:
    assert recorded_masks(project, "micro", micro_batch_size=2, gradient_accumulation_steps=3) == unpacked


def test_data_workers(project: Project, unpacked: dict[Any, Any]) -> None:
    assert recorded_masks(project, "workers", dataloader_num_workers=2) == unpacked


def test_left_padding(project: Project, unpacked: dict[Any, Any], tmp_path: Path) -> None:
    left = tmp_path / "left"
    shutil.copytree(project.model, left)
    settings = left / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text(encoding="utf-8")) | {"padding_side": "left"}))
    assert recorded_masks(project, "left-padded", base_model=str(left)) == unpacked
    batch = forwards(tmp_path / "left-padded")[0]
    assert any(row[0] == 0 for row in batch["attention_mask"]), "the batches were padded on the left"


def test_packing(project: Project, unpacked: dict[Any, Any], tmp_path: Path) -> None:
    packed = recorded_masks(project, "packed", sample_packing=True, micro_batch_size=2)
    # Axolotl drops the last, incomplete batch of a packed epoch.
    same_where_both_saw(packed, unpacked, at_least=40)
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    assert len(samples(tmp_path / "packed", bos)) > 2 * len(forwards(tmp_path / "packed")), "rows held several samples"


@pytest.mark.slow
def test_two_processes(project: Project, unpacked: dict[Any, Any], tmp_path: Path) -> None:
    project.on_two_processes("ddp", **RECORDED, micro_batch_size=2)
    assert {file.name for file in (tmp_path / "ddp").glob("forwards-*")} == {"forwards-0.jsonl", "forwards-1.jsonl"}
    bos = AutoTokenizer.from_pretrained(project.model).bos_token_id
    assert masks(tmp_path / "ddp", bos) == unpacked


def test_epochs_and_seeds_differ(project: Project, unpacked: dict[Any, Any]) -> None:
    first = {clean: seen for (epoch, clean), seen in unpacked.items() if epoch == 0}
    second = {clean: seen for (epoch, clean), seen in unpacked.items() if epoch == 1}
    assert first.keys() == second.keys()
    assert all(first[clean] != second[clean] for clean in first)
    other_seed = recorded_masks(project, "seed", cotmask={**CONSTANT, "seed": 8})
    assert other_seed.keys() == unpacked.keys()
    assert all(other_seed[key] != unpacked[key] for key in unpacked)


@pytest.mark.parametrize("packing", [False, True], ids=["unpacked", "packed"])
@pytest.mark.slow
def test_resumed_is_uninterrupted(project: Project, tmp_path: Path, packing: bool) -> None:
    warming_up = {"mask_ratio": 0.4, "noise": "mask"}
    changes = {
        **RECORDED, "cotmask": warming_up, "num_epochs": 3, "save_strategy": "steps", "save_steps": 17, "save_total_limit": 9,
        "sample_packing": packing, "micro_batch_size": 1 if packing else 4,
    }  # fmt: skip
    whole = project.train("whole", **changes)
    project.train("resumed", **changes, resume_from_checkpoint=str(whole / "checkpoint-17"))
    before, again = forwards(whole), forwards(tmp_path / "resumed")
    assert before[16]["epoch"] == again[0]["epoch"], "in the middle of an epoch"
    assert len(before) > 17
    assert again == before[17:], "the rest of the run, and nothing twice"
    expected, result = load_file(whole / "model.safetensors"), load_file(tmp_path / "resumed" / "model.safetensors")
    assert all((expected[name] == result[name]).all() for name in expected)
