"""The messages of chats: whose are trained on where a scope of the assistant's is asked for, and which are broken."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError, key_name
from axolotl_cotmask.masking.datasets import dataset_entries

_MEND = "take that out, or set scope: target"


def role_sentences(cfg: Mapping[str, Any], scope: str) -> Iterator[str]:
    """Yield a sentence for each key of a config that has others' turns trained on."""
    trained = {"train_on_inputs": cfg.get("train_on_inputs")}
    for key, entry in dataset_entries({"datasets": cfg.get("datasets")}):
        others = set(entry.get("roles_to_train") or ()) - _assistants(entry)
        trained[key_name((*key, "roles_to_train"))] = sorted(others)
    for name, value in trained.items():
        if value:
            yield f"cotmask.scope is {scope}, which is the assistant's, and {name} trains on what others wrote: {_MEND}"


def check_messages(rows: Iterable[Mapping[str, Any]], entry: Mapping[str, Any], scope: str) -> None:
    """Check what the messages of a data set say themselves, by a field of their own or of the parts of their content.

    Args:
        rows: as they were read.
        entry: of ``datasets:``.
        scope: of the run.

    Raises:
        CoTMaskError: a message of another role is trained on; the sentence names the row.
    """
    if not _is_chat(entry):
        return
    first = next(iter(rows), None)
    fields = [entry.get(key) for key in ("message_field_training", "message_field_training_detail")]
    if first is None or not (any(fields) or any(_has_parts(message, entry) for message in _messages(first, entry))):
        return
    role_field = _property("role", entry)
    for number, row in enumerate(rows, start=1):
        for message in _messages(row, entry):
            role = message.get(role_field)
            if role not in _assistants(entry) and _is_trained(message, entry, *fields):
                raise CoTMaskError(
                    f"{entry['path']}, row {number}: cotmask.scope is {scope}, which is the assistant's, and a message "
                    f"of the {role} says that it is trained on: {_MEND}"
                )


def roles_told(rows: Iterable[Mapping[str, Any]], entry: Mapping[str, Any]) -> str:
    """Return which roles the messages of a data set of chats have, and which are an assistant's, for a sentence."""
    if not _is_chat(entry):
        return ""
    field = _property("role", entry)
    roles = sorted({str(message.get(field)) for row in rows for message in _messages(row, entry)})
    return f" (its messages are of {', '.join(roles)}, and an assistant is {' or '.join(sorted(_assistants(entry)))})"


def message_fault(rows: Iterable[Mapping[str, Any]], entry: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first row of a data set of chats whose messages cannot be read, if there is one."""
    if not _is_chat(entry):
        return None
    field = entry.get("field_messages") or "messages"
    for number, row in enumerate(rows, start=1):
        if row.get(field) is None:
            there = ", ".join(sorted(name for name, value in row.items() if value is not None))
            return (
                f"row {number}: the field '{field}' is missing (there are: {there}): rename the column, or name it as "
                "field_messages"
            )
        try:
            messages = _messages(row, entry)
        except ValueError:
            messages = None
        if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
            return f"row {number}: the field '{field}' is no list of messages: mend or remove the row"
        for place, message in enumerate(messages, start=1):
            for name in ("role", "content"):
                if message.get(_property(name, entry)) is None:
                    return (
                        f"row {number}, message {place} has no {_property(name, entry)}: give it one (an empty text "
                        "beside tool calls), or name the field in message_property_mappings"
                    )
    return None


def _is_chat(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("type")).startswith("chat_template")


def _property(name: str, entry: Mapping[str, Any]) -> str:
    return str((entry.get("message_property_mappings") or {}).get(name) or name)


def _messages(row: Mapping[str, Any], entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = row.get(entry.get("field_messages") or "messages") or []
    return json.loads(messages) if isinstance(messages, str) else messages


def _content(message: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    return message.get(_property("content", entry))


def _has_parts(message: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return isinstance(_content(message, entry), list)


def _is_trained(message: Mapping[str, Any], entry: Mapping[str, Any], field: str | None, detail: str | None) -> bool:
    """Whether a message says that it is trained on, in the order in which Axolotl asks."""
    if field and message.get(field) is not None:
        return bool(message[field])
    parts = _content(message, entry) if _has_parts(message, entry) else []
    return bool(detail and message.get(detail)) or any(part.get("train") or part.get("weight") for part in parts)


def _assistants(entry: Mapping[str, Any]) -> set[str]:
    """Return the names of the assistant's role, in the entry's own table or in Axolotl's."""
    return {"assistant", *((entry.get("roles") or {}).get("assistant") or ("gpt",))}
