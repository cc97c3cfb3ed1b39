"""After a kill or a full disk starting again is all that is needed; and one output directory has one run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from axolotl.utils.data import shared
from axolotl.utils.dict import DictDefault
from datasets import Dataset
from filelock import FileLock
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from support.project import Project
from support.trained import LORA, identical, weights
from transformers import AutoModelForCausalLM, set_seed

from axolotl_cotmask.common.checkpoints import checkpoints, is_complete
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.training.starting_again import loaded_whole, saved_whole
from axolotl_cotmask.training.stripping import Embeddings, strip_rows


def test_the_second_run_in_an_output_directory_stops(project: Project) -> None:
    (project.directory / "run").mkdir()
    lock = FileLock(project.directory / "run" / ".cotmask.lock")
    log = project.directory / "run" / "debug.log"
    config = project.config("run", max_steps=1)
    with lock:
        log.write_text("of the first run", encoding="utf-8")
        sentence = project.axolotl("train", config).sentence()
        assert log.read_text(encoding="utf-8") == "of the first run"
        assert f"output_dir is {project.directory}/run, and another run is at work there" in sentence
        assert not list((project.directory / "run").glob("*.safetensors"))
    # The file of a holder that died holds nothing.
    (project.directory / "run" / ".cotmask.lock").touch()
    project.axolotl("train", config).check()
    assert (project.directory / "run" / "model.safetensors").is_file()
    assert not (project.directory / "run" / ".cotmask.lock").exists()


@pytest.mark.slow
def test_half_a_checkpoint_is_left_out(project: Project) -> None:
    settings = {"save_steps": 4, "save_strategy": "steps", "auto_resume_from_checkpoints": True}
    whole = project.train("whole", **settings)
    shutil.copytree(whole, project.directory / "killed")
    killed = project.directory / "killed"
    (killed / "model.safetensors").unlink()
    last = checkpoints(killed)[-1]
    (last / "trainer_state.json").unlink()
    (last / "optimizer.pt").write_bytes((last / "optimizer.pt").read_bytes()[:100])
    run = project.axolotl("train", project.config("killed", **settings)).check()
    assert f"{last.name} was not written to its end, and is removed: going on from the one before" in run.output
    assert identical(weights(killed), weights(whole))
    assert is_complete(last)
    named = project.config("named", resume_from_checkpoint=str(project.directory / "nowhere"))
    assert "is no checkpoint that was written to its end" in project.axolotl("train", named).sentence()


def test_what_makes_a_checkpoint_whole(tmp_path: Path) -> None:
    def write(name: str, *states: str) -> Path:
        checkpoint = tmp_path / name
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").write_text("{}")
        for state in states:
            torch.save({"cpu": torch.get_rng_state()}, checkpoint / state)
        return checkpoint

    assert is_complete(write("checkpoint-10", "rng_state.pth"))
    two = write("checkpoint-9", "rng_state_0.pth", "rng_state_1.pth")
    assert is_complete(two, processes=2)
    assert is_complete(two, processes=1)
    assert is_complete(write("checkpoint-8"), processes=2)
    assert not is_complete(write("checkpoint-7", "rng_state_0.pth"), processes=2)
    assert not is_complete(tmp_path / "checkpoint-6")
    state = two / "rng_state_1.pth"
    state.write_bytes(state.read_bytes()[:-30])
    assert not is_complete(two, processes=2)
    (tmp_path / "checkpoint-8" / "trainer_state.json").write_text('{"epoch": 1')
    assert not is_complete(tmp_path / "checkpoint-8")
    (tmp_path / "checkpoint-final").mkdir()
    assert [path.name for path in checkpoints(tmp_path)] == [f"checkpoint-{step}" for step in (7, 8, 9, 10)]


def test_prepared_data_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    cfg = DictDefault({"dataset_prepared_path": str(tmp_path / "prepared"), "dataset_num_proc": 1})
    data = Dataset.from_dict({"input_ids": [[1, 2], [3]]})
    save, load = saved_whole(shared.save_preprocessed_dataset), loaded_whole(shared.load_preprocessed_dataset)
    before = os.times()
    save(cfg, data, "abc", "train")
    after = os.times()
    assert (after.children_user, after.children_system) == (before.children_user, before.children_system), (
        "no other process was needed"
    )
    assert load(cfg, "abc").to_list() == data.to_list()
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == ["abc"]

    class FullDisk:
        def __len__(self) -> int:
            return 2

        def save_to_disk(self, path: str, **_: object) -> None:
            Path(path, "data-00000-of-00001.arrow").write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(CoTMaskError, match=r"No space left on device.*make room for it"):
        saved_whole(shared.save_preprocessed_dataset)(cfg, FullDisk(), "def", "train")
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == ["abc"]
    assert load(cfg, "def") is None


@pytest.mark.parametrize("left", ["data-00000-of-00001.arrow", "state.json", "dataset_info.json"])
def test_half_a_cache_is_prepared_anew(tmp_path: Path, left: str) -> None:
    cfg = DictDefault({"dataset_prepared_path": str(tmp_path), "dataset_num_proc": 1})
    shared.save_preprocessed_dataset(cfg, Dataset.from_dict({"input_ids": [[1, 2]]}), "abc", "train")
    for path in (tmp_path / "abc").iterdir():
        if path.name != left:
            path.unlink()
    assert loaded_whole(shared.load_preprocessed_dataset)(cfg, "abc") is None
    assert not (tmp_path / "abc").exists()


def test_stripping_goes_on_after_a_kill(tmp_path: Path) -> None:
    tensors = {"embed_tokens.weight": torch.ones(5, 2), "norm.weight": torch.ones(5)}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / ".model.123.safetensors").write_bytes(b"half of what a killed process wrote")
    strip_rows(tmp_path, Embeddings({"embed_tokens"}, trained_rows=5, rows=4))
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert load_file(tmp_path / "model.safetensors")["embed_tokens.weight"].shape == (4, 2)


def test_the_seed_decides_how_an_adapter_begins(project: Project) -> None:
    trained = weights(project.train("lora", seed=8, max_steps=1, learning_rate=0.0, **LORA))
    set_seed(8)
    names = {name.split(".")[-3] for name in trained}
    begun = get_peft_model(
        AutoModelForCausalLM.from_pretrained(project.model), LoraConfig(r=4, target_modules=list(names))
    )
    assert identical(trained, get_peft_model_state_dict(begun))


@pytest.mark.slow
def test_a_run_on_two_processes_goes_on(project: Project) -> None:
    settings = {"save_steps": 4, "save_strategy": "steps", "auto_resume_from_checkpoints": True, "micro_batch_size": 2}
    whole = project.on_two_processes("whole", **settings)
    shutil.copytree(whole, project.directory / "killed")
    (project.directory / "killed" / "model.safetensors").unlink()
    (checkpoints(project.directory / "killed")[-1] / "rng_state_1.pth").unlink()
    assert identical(weights(project.on_two_processes("killed", **settings)), weights(whole))
