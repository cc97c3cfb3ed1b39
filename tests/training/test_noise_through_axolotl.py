"""Every noise, scope and selector through Axolotl: full and LoRA, packed and not; and the options that meet the model."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.every_noise import EXTRAS, NOISES, SCOPES, SELECTS
from support.project import Project

from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.masking.config import parse_config, parse_noise
from axolotl_cotmask.masking.noise import NoiseContext, build
from axolotl_cotmask.reproduction.paper.ablations import SWEEPS

OURS = "axolotl_cotmask.CoTMaskPlugin"
sweep_text = runpy.run_path(str(directory("recipes") / "made.py"))["sweep_text"]
RECORDER = "support.recorder.RecorderPlugin"
LORA = {
    "adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_modules": ["q_proj", "v_proj"],
    "lora_mlp_kernel": False, "lora_qkv_kernel": False, "lora_o_kernel": False, "lora_embedding_kernel": False,
}  # fmt: skip


@pytest.mark.parametrize(("adapter", "packing"), [({}, False), (LORA, True)], ids=["full, unpacked", "lora, packed"])
@pytest.mark.slow
def test_every_combination_trains(project: Project, adapter: dict[str, Any], packing: bool) -> None:
    out = project.train(
        "every",
        **adapter,
        sample_packing=packing,
        max_steps=1,
        plugins=[OURS, "support.every_noise.EveryNoisePlugin"],
        cotmask={"mask_ratio": 0.5, "noise": "mask", "mask_token": "<pad>"},
    )
    found = json.loads((out / "every-noise.json").read_text(encoding="utf-8"))
    combinations = len(SCOPES) * len(SELECTS) * len(NOISES)
    assert len(found) == combinations + len(EXTRAS)
    by_block = {json.dumps(case["block"], sort_keys=True): case for case in found}
    assert len(by_block) == len(found)
    # The questions hold no calculation.
    nothing = [case for case in found if case["maskable"] == 0]
    assert {(case["block"]["scope"], case["block"]["select"]) for case in nothing} == {
        ("source", "operators"),
        ("source", "equations"),
    }
    assert all(0 < case["noised"] < case["maskable"] for case in found if case not in nothing)
    # The same positions whatever the noise.
    for case in found[:combinations]:
        same = json.dumps({**case["block"], "noise": "random"}, sort_keys=True)
        assert (case["noised"], case["maskable"]) == (by_block[same]["noised"], by_block[same]["maskable"])


def forwards(out: Path) -> list[dict[str, Any]]:
    lines = (out / "forwards-0.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["training"]]


def changed(project: Project, name: str, cotmask: dict[str, Any], **changes: Any) -> list[tuple[bool, bool]]:
    """(carries a label, was changed) of each real token of the first epoch's forwards, beside a run without masking."""
    changes = {"num_epochs": 1, "plugins": [OURS, RECORDER], **changes}
    clean = forwards(project.train(f"{name}-clean", **changes, cotmask={"mask_ratio": 0}))
    noised = forwards(project.train(name, **changes, cotmask=cotmask))
    found = []
    for before, after in zip(clean, noised, strict=True):
        assert before["labels"] == after["labels"]
        for rows in zip(
            before["input_ids"], after["input_ids"], before["labels"], before["attention_mask"], strict=True
        ):
            found += [(label != -100, old != new) for old, new, label, mask in zip(*rows, strict=True) if mask]
    return found


@pytest.mark.parametrize("scope", ["target", "source", "all"])
@pytest.mark.slow
def test_scope(project: Project, scope: str) -> None:
    block = {"mask_ratio": 1.0, "noise": "mask", "mask_token": "<pad>", "schedule": "constant", "scope": scope}
    found = changed(project, "scope", block)
    assert all(was for target, was in found if target) is (scope != "source")
    assert any(was for target, was in found if target) is (scope != "source")
    assert all(was for target, was in found if not target) is (scope != "target")
    assert any(was for target, was in found if not target) is (scope != "target")


def test_a_unit_is_masked_as_a_whole(project: Project) -> None:
    block = {"mask_ratio": 0.5, "noise": "mask", "mask_token": "<pad>", "schedule": "constant", "select": "steps"}
    project.train("units", num_epochs=1, plugins=[OURS, RECORDER], cotmask=block)
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(project.model)
    whole = parts = 0
    for row in forwards(project.directory / "units"):
        for ids, labels in zip(row["input_ids"], row["labels"], strict=True):
            target = [
                (i, label) for i, label in zip(ids, labels, strict=True) if label not in (-100, tokenizer.eos_token_id)
            ]
            # Their steps are sentences, each with a full stop of its own at the end.
            steps: list[list[bool]] = [[]]
            for token, label in target:
                steps[-1].append(token != label)
                if tokenizer.decode([label]).strip() == ".":
                    steps.append([])
            whole += sum(len(set(step)) == 1 for step in steps if len(step) > 1)
            parts += sum(len(set(step)) == 2 for step in steps)
    assert parts == 0
    assert whole > 100


def test_each_data_set_has_its_own_noise_ratio_and_selector(project: Project) -> None:
    from support.project import write_jsonl

    rows = [json.loads(line) for line in (project.directory / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    write_jsonl(project.directory / "other.jsonl", [{**row, "question": "Q " + row["question"]} for row in rows])
    kind = "axolotl_cotmask.prompt_strategies.gsm8k"
    datasets = [
        {"path": str(project.directory / "train.jsonl"), "type": kind},
        {
            "path": str(project.directory / "other.jsonl"),
            "type": kind,
            "noise": "random",
            "select": "numbers",
            "mask_ratio": 1.0,
        },
    ]
    block = {"mask_ratio": 0.5, "noise": "mask", "mask_token": "<pad>", "schedule": "constant"}
    project.train("both", num_epochs=1, datasets=datasets, plugins=[OURS, RECORDER], cotmask=block)
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(project.model)
    pad = tokenizer.pad_token_id
    seen = {True: 0, False: 0}
    random: set[int] = set()
    for row in forwards(project.directory / "both"):
        for ids, labels, mask in zip(row["input_ids"], row["labels"], row["attention_mask"], strict=True):
            ids = [token for token, real in zip(ids, mask, strict=True) if real]
            second = "Instruction:\nQ " in tokenizer.decode(ids)
            seen[second] += 1
            labels = labels[: len(ids)] if mask[0] else labels[-len(ids) :]
            replaced = [(new, old) for new, old in zip(ids, labels, strict=True) if old not in (-100, new)]
            if second:
                random |= {new for new, _ in replaced}
                assert all(any(c.isdigit() for c in tokenizer.decode([old])) for _, old in replaced)
            else:
                assert {new for new, _ in replaced} <= {pad}
    assert seen == {True: 48, False: 48}
    assert len(random) > 50


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cotmask": {"scope": "source", "loss_on": "clean"}}, "cotmask.scope is source, and loss_on: clean"),
        ({"cotmask": {"mask_ratio": 0, "loss_on": "noised"}}, "loss_on: noised would leave no loss"),
        ({"cotmask": {"warmup_steps": 3, "warmup_ratio": 0.5}}, "warmup_steps and warmup_ratio say the same in two ways"),
        ({"cotmask": {"schedule": "constant", "warmup_ratio": 0.5}}, "schedule: constant has no warm-up"),
        ({"cotmask": {"select": "number"}}, "cotmask.select: number is not a selector: did you mean numbers?"),
        ({"cotmask": {"noise": {"dropout": {"q": 1.4}}}}, "cotmask.noise.dropout.q is 1.4"),
        ({"cotmask": {"noise": "uniform"}}, "cotmask.noise.uniform.alpha is missing"),
        pytest.param({"cotmask": {"noise": {"dropout": {"q": 0.5}}}, "torch_compile": True}, "which a compiled model does not see", marks=pytest.mark.slow),
        ({"cotmask": {"start_ratio": 1.0}}, "nothing is noised before its end"),
        ({"cotmask": {"hide_from_attention": True}, "attn_implementation": "flex_attention"}, "attn_implementation is flex_attention"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_makes_no_sense_stops_with_a_sentence(project: Project, changes: dict[str, Any], sentence: str) -> None:
    block = {"mask_ratio": 0.4, "noise": "random", **changes.pop("cotmask")}
    assert sentence in project.axolotl("train", project.config("wrong", cotmask=block, **changes)).sentence()


@pytest.mark.parametrize("name", SWEEPS)
def test_the_sweep_files_are_in_sync(name: str) -> None:
    text = (directory("recipes") / "ablations" / f"{name}.sweep.yaml").read_text(encoding="utf-8")
    assert text == sweep_text(name), "run `nox -s tables`"
    rows = yaml.safe_load(text)["_"]
    assert len({row["wandb_name"] for row in rows}) == len(rows)
    import torch

    for row, ablation in zip(rows, SWEEPS[name], strict=True):
        assert row["cotmask"] == dict(ablation.block)
        config = parse_config(row["cotmask"])
        spec = parse_noise(config.noise)
        assert spec.name is None or build(spec.name, spec.options, NoiseContext(3, torch.arange(9)))


@pytest.mark.slow
def test_axolotl_takes_a_sweep(project: Project, axolotl: Callable[..., Any]) -> None:
    sweep = project.directory / "two.sweep.yaml"
    rows = yaml.safe_load(sweep_text("table3"))["_"]
    sweep.write_text(yaml.safe_dump({"_": [rows[0], rows[1]]}), encoding="utf-8")
    config = project.config("swept", max_steps=2)
    project.axolotl("train", config, "--sweep", sweep).check()
    trained = sorted(path.parent.name for path in (project.directory / "swept").rglob("model.safetensors"))
    assert len(trained) == 2, trained


@pytest.mark.slow
def test_the_package_of_the_docs(project: Project) -> None:
    import re

    text = (Path(__file__).parents[2] / "docs" / "noises.md").read_text(encoding="utf-8")
    (_, toml), (_, source) = re.findall(r"^```(toml|python)\n(.*?)^```$", text, re.M | re.S)
    assert toml.count("\n") + source.count("\n") < 30
    # What pip leaves behind.
    metadata = project.directory / "shift_noise-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shift-noise\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[axolotl_cotmask.noises]\nshift = shift_noise:build\n", encoding="utf-8"
    )
    (project.directory / "shift_noise.py").write_text(source, encoding="utf-8")
    block = {"mask_ratio": 1.0, "schedule": "constant", "noise": {"shift": {"by": 2}}}
    config = project.config("shift", num_epochs=1, plugins=[OURS, RECORDER], cotmask=block)
    # Python finds the package in the directory as it would in site-packages.
    project.axolotl("train", config, PYTHONPATH=str(project.directory)).check()
    project.train("clean", num_epochs=1, plugins=[OURS, RECORDER], cotmask={"mask_ratio": 0})
    for before, after in zip(forwards(project.directory / "clean"), forwards(project.directory / "shift"), strict=True):
        for old, new, labels in zip(before["input_ids"], after["input_ids"], before["labels"], strict=True):
            target = [i for i, label in enumerate(labels) if label != -100]
            assert [new[i] for i in target] == [old[i - 2] for i in target]


def test_the_ablations_rest_on_the_papers_recipe_and_on_the_laptops() -> None:
    recipes = directory("recipes")

    def load(name: str) -> dict[str, Any]:
        return yaml.safe_load((recipes / f"{name}.yaml").read_text(encoding="utf-8"))

    ours, papers = load("ablations/llama2-7b"), load("llama2-7b/gsm8k-mft")
    assert {key for key in papers if ours.get(key) != papers[key]} == {"output_dir", "attn_implementation"}
    assert ours.keys() == papers.keys()
    ours, laptops = load("ablations/tiny"), load("laptop/mft-random-0.1")
    assert {key for key in laptops if ours.get(key) != laptops[key]} == {
        "output_dir",
        "cotmask",
        "base_model",
        "datasets",
    }
    assert laptops.keys() == ours.keys()
