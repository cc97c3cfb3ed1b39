"""Every key of Axolotl's about data is honoured or refused where a type of ours prepares the rows: none is ignored."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axolotl
import pytest
from axolotl.utils.schemas.config import AxolotlInputConfig
from axolotl.utils.schemas.datasets import SFTDataset
from support.project import Project

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.training import keys
from axolotl_cotmask.training.keys import key_faults, our_types

GSM8K = "axolotl_cotmask.prompt_strategies.gsm8k"
CHAT = "axolotl_cotmask.prompt_strategies.gsm8k_chat"
REFUSED = {**keys.NEVER, **keys.NEVER_WITH_OURS, **keys.NEVER_WITH_OURS_ALONE}
#: Axolotl's code that makes training rows of data, beside its prompt strategies.
_DATA = ("prompt_tokenizers.py", "prompters.py", "datasets.py", "common/datasets.py", "loaders/tokenizer.py")
#: Keys that are read for what no run with the plugin can be (preference training, pre-training, streams), or for logs.
_NOT_FOR_ROWS = {
    "accelerator_config", "debug", "ebft", "kd_temperature", "pretrain_multipack_attn", "pretraining_sample_concatenation",
    "processor_type", "streaming_multipack_buffer_size",
}  # fmt: skip


def check_keys(cfg: dict[str, Any]) -> None:
    for fault in key_faults(cfg):
        raise CoTMaskError(fault.sentence)


def config(*types: str, entry: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {"datasets": [{"path": "rows.jsonl", "type": type_, **(entry or {})} for type_ in types], **changes}


def test_the_table_knows_every_field_of_an_entry() -> None:
    assert keys.ENTRY_HONOURED | keys.ENTRY_REFUSED.keys() == SFTDataset.model_fields.keys()
    assert not keys.ENTRY_HONOURED & keys.ENTRY_REFUSED.keys()


def test_the_table_knows_every_key_of_the_config_that_makes_rows() -> None:
    known = keys.CONFIG_HONOURED | REFUSED.keys()
    assert set(read_by_axolotl()) - _NOT_FOR_ROWS == known - {"process_reward_model", "trainer_cls"}
    assert not keys.CONFIG_HONOURED & REFUSED.keys()
    assert known <= AxolotlInputConfig.model_fields.keys()


def read_by_axolotl() -> Iterator[str]:
    """The keys of the config that Axolotl's code reads on the way from data to rows."""
    root = Path(axolotl.__file__).parent
    rooms = ("prompt_strategies/**/*.py", "utils/data/*.py", "utils/chat_templates/*.py")
    for path in [*(path for room in rooms for path in root.glob(room)), *(root / name for name in _DATA)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(ast.Name("cfg") | ast.Attribute(attr="cfg"), str(key)) if key != "get":
                    yield key
                case ast.Call(ast.Attribute(ast.Name("cfg"), "get"), [ast.Constant(str(key)), *_]):
                    yield key


def test_the_documentation_names_every_key_of_an_entry_and_every_refused_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    missing = [key for key in {*keys.ENTRY_HONOURED, *keys.ENTRY_REFUSED, *REFUSED} if f"`{key}`" not in text]
    assert not missing


@pytest.mark.parametrize("key", [*keys.ENTRY_REFUSED, "system_prompt", "field_chosen", "step_separator"])
@pytest.mark.parametrize("type_", [GSM8K, CHAT])
def test_fields_of_an_entry_that_would_be_ignored(key: str, type_: str) -> None:
    with pytest.raises(CoTMaskError, match=rf"^datasets\[0\]\.{key} is (set|not an option)"):
        check_keys(config(type_, entry={key: "something"}))
    # Axolotl's own types may honour it.
    check_keys(config("alpaca", entry={key: "something"}))


@pytest.mark.parametrize("key", REFUSED)
def test_keys_of_the_config_that_would_be_ignored(key: str) -> None:
    with pytest.raises(CoTMaskError, match=f"^{key} is set, "):
        check_keys(config(GSM8K, **{key: True}))
    for off in (None, False):
        check_keys(config(GSM8K, **{key: off}))
    mixed = config(GSM8K, "chat_template", **{key: True})
    if key in keys.NEVER_WITH_OURS_ALONE:
        check_keys(mixed)
        check_keys({**config("chat_template", **{key: True}), "test_datasets": mixed["datasets"]})
    else:
        with pytest.raises(CoTMaskError, match=f"^{key} is set, "):
            check_keys(mixed)
    if key not in keys.NEVER:
        check_keys(config("alpaca", **{key: True}))


def test_what_is_honoured_passes() -> None:
    check_keys(config(*our_types(), entry=dict.fromkeys(keys.ENTRY_HONOURED - {"type"}, 1)))
    check_keys(config(CHAT, chat_template_kwargs={"enable_thinking": False}))
    check_keys(config(GSM8K, CHAT, chat_template_kwargs={"enable_thinking": False}))
    with pytest.raises(CoTMaskError, match="since only gsm8k_chat fills in a chat template"):
        check_keys(config(GSM8K, chat_template_kwargs={"enable_thinking": False}))


def test_a_validated_config_is_checked_again_on_a_ray_worker() -> None:
    entry = SFTDataset(path="rows.jsonl", type=GSM8K).model_dump(exclude_none=True)
    assert entry["message_property_mappings"], "Axolotl fills it in"
    check_keys({"datasets": [entry], "train_on_inputs": False})


def test_our_types() -> None:
    assert len(our_types()) == 7
    assert GSM8K in our_types()
    with pytest.raises(
        CoTMaskError, match=r"datasets\[0\]\.type is .*gsm8, and there is no such type: did you mean .*\.gsm8k\?"
    ):
        check_keys(config(GSM8K[:-1]))
    with pytest.raises(CoTMaskError, match=r"there is no such type: "):
        check_keys(config(GSM8K.replace("gsm8k", "strategy")))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train_on_inputs": True}, "train_on_inputs is set, which the types"),
        ({"datasets": config(GSM8K, entry={"roles_to_train": ["assistant"]})["datasets"]}, "datasets[0].roles_to_train is set"),
        ({"datasets": config(GSM8K, entry={"system_prompt": "Think."})["datasets"]}, "datasets[0].system_prompt is not an option"),
        ({"datasets": config(GSM8K + ":chat")["datasets"]}, "datasets[0].type is axolotl_cotmask.prompt_strategies.gsm8k:chat"),
    ],
    ids=["config", "entry", "unknown", "type"],
)  # fmt: skip
def test_they_stop_a_run(project: Project, changes: dict[str, Any], sentence: str) -> None:
    assert project.axolotl("train", project.config(**changes)).sentence().startswith(sentence)
