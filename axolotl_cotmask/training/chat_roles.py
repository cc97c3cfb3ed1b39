"""Stops where not only the assistant's turns of a chat are trained on, and a scope of the assistant's is asked for."""

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
    if not str(entry.get("type")).startswith("chat_template"):
        return
    first = next(iter(rows), None)
    fields = [entry.get(key) for key in ("message_field_training", "message_field_training_detail")]
    if first is None or not (any(fields) or any(_has_parts(message, entry) for message in _messages(first, entry))):
        return
    role_field = (entry.get("message_property_mappings") or {}).get("role") or "role"
    for number, row in enumerate(rows, start=1):
        for message in _messages(row, entry):
            role = message.get(role_field)
            if role not in _assistants(entry) and _is_trained(message, entry, *fields):
                raise CoTMaskError(
                    f"{entry['path']}, row {number}: cotmask.scope is {scope}, which is the assistant's, and a message "
                    f"of the {role} says that it is trained on: {_MEND}"
                )


def _messages(row: Mapping[str, Any], entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = row.get(entry.get("field_messages") or "messages") or []
    return json.loads(messages) if isinstance(messages, str) else messages


def _content(message: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    return message.get((entry.get("message_property_mappings") or {}).get("content") or "content")


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
