"""Rows that ask a teacher: read from a file, as questions for a chat endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axolotl_cotmask.common.chat_answers import OWN_FIELDS, ChatQuestion
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl


def read_questions(path: Path, samples: int) -> list[ChatQuestion]:
    """Return each row of a file of JSON lines as ``samples`` questions.

    Raises:
        CoTMaskError: there are no rows, or one has no ``messages`` and no ``prompt``, or has a field of the answers.
    """
    questions = []
    for number, row in numbered_jsonl(path):
        taken = [name for name in OWN_FIELDS if name in row]
        if taken:
            raise CoTMaskError(
                f"{path}, line {number}: the field '{taken[0]}' is one of the answers to come: give rows that ask, or "
                "call it something else"
            )
        messages = _messages(row)
        if messages is None:
            raise CoTMaskError(
                f"{path}, line {number}: asks nothing: give `messages`, a list of objects with the texts `role` and "
                "`content`, or a text as `prompt`"
            )
        fields = {name: value for name, value in row.items() if name not in ("messages", "prompt")}
        questions += [ChatQuestion(messages, sample, fields) for sample in range(samples)]
    if not questions:
        raise CoTMaskError(f"{path} holds no rows: give a file with a question per line")
    return questions


def _messages(row: dict[str, Any]) -> list[dict[str, str]] | None:
    match row:
        case {"messages": [_, *_] as messages} if all(map(_is_message, messages)):
            return list(messages)
        case {"prompt": str() as prompt} if prompt.strip() and "messages" not in row:
            return [{"role": "user", "content": prompt}]
    return None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)
