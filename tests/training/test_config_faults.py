"""All that is wrong with a config is said at once, with the lines of its file, and nothing ends in a traceback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axolotl.utils.dict import DictDefault
from support.project import Project

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_noise
from axolotl_cotmask.training import faults
from axolotl_cotmask.training.config_file import ConfigFile
from axolotl_cotmask.training.named_plugins import NAME

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
ENTRY = {"path": "rows.jsonl", "type": GSM8K}


def said(changes: dict[Any, Any] | None = None) -> str:
    """What is wrong with a config that is right but for the changes."""
    cfg = {
        "base_model": "somebody/model",
        "cotmask": {"mask_ratio": 0.4, "noise": "random"},
        "datasets": [ENTRY],
        **(changes or {}),
    }
    found = faults.find(DictDefault(cfg), None)
    assert all("\n" not in fault.sentence for fault in found)
    return "\n".join(fault.sentence for fault in found)


def block(**options: Any) -> dict[str, Any]:
    return {"cotmask": {"mask_ratio": 0.4, "noise": "random", **options}}


def entry(**keys: Any) -> dict[str, Any]:
    return {"datasets": [{**ENTRY, **keys}]}


def test_a_right_config_has_no_fault() -> None:
    assert said() == ""
    assert said(entry(noise={"mask": 0.8, "random": 0.2}, mask_ratio=1, protect=["eos"], select="numbers")) == ""
    assert said(block(mask_ratio=0, mask_token="<unk>")) == "", "plain SFT, whatever the rest says"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"datasets": ENTRY}, "datasets is {"),
        ({"datasets": [None]}, "datasets[0] is null: give a data set"),
        ({"datasets": [ENTRY, "x", 5]}, "datasets[1] is x: give a data set"),
        ({"datasets": "rows.jsonl"}, "datasets is rows.jsonl: give a list"),
        ({"test_datasets": 5}, "test_datasets is 5: give a list"),
        ({"datasets": [{"type": GSM8K}]}, "datasets[0].path is missing"),
        ({"datasets": [{**ENTRY, "path": 7}]}, "datasets[0].path is 7: give a text"),
        ({"datasets": [{**ENTRY, "type": 5}]}, "datasets[0].type is 5: give a name"),
        ({"datasets": [{**ENTRY, 1: 2}]}, "datasets[0][1] is a key of a data set, and keys are texts"),
        ({1: 2}, "1 is a key of the config, and keys are texts"),
        ({"base_model": "~nosuchuser"}, "base_model is ~nosuchuser, and ~ is taken for the name of a directory"),
        ({"tokenizer_config": "~"}, "tokenizer_config is ~, and ~ is taken for the name of a directory: write the path in"),
        ({"base_model": "/" + "x" * 5000}, "and there is no such directory"),
        ({"tokenizer_config": "/nowhere"}, "tokenizer_config is /nowhere, and there is no such directory"),
        ({"protect": ["eos"]}, "protect stands at the top level of the config: move it into an entry of `datasets:`"),
        ({"special_tokens": {"mask_token": "<x>"}}, "special_tokens.mask_token is dropped by Axolotl: name the token as cotmask.mask_token"),
        ({"special_tokens": "<x>"}, "special_tokens is <x>: give tokens by name"),
        ({"tokens": "<x>"}, "tokens is <x>: give a list of texts"),
        ({"micro_batch_size": True}, "micro_batch_size is true: give a number"),
        (entry(protect=True), "datasets[0].protect is true: give a list of final_answer, eos"),
        (entry(protect={"eos": 1}), "datasets[0].protect is {'eos': 1}: give a list"),
        (entry(mask_ratio=True), "datasets[0].mask_ratio is true: it is a ratio"),
        (entry(scope="source"), "datasets[0].scope is not of a data set alone: move scope into the `cotmask:` block"),
        (entry(cotmask={"mask_ratio": 0.2}), "datasets[0].cotmask is no key of a data set"),
        (entry(select=5), "datasets[0].select is 5: give the name of a selector"),
        ({"cotmask": 5}, "cotmask is 5: give a block of options"),
        ({"cotmask": {1: 2}}, "cotmask has the key 1, and keys are texts"),
        (block(mask_ratio=True), "cotmask.mask_ratio is true: it is a ratio, give a number from 0 to 1"),
        (block(mask_ratio=False), "cotmask.mask_ratio is false: it is a ratio"),
        (block(seed=True), "cotmask.seed is true: give a number"),
        (block(parts_by_length=True), "cotmask.parts_by_length is true: give a number"),
        (block(warmup_steps=False), "cotmask.warmup_steps is false: give a number"),
        (block(protect=["eos"]), "cotmask.protect is a key of a data set: move protect into an entry"),
        (block(mask_token="<unk>"), "cotmask.mask_token is <unk>, and no noise of the run masks with a token"),
        (block(noise={5: {"q": 1}}), "cotmask.noise is {5: {'q': 1}}: give a name such as mask"),
        (block(noise="masks"), "cotmask.noise is masks: did you mean mask?"),
        (block(noise={"dropout": {"p": 0.5}}), "cotmask.noise.dropout.p is not an option: the options are q"),
        (entry(noise="gaussian"), "datasets[0].noise is gaussian: the options are mask, random, "),
        (entry(noise={"uniform": {"alpha": 0}}), "datasets[0].noise.uniform.alpha is 0: it is the magnitude"),
        (block(scope="thinkng"), "cotmask.scope is thinkng: did you mean thinking?"),
        (block(schedule="Cosine"), "cotmask.schedule is Cosine: did you mean cosine?"),
        (block(loss_on="masked"), "cotmask.loss_on is masked: "),
        (block(noise={"mask": True}), "cotmask.noise is {'mask': True}: give a name such as mask"),
    ],
)  # fmt: skip
def test_one_fault(changes: dict[str, Any], expected: str) -> None:
    assert expected in said(changes)


def test_what_axolotl_has_options_for() -> None:
    (found,) = faults.axolotl_faults(DictDefault({"excess_length_strategy": "trunkate"}))
    assert found.sentence == "excess_length_strategy is trunkate: did you mean truncate?"


def test_the_name_of_the_mixture_is_no_noise() -> None:
    from axolotl_cotmask.masking.noise import NoiseContext, build

    spec = parse_noise("tokens")
    assert spec.name == "tokens"
    with pytest.raises(CoTMaskError, match=r"cotmask\.noise is tokens: the options are mask, random"):
        build("tokens", {}, NoiseContext(mask_token_id=None, random_ids=None))  # type: ignore[arg-type]


def test_all_of_them_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "base_model: somebody/model\nnum_epochs: 3\ncotmask:\n  mask_ratio: yes\n  warmpu: 1\ndatasets:\n"
        "  - path: rows.jsonl\n    type: alpaca\n    protect: true\nnum_epochs: 4\nmicro_batch_size: many\n"
    )
    cfg = DictDefault({**ConfigFile(path).content, "axolotl_config_path": str(path)})
    with pytest.raises(CoTMaskError) as stopped:
        faults.stop_on_faults(cfg)
    first, *lines = str(stopped.value).splitlines()
    assert first == "5 things are wrong in the config:"
    found = {re.search(r"line (\d+)\)$", line)[1]: line.strip() for line in lines}  # type: ignore[index]
    assert found["10"].startswith("num_epochs comes twice, on lines 2 and 10: take out one of them")
    assert found["4"].startswith("cotmask.mask_ratio is true: it is a ratio")
    assert found["5"].startswith("cotmask.warmpu is not an option")
    assert found["9"].startswith("datasets[0].protect is true")
    assert found["11"].startswith("micro_batch_size is many: input should be a valid integer")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "line 1: this is no YAML"), ("- 1", "holds no keys with values"), ("", "holds no keys with values"),
        ("a: 2026-13-45", "this is no YAML (month must be in 1..12"), ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
        ("a: &a [*a]", "or hold themselves"), ("a: &a {b: {c: *a}}", "or hold themselves"),
        ("a: !!int ''", "this is no YAML (string index out of range)"), ("a: !!python/object:os.system {}", "this is no YAML"), ("a: \x00", "this is no YAML"), ("? [1, 2]\n: 3", ""),
    ],
)  # fmt: skip
def test_files_that_are_no_config(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CoTMaskError) as stopped:
        ConfigFile(path)
    assert expected in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_a_file_is_read_as_axolotl_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: é\n", encoding="utf-16")
    with pytest.raises(CoTMaskError, match=r"this is no YAML \('utf-8' codec can't decode byte 0xff in position 0"):
        ConfigFile(path)
    path.write_text("a: &a [é]\nb: *a\n", encoding="utf-8-sig")
    assert ConfigFile(path).content == {"a": ["é"], "b": ["é"]}


def test_sentences_stay_one_line_of_their_length() -> None:
    sentence = str(CoTMaskError("key is " + "two\nlines\x1b[31m" * 500 + ": mend it"))
    assert sentence.isprintable()
    assert len(sentence) <= 1000
    assert sentence.startswith(r"key is two\nlines\x1b[31m")
    assert sentence.endswith(": mend it")


def test_check_says_what_train_says(project: Project) -> None:
    wrong = project.config(
        "wrong",
        cotmask={"mask_ratio": True},
        datasets=[{"path": "./nowhere.jsonl", "type": "alpaca"}],
        micro_batch_size="x",
    )
    checked = project.axolotl("cotmask", "check", wrong)
    trained = project.axolotl("train", wrong)
    assert checked.status == trained.status == 1
    assert "Traceback" not in checked.output + trained.output
    for sentence in (
        "cotmask.mask_ratio is true: it is a ratio",
        "micro_batch_size is x: input should be a valid integer",
    ):
        assert sentence in checked.output
        assert sentence in trained.output
    assert "datasets[0].path is ./nowhere.jsonl, and there is no such file" in checked.output
    right = project.axolotl("cotmask", "check", project.config("right")).check()
    assert "right.yaml: nothing wrong was found" in right.output
    without = project.axolotl("cotmask", "check", project.config("without", plugins=None, cotmask=None))
    assert "plugins is null, so nothing would be masked" in without.sentence()
    assert not list(project.directory.glob("*/*.safetensors"))


def test_axolotls_own_refusals_are_sentences(project: Project) -> None:
    sentence = project.axolotl("train", project.config("schema", load_in_8bit=True)).sentence()
    assert sentence.startswith("Axolotl refuses the config: ")


@pytest.mark.parametrize("twice", [NAME, "axolotl_cotmask.training.plugin.CoTMaskPlugin"])
def test_the_plugin_named_twice(project: Project, twice: str) -> None:
    config = project.config("twice", plugins=[NAME, twice])
    for command in (("cotmask", "check"), ("train",)):
        sentence = project.axolotl(*command, config).sentence()
        assert sentence.startswith(f"plugins[1] is {twice}, and the same plugin stands above it: take out one of the")
        assert sentence.endswith(f"({config}, line {config.read_text().splitlines().index('plugins:') + 3})")


def test_what_is_no_plugin() -> None:
    assert "plugins[1] is nowhere.Plugin, which cannot be loaded (ModuleNotFoundError: No module" in said(
        {"plugins": [NAME, "nowhere.Plugin"]}
    )
    assert "plugins[1] is Plugin, which cannot be loaded (ValueError: " in said({"plugins": [NAME, "Plugin"]})
    assert "plugins[0] is null: give the name of a plugin" in said({"plugins": [None, NAME]})
    assert said({"plugins": [NAME, "axolotl.integrations.liger.LigerPlugin"]}) == ""


def test_what_a_valid_config_cannot_begin_with(project: Project) -> None:
    (project.directory / "stage.json").write_text("{", encoding="utf-8")
    sentence = project.axolotl("train", project.config("stage", deepspeed="stage.json")).sentence()
    assert sentence.startswith("Axolotl stops at the config (JSONDecodeError: Expecting property name")


def test_a_data_sets_own_noise_as_a_mapping_trains(project: Project) -> None:
    data = [{"path": str(project.directory / "train.jsonl"), "type": GSM8K, "noise": {"dropout": {"q": 0.9}}}]
    run = project.axolotl("train", project.config("mapping", datasets=data, max_steps=1)).check()
    assert "cotmask/realised_ratio" in run.output


def test_noise_and_selector_are_looked_at_where_other_options_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "base_model: somebody/model\ncotmask:\n  mask_ratio: 0,4\n  noise: maskk\n  select: numberz\n  warmpu: 1\n"
        "datasets:\n  - path: rows.jsonl\n    type: alpaca\n"
    )
    with pytest.raises(CoTMaskError) as stopped:
        faults.stop_on_faults(DictDefault({**ConfigFile(path).content, "axolotl_config_path": str(path)}))
    _, *lines = str(stopped.value).splitlines()
    assert sorted(line.strip().split(":")[0] for line in lines) == [
        "cotmask.mask_ratio is 0,4",
        "cotmask.noise is maskk",
        "cotmask.select",
        "cotmask.warmpu is not an option",
    ]
