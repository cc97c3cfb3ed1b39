"""Stops where not only the assistant's turns of a chat are trained on, and a scope of the assistant's is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.datasets import dataset_entries

_MEND = "take that out, or set scope: target"


def check_roles(cfg: Mapping[str, Any], scope: str) -> None:
    """Check what the config says is trained on.

    Raises:
        CoTMaskError: names the key.
    """
    trained = {"train_on_inputs": cfg.get("train_on_inputs")}
    for name, entry in dataset_entries({"datasets": cfg.get("datasets")}):
        others = set(entry.get("roles_to_train") or ()) - _assistants(entry)
        trained[f"{name}.roles_to_train"] = sorted(others)
    for key, value in trained.items():
        if value:
            raise CoTMaskError(
                f"cotmask.scope is {scope}, which is the assistant's, and {key} trains on what others wrote: {_MEND}"
            )


def check_messages(rows: Iterable[Mapping[str, Any]], entry: Mapping[str, Any], scope: str) -> None:
    """Check what the messages of a data set say themselves.

    Args:
        rows: as they were read.
        entry: of ``datasets:``.
        scope: of the run.

    Raises:
        CoTMaskError: a message of another role says that it is trained on; the sentence names row and key.
    """
    keys = [key for key in ("message_field_training", "message_field_training_detail") if entry.get(key)]
    if not keys:
        return
    role_field = (entry.get("message_property_mappings") or {}).get("role") or "role"
    for number, row in enumerate(rows, start=1):
        messages = row.get(entry.get("field_messages") or "messages") or ()
        for message in json.loads(messages) if isinstance(messages, str) else messages:
            for key in keys:
                if message.get(entry[key]) and message.get(role_field) not in _assistants(entry):
                    raise CoTMaskError(
                        f"{entry['path']}, row {number}: cotmask.scope is {scope}, which is the assistant's, and a "
                        f"message of the {message.get(role_field)} is trained on by {key}: {_MEND}"
                    )


def _assistants(entry: Mapping[str, Any]) -> set[str]:
    """Return the names of the assistant's role, in the entry's own table or in Axolotl's."""
    return {"assistant", *((entry.get("roles") or {}).get("assistant") or ("gpt",))}
