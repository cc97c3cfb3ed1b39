"""What data teach is told before training: rows without labels, types that are none, and chats that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from datasets import Dataset
from support.project import Project, Rows, write_jsonl
from transformers import AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.training.chat_roles import message_fault
from axolotl_cotmask.training.labels import check_labels, count_unmaskable
from axolotl_cotmask.training.types import check_types

CHAT = {"path": "chats.jsonl", "type": "chat_template"}


def chat(*roles: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "Yes, 3 + 4 = 7.", **fields} for role in roles]}


def labelled(*rows: list[int]) -> Dataset:
    return Dataset.from_dict({"labels": list(rows)})


def test_rows_without_a_label_are_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = [chat("user", "assistant")] * 2500
    prepared = labelled(*([[-100, 5]] * 1200 + [[-100, -100], []] + [[-100, 5]] * 1298))
    check_labels(prepared, rows, CHAT)
    assert "chats.jsonl: 2 of 2500 rows have no label, so nothing is learnt from them (rows 1201, 1202)" in caplog.text
    caplog.clear()
    check_labels(labelled([5], [-100]), rows, CHAT)
    assert "1 of 2 rows have no label, so nothing is learnt from them\n" in caplog.text + "\n", "some were left out"
    caplog.clear()
    check_labels(labelled([5], [5]), rows, CHAT)
    assert caplog.text == ""


def test_no_label_at_all_stops_with_the_roles_that_are_there() -> None:
    rows = [chat("user", "bot"), chat("user")]
    with pytest.raises(CoTMaskError) as caught:
        check_labels(labelled([-100], [-100]), rows, CHAT)
    assert str(caught.value) == (
        "chats.jsonl: none of its 2 rows has a label, so nothing would be learnt from it (its messages are of bot, user, "
        "and an assistant is assistant or gpt): mend the data, or what its entry says of them"
    )
    with pytest.raises(CoTMaskError, match="nothing would be learnt from it: mend the data"):
        check_labels(labelled([-100], [-100]), [{"text": "a"}] * 2, {"path": "x", "type": "completion"})


def test_rows_without_a_token_to_mask_are_counted() -> None:
    assert count_unmaskable(Dataset.from_dict({"mask_weight": [[0.0, 1.0], [0.0], [0.5]]})) == 1
    with pytest.raises(CoTMaskError, match="no token of the 2 training rows may be masked, so this would be plain SFT"):
        count_unmaskable(Dataset.from_dict({"mask_weight": [[0.0, 0.0], [0.0]]}))


@pytest.mark.parametrize("logging_steps", [1, 3])
def test_steps_without_a_token_to_mask_are_no_reason_to_stop(project: Project, logging_steps: int) -> None:
    """Where a selector or scope finds something in few rows, whole steps may have nothing of it."""
    rows = [{"instruction": "Is it?", "output": "It is 7." if i % 12 == 0 else "It is so."} for i in range(48)]
    write_jsonl(project.directory / "few.jsonl", rows)
    out = project.train(
        "few", datasets=[{"path": str(project.directory / "few.jsonl"), "type": "alpaca"}], num_epochs=2,
        micro_batch_size=2, max_steps=40, logging_steps=logging_steps, save_strategy="steps", save_steps=20,
        cotmask={"mask_ratio": 0.9, "noise": "random", "select": "numbers", "schedule": "constant"},
    )  # fmt: skip
    history = json.loads((out / "checkpoint-40" / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    shares = [entry["cotmask/maskable_share"] for entry in history if "cotmask/maskable_share" in entry]
    assert (min(shares), max(shares) > 0) == (0, True) if logging_steps == 1 else max(shares) > 0
    assert (out / "model.safetensors").is_file()


def test_a_packed_step_of_one_long_row_without_a_token_to_mask_is_none_either(project: Project) -> None:
    rows = [{"instruction": "Is it?", "output": "It is 7."}] * 40 + [{"instruction": "Is it?", "output": "so " * 180}]
    write_jsonl(project.directory / "long.jsonl", rows)
    out = project.train(
        "long", datasets=[{"path": str(project.directory / "long.jsonl"), "type": "alpaca"}], sample_packing=True,
        micro_batch_size=1, num_epochs=2, sequence_len=256,
        cotmask={"mask_ratio": 0.9, "noise": "random", "select": "numbers", "schedule": "constant"},
    )  # fmt: skip
    assert (out / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("chat_templat", "datasets[0].type is chat_templat, and there is no such type: did you mean chat_template?"),
        ("axolotl_cotmask.prompt_strategy.gsm8k", "did you mean axolotl_cotmask.prompt_strategies.gsm8k?"),
        ("axolotl_cotmask.prompt_strategies.gsm9k", "did you mean axolotl_cotmask.prompt_strategies.gsm8k?"),
        ("alpacka", "did you mean alpaca?"),
        ("..", "datasets[0].type is .., and there is no such type: mend the name"),
        ("nowhere.at.all", "datasets[0].type is nowhere.at.all, and there is no such type: mend the name"),
        ("chat_template", "datasets[0].type is chat_template, and there is no chat template (`chat_template choice is"),
    ],
)
def test_a_type_that_is_none(project: Project, type_: str, said: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    with pytest.raises(CoTMaskError) as caught:
        check_types({"datasets": [{"path": "x.jsonl", "type": type_}]}, tokenizer)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        *({"type": name} for name in ("alpaca", "completion", "input_output", "alpaca_w_system.load_open_orca", "explainchoice", "alpaca:chat", "stepwise_supervised", "axolotl_cotmask.prompt_strategies.gsm8k")),
        {"type": {"field_instruction": "a", "field_output": "b"}}, {"type": None}, {"type": "chat_template", "chat_template": "chatml"},
    ],
)  # fmt: skip
def test_a_type_that_is_there(project: Project, entry: dict[str, Any]) -> None:
    check_types({"datasets": [{"path": "x.jsonl", **entry}]}, AutoTokenizer.from_pretrained(project.model))


def test_a_type_of_the_working_directory(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.directory)
    cfg = {"datasets": [{"path": "x.jsonl", "type": "mine.formats.chat"}]}
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    with pytest.raises(CoTMaskError, match=r"mine\.formats\.chat, and there is no such type"):
        check_types(cfg, tokenizer)
    (project.directory / "mine" / "formats").mkdir(parents=True)
    (project.directory / "mine" / "formats" / "chat.py").touch()
    check_types(cfg, tokenizer)
    check_types({"datasets": [{"path": "x.jsonl", "type": "mine.formats.chat.load_it"}]}, tokenizer)


WHOLE = chat("user", "assistant")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([WHOLE, {"conversations": [], "id": 1}], "row 2: the field 'messages' is missing (there are: conversations, id): rename"),
        ([WHOLE, {"messages": None, "id": 1}], "row 2: the field 'messages' is missing (there are: id): rename"),
        ([{"messages": "hello"}], "row 1: the field 'messages' is no list of messages: mend or remove the row"),
        ([{"messages": {"role": "user"}}], "row 1: the field 'messages' is no list of messages"),
        ([{"messages": ["hello"]}], "row 1: the field 'messages' is no list of messages"),
        ([WHOLE, {"messages": [*WHOLE["messages"], {"role": "assistant", "content": None}]}], "row 2, message 3 has no content: give it one"),
        ([{"messages": [{"from": "human", "content": "a"}]}], "row 1, message 1 has no role: give it one"),
        ([{"messages": json.dumps(WHOLE["messages"])}, WHOLE], None),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_read(rows: Rows, said: str | None) -> None:
    found = message_fault(rows, CHAT)
    assert found is None if said is None else found is not None and found.startswith(said)


def test_what_a_type_cannot_prepare_is_one_sentence(project: Project) -> None:
    path = write_jsonl(project.directory / "chats.jsonl", [WHOLE, {"conversations": WHOLE["messages"]}])
    entry = {"path": str(path), "type": "chat_template", "chat_template": "chatml"}
    said = project.axolotl("cotmask", "preview", project.config(datasets=[entry])).sentence()
    assert said.startswith(f"{path}, row 2: the field 'messages' is missing (there are: conversations)")
    path = write_jsonl(project.directory / "rows.jsonl", [{"question": "a", "reply": "b"}])
    said = project.axolotl("train", project.config(datasets=[{"path": str(path), "type": "alpaca"}])).sentence()
    assert said.startswith(f"{path}: its rows cannot be prepared by type alpaca (KeyError: 'instruction'")
