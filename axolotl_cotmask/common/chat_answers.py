"""Many questions to a chat endpoint, whose answers are kept in a file line by line, so that none is asked for twice."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.chat import Endpoint, Message, NoReplyError, Reply
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import numbered_jsonl, parse_json
from axolotl_cotmask.common.places import check_place

#: What a line of the file has besides the question's own fields.
OWN_FIELDS = ("key", "model", "settings", "sample", "answer", "finish_reason")

#: Why an endpoint stopped before the model had ended.
_CUT_SHORT = ("length", "content_filter")

_FIRST_BYTES = b'{"key": "'
#: So many requests without an answer, one after the other, end the asking: the endpoint is at fault, and not they.
_FAILURES_IN_A_ROW = 5

#: Goes through an iterable of the given length, and shows how far it is.
AskProgress = Callable[[Iterable[Any], int], Iterable[Any]]


def was_cut(row: Mapping[str, Any]) -> bool:
    """Return whether the answer in a line of the file was cut off."""
    return row.get("finish_reason") in _CUT_SHORT


@dataclass(frozen=True)
class ChatQuestion:
    """What is asked: ``sample`` counts answers to the same messages from 0, ``fields`` go into the answer's line."""

    messages: Sequence[Message]
    sample: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)

    def key(self, endpoint: Endpoint) -> str:
        """Return what tells the answer: a hash of model, messages, settings and sample."""
        told = [endpoint.model, list(map(dict, self.messages)), dict(endpoint.settings), self.sample]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def ask_all(
    endpoint: Endpoint,
    questions: Sequence[ChatQuestion],
    path: Path,
    *,
    at_once: int = 1,
    progress: AskProgress = lambda answers, _: answers,
    begin: Callable[[int, int], None] = lambda _kept, _missing: None,
) -> list[dict[str, Any]]:
    """Ask for the answers that are not in ``path`` yet, and return the lines of all, in the order of ``questions``.

    Each answer is appended as a whole line when it comes. What a killed process left of its last line is cut off.

    Args:
        at_once: requests that are under way at the same time.
        progress: shows how far it is.
        begin: is told how many answers are there, and how many are asked for.

    Raises:
        CoTMaskError: the file is somebody else's, or in use; or answers are missing at the end, or five requests in a
            row got none. What was answered is in the file then.
    """
    keys = [question.key(endpoint) for question in questions]
    with _opened(path) as file:
        lines = {row["key"]: row for row in _rows(path)}
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in lines}
        begin(len(set(keys)) - len(missing), len(missing))
        failures: list[str] = []
        in_a_row = 0

        def answered(item: tuple[str, ChatQuestion]) -> tuple[str, Reply | NoReplyError]:
            try:
                return item[0], endpoint.complete(item[1].messages)
            except NoReplyError as error:
                return item[0], error

        # Its threads do not outlive the process: Ctrl-C need not wait for them.
        with ThreadPool(min(at_once, len(missing)) or 1) as pool:
            for key, reply in progress(pool.imap_unordered(answered, missing.items()), len(missing)):
                if isinstance(reply, Reply):
                    in_a_row = 0
                    lines[key] = _line(key, missing[key], endpoint, reply)
                    _append(file, path, lines[key])
                    continue
                in_a_row += 1
                failures.append(str(reply))
                if in_a_row == _FAILURES_IN_A_ROW:
                    break
    if failures:
        left = len(missing.keys() - lines.keys())
        raise CoTMaskError(
            f"{endpoint.url}: {left} of {len(missing)} answers did not come ({failures[-1]}); what came is in {path}: "
            "see to the endpoint, and run the same command again for the rest"
        )
    return [lines[key] for key in keys]


def _line(key: str, question: ChatQuestion, endpoint: Endpoint, reply: Reply) -> dict[str, Any]:
    return {
        "key": key,
        "model": endpoint.model,
        "settings": dict(endpoint.settings),
        **question.fields,
        "sample": question.sample,
        "answer": reply.text,
        "finish_reason": reply.finish_reason,
    }


def _append(file: FileIO, path: Path, row: dict[str, Any]) -> None:
    # As ASCII: half a character, as a text that was cut off may end in, has no UTF-8.
    line = json.dumps(row).encode() + b"\n"
    try:
        while line:
            line = line[file.write(line) :]
    except OSError as error:
        raise CoTMaskError(f"{path}: cannot be written ({error.strerror}): make room, and run it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    """Yield the file of answers at its end, for this process alone; it is made where it is not there."""
    check_place(path)
    # Unbuffered, so that what a full disk refuses is not tried again when it is closed.
    with path.open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CoTMaskError(f"{path}: another process is writing answers there: wait for it to end") from None
        except OSError as error:
            raise CoTMaskError(f"{path}: cannot be locked ({error.strerror}): name a file on a local disk") from error
        file.seek(0)
        content = file.read()
        if content and content[: len(_FIRST_BYTES)] != _FIRST_BYTES[: len(content)]:
            raise CoTMaskError(f"{path}: holds something else than answers of an endpoint: name another file")
        _end_with_whole_line(file, content)
        yield file


def _end_with_whole_line(file: FileIO, content: bytes) -> None:
    last = content[content.rfind(b"\n") + 1 :]
    if not last:
        return
    try:
        parse_json(last)
    except ValueError:
        file.truncate(len(content) - len(last))
    else:
        file.write(b"\n")


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, row in numbered_jsonl(path, ("key", "answer")):
        if not isinstance(row["key"], str) or not isinstance(row["answer"], str):
            raise CoTMaskError(f"{path}, line {number}: is no answer of an endpoint: remove the line")
        rows.append(row)
    return rows
