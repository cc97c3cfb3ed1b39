"""Which tokens of a chat the scopes `thinking`, `answer` and `message` take: by the real templates, token by token."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from axolotl.prompt_strategies.chat_template import load
from axolotl.utils.dict import DictDefault
from datasets import Dataset
from support import chat_models
from support.small_tokenizers import sentencepiece_like
from tokenizers import AddedToken

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.datasets import PREPARED_AS, RunMasking
from axolotl_cotmask.masking.experimental.chat import CHAT_SCOPES, chat_weights
from axolotl_cotmask.masking.marks import MASK_WEIGHT, weights_from_labels
from axolotl_cotmask.training.chat_roles import check_messages, role_sentences
from axolotl_cotmask.training.preparation import mark_dataset

GOLDEN = json.loads((Path(__file__).parent / "golden_chats.json").read_text(encoding="utf-8"))
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}]  # fmt: skip
USER = {"role": "user", "content": "Say <think> please."}

Chat = list[dict[str, Any]]


def chat(model: str, *, reasoning_content: bool) -> tuple[Chat, list[dict[str, Any]] | None]:
    """Several turns, the user spelling a tag, with thinking and, where the template knows tools, a call."""
    thought = {
        reply: {"reasoning_content": thinking, "content": reply} if reasoning_content else {"content": f"<think>\n{thinking}\n</think>\n\n{reply}"}
        for thinking, reply in (("First, 2 and 3.", "It is 5."), ("I call it.", ""), ("So 12.\n\nYes: 12.", "The sum is **12**."))
    }  # fmt: skip
    call = {"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 5}}}]}
    turns = [
        {"role": "user", "content": "What is 2+3? Say <think> aloud."}, {"role": "assistant", **thought["It is 5."]},
        {"role": "user", "content": "Now add 7."}, {"role": "assistant", **thought[""], **call},
        {"role": "tool", "content": "12"}, {"role": "assistant", **thought["The sum is **12**."]},
    ]  # fmt: skip
    has_tools = model in ("qwen3", "llama3_2")
    return (turns, TOOLS) if has_tools else ([*turns[:3], turns[5]], None)


def prepared(model: str, turns: Chat, tools: Any = None, **entry: Any) -> tuple[Any, dict[str, list[int]]]:
    """The tokenizer, and a row as Axolotl's own `chat_template` makes it."""
    tokenizer = chat_models.tokenizer(model, chat_models.texts(turns))
    return tokenizer, tokenized(tokenizer, model, turns, tools, **entry)


def tokenized(tokenizer: Any, model: str, turns: Chat, tools: Any = None, **entry: Any) -> dict[str, list[int]]:
    cfg = DictDefault({"sequence_len": 4096, "eot_tokens": ["<end_of_turn>"] if model == "gemma3" else None})
    settings = {"chat_template": "tokenizer_default", "roles_to_train": ["assistant"], "train_on_eos": "turn", **entry}
    row = {"messages": copy.deepcopy(turns), **({"tools": tools} if tools else {})}
    return load(tokenizer, cfg, DictDefault(settings)).tokenize_prompt(row)


def taken(tokenizer: Any, row: dict[str, list[int]], scope: str) -> list[bool]:
    return list(chat_weights(tokenizer, row["input_ids"], weights_from_labels(row["labels"]), scope) > 0)


def drawn(model: str, *, reasoning_content: bool) -> str:
    """The row from the user's first turn on: trained turns in double brackets, tokens of thinking in angles, of
    answers in brackets."""
    tokenizer, row = prepared(model, *chat(model, reasoning_content=reasoning_content))
    thinking, answer, message = (taken(tokenizer, row, scope) for scope in CHAT_SCOPES)
    assert message == [a or b for a, b in zip(thinking, answer, strict=True)]
    text, trained = "", False
    for token, label, thinks, answers in zip(row["input_ids"], row["labels"], thinking, answer, strict=True):
        assert not (thinks and answers)
        assert not (label == -100 and (thinks or answers))
        if (label != -100) is not trained:
            trained = not trained
            text += "⟦" if trained else "⟧"
        piece = tokenizer.decode([token])
        text += f"‹{piece}›" if thinks else f"[{piece}]" if answers else piece
    return text[text.index("What is 2+3") :]


@pytest.mark.parametrize("name", GOLDEN)
def test_the_real_templates_token_by_token(name: str) -> None:
    model, _, way = name.partition(", ")
    assert drawn(model, reasoning_content=way == "reasoning_content") == GOLDEN[name]


def pieces(tokenizer: Any, row: dict[str, list[int]], scope: str) -> str:
    marks = taken(tokenizer, row, scope)
    return "".join(tokenizer.decode([token]) if take else "·" * (not before) for token, take, before in
                   zip(row["input_ids"], marks, [True, *(not mark for mark in marks)], strict=False)).strip("·")  # fmt: skip


CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "thinking in the middle": ("llama3_2", {"content": "Well. <think> 2 and 3 </think> Five."}, "2 and 3", "Well.· Five."),
    "twice": ("llama3_2", {"content": "<think> a </think> b <think> c </think> d"}, " a· c", " b· d"),
    "only thinking": ("llama3_2", {"content": "<think> so </think>"}, " so", ""),
    "empty thinking": ("qwen3", {"content": "Five.", "reasoning_content": ""}, "", "Five."),
    "empty thinking in the text": ("llama3_2", {"content": "<think>\n\n</think>\n\nFive."}, "", "Five."),
    "none": ("llama3_2", {"content": "Five."}, "", "Five."),
    "the template puts the first tag back": ("qwen3", {"content": "2 and 3</think>Five."}, "2 and 3", "Five."),
    "cut off": ("llama3_2", {"content": "<think> 2 and 3"}, " 2 and 3", ""),
    "cut off, after the template's empty thinking": ("qwen3", {"content": "<think> 2 and 3"}, " 2 and 3", ""),
    "the first tag is missing": ("llama3_2", {"content": "2 and 3 </think> Five."}, "2 and 3", " Five."),
    "thinking within thinking": ("llama3_2", {"content": "<think> a <think> b </think> c </think> d"}, " a· b· c", " d"),
    "thinking that names its tag": ("llama3_2", {"content": "<think> a <think> b </think> d"}, " a· b", " d"),
    "the same, as reasoning_content": ("qwen3", {"content": "d", "reasoning_content": "a <think> b"}, "a· b", "d"),
    "in capitals it is no tag": ("llama3_2", {"content": "<THINK> so </THINK>"}, "", "<THINK> so </THINK>"),
    "signs that share a token with a tag": ("llama3_2", {"content": "<think>(so).</think>(yes)."}, "so", "yes)."),
    "bytes of a character": ("llama3_2", {"content": "<think> 🎉 数 </think> 🎉"}, " 🎉 数", " 🎉"),
    "JSON that is no call": ("llama3_2", {"content": '{"answer": 5}'}, "", '{"answer": 5}'),
    "JSON that is no object": ("llama3_2", {"content": "[1, 2]"}, "", "[1, 2]"),
    "a call": ("llama3_2", {"content": '{"name": "f", "parameters": {}}'}, "", ""),
    "several calls": ("llama3_2", {"content": '<think> go </think>[{"name": "f", "arguments": {}}]'}, " go", ""),
    "a call by its token": ("llama3_2", {"content": '<think> go </think> Yes.<|python_tag|>f.call(x="<think>")'}, " go", "Yes."),
    "a call within thinking": ("smollm3", {"content": '<think> try <tool_call>{"name": "f"}</tool_call> so </think>Yes.'}, " try· so", "Yes."),
    "thinking of a tag": ("smollm3", {"content": "<think> a <tool_call> it is </think>Yes."}, " a", "Yes."),
    "a call that is cut off": ("smollm3", {"content": '<think> a </think> Yes. <tool_call>{"name": "f"'}, " a", " Yes."),
    "a call that spells its end": ("smollm3", {"content": '<tool_call>{"s": "</tool_call>"}</tool_call> Yes.'}, "", " Yes."),
    "an end of no call": ("smollm3", {"content": '{"name": "f"}</tool_call> Yes.'}, "", " Yes."),
    "several calls in tags": ("smollm3", {"content": "So <tool_call>{}</tool_call> and <tool_call>{}</tool_call> Yes."}, "", "So· and· Yes."),
    "a tag within a call": ("smollm3", {"content": '<think> x </think><tool_call>{"s": "</think>"}</tool_call> Yes.'}, " x", " Yes."),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_thinking_and_what_an_answer(name: str) -> None:
    model, reply, thinking, answer = CASES[name]
    tokenizer, row = prepared(model, [USER, {"role": "assistant", **reply}])
    assert (pieces(tokenizer, row, "thinking").strip(), pieces(tokenizer, row, "answer").strip()) == (thinking.strip(), answer.strip())  # fmt: skip


def test_a_part_of_thinking_that_is_not_trained_on_is_not_masked() -> None:
    parts = [{"type": "text", "text": "Go on", "train": False}, {"type": "text", "text": " and so.", "train": True}]
    end = [{"type": "text", "text": "The end.", "train": False}]
    tokenizer, row = prepared("qwen3", [USER, {"role": "assistant", "content": end, "reasoning_content": parts}])
    assert (pieces(tokenizer, row, "thinking"), pieces(tokenizer, row, "answer")) == (" and so.", "")


def test_turns_that_are_not_trained_on_are_not_read() -> None:
    turns = [USER, {"role": "assistant", "content": "<think>", "training": False}, USER,
             {"role": "assistant", "content": "Yes.", "reasoning_content": "hm", "training": True}]  # fmt: skip
    tokenizer, row = prepared("qwen3", turns, message_field_training="training")
    assert (pieces(tokenizer, row, "thinking"), pieces(tokenizer, row, "answer")) == ("hm", "Yes.")


def test_tags_that_are_special_tokens() -> None:
    tokenizer = sentencepiece_like(additional_special_tokens=["<think>", "</think>"])
    ids = tokenizer("If the answer is x <think>many apples</think> print</s>")["input_ids"]
    row = {"input_ids": ids, "labels": [-100] * 5 + ids[5:]}
    assert pieces(tokenizer, row, "thinking").replace(" ", "") == "manyapples"
    assert pieces(tokenizer, row, "answer").replace(" ", "") == "x·print"


def marked(model: str, *replies: str, scope: str = "thinking", **entry: Any) -> Dataset:
    """Rows of one reply each, marked as the plugin does it."""
    turns = [[USER, {"role": "assistant", "content": reply}] for reply in replies]
    tokenizer = chat_models.tokenizer(model, chat_models.texts(turn for row in turns for turn in row))
    rows = [tokenized(tokenizer, model, of_row) for of_row in turns]
    config = parse_config({"mask_ratio": 0.4, "scope": scope, **entry.pop("block", {})})
    data_set = {"path": "chats.jsonl", "type": "chat_template", **entry}
    data_set[PREPARED_AS] = RunMasking(config, [data_set]).describe(0, None, trains=entry.pop("trains", True))
    return mark_dataset(Dataset.from_list(rows), data_set, tokenizer, None)


def test_where_nothing_is_masked_a_chat_may_have_no_thinking() -> None:
    for settings in ({"block": {"mask_ratio": 0}}, {"mask_ratio": 0}, {"trains": False}):
        assert marked("llama3_2", "Five.", **settings).num_rows == 1


def test_a_template_without_thinking() -> None:
    with pytest.raises(
        CoTMaskError, match=r"chats.jsonl: cotmask.scope is thinking, and no trained turn of its rows has"
    ):
        marked("llama3_2", "Five.", "Yes.")
    weights = marked("llama3_2", "Five.", "<think> so </think> Yes.", scope="thinking")[MASK_WEIGHT]
    assert [any(row) for row in weights] == [False, True], "a row may have none"


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"train_on_inputs": True}, "train_on_inputs"),
        ({"datasets": [{}, {"roles_to_train": ["gpt", "human"]}]}, r"datasets\[1\].roles_to_train"),
        ({"datasets": [{"roles_to_train": ["gpt"], "roles": {"assistant": ["model"]}}]}, r"datasets\[0\].roles_to_train"),
    ],
)  # fmt: skip
def test_others_than_the_assistant_are_not_trained_on(config: dict[str, Any], key: str) -> None:
    (sentence,) = role_sentences(config, "answer")
    assert re.search(f"scope is answer, which is the assistant's, and {key} trains", sentence)


def test_the_assistant_by_any_name_is_trained_on() -> None:
    entries = [
        {"roles_to_train": ["assistant", "gpt"]},
        {"roles_to_train": ["model"], "roles": {"assistant": ["model"]}},
        {},
    ]
    assert not list(role_sentences({"datasets": entries, "test_datasets": [{"roles_to_train": ["user"]}]}, "answer"))


TRAINED: dict[str, tuple[dict[str, Any], bool]] = {
    "by its field": ({"train": True}, True),
    "its field says no": ({"train": False, "detail": [{"train": True}]}, False),
    "by its detail": ({"detail": [{"begin_offset": 0, "end_offset": 1, "train": True}]}, True),
    "by a part": ({"value": [{"text": "a", "train": True}]}, True),
    "by the weight of a part": ({"value": [{"text": "a", "weight": 1}]}, True),
    "by no part": ({"value": [{"text": "a", "train": False}, {"text": "b"}]}, False),
    "by nothing": ({"value": "a"}, False),
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_message_of_another_that_is_trained_on_is_named(name: str) -> None:
    message, trained = TRAINED[name]
    entry = {"path": "chats.jsonl", "type": "chat_template", "message_field_training": "train", "message_field_training_detail": "detail",
             "field_messages": "turns", "message_property_mappings": {"role": "from", "content": "value"}}  # fmt: skip
    rows = [
        {"turns": json.dumps([{"from": "human", "value": "a"}, {"from": "gpt", **message}])},
        {"turns": [{"from": "human", **message}]},
    ]
    check_messages(rows[:1], entry, "thinking")
    if not trained:
        check_messages(rows, entry, "thinking")
        return
    with pytest.raises(CoTMaskError, match=r"chats.jsonl, row 2: .* a message of the human says that it is trained on"):
        check_messages(rows, entry, "thinking")


def test_parts_are_looked_at_without_any_field() -> None:
    rows = [{"messages": [{"role": "user", "content": [{"text": "a", "train": True}]}]}]
    with pytest.raises(CoTMaskError, match=r"row 1: .* a message of the user"):
        check_messages(rows, {"path": "chats.jsonl", "type": "chat_template"}, "thinking")
    check_messages([], {"path": "chats.jsonl", "type": "chat_template"}, "thinking")
    check_messages([{"messages": ["of another type"]}], {"path": "texts.jsonl", "type": "a.type"}, "thinking")


def test_a_turn_ends_at_an_added_token_that_is_not_special() -> None:
    tokenizer = chat_models.tokenizer("llama3_2", ["So. Yes."])
    tokenizer.add_tokens([AddedToken("<|end|>", special=False, normalized=False)])
    ids = tokenizer("So.<|end|>", add_special_tokens=False)["input_ids"]
    row = {"input_ids": [*ids, *ids], "labels": [*ids, *ids]}
    assert pieces(tokenizer, row, "answer") == "So.·So."
