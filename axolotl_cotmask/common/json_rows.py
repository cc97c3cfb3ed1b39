"""What is wrong with a file of JSON rows, whichever reader meets it: on lines, in an array, or one behind another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from axolotl_cotmask.common.files import json_kind, parse_json, unique_keys

#: An escape that may be half a character.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]", re.ASCII)
#: What may stand between the values of JSON.
_SPACE = " \t\r\n"


def json_fault(path: Path) -> str | None:
    """Return the first fault of a file of JSON objects, with its line, or None.

    Lines that hold an object each are read one by one, and so take no memory. It holds what a reader may pass over in
    silence: a key that comes twice, half a character, NaN.
    """
    with path.open("rb") as file:
        if file.read(3) == b"\xef\xbb\xbf" and file.read(1) == b"[":
            return "it begins with a byte order mark: save it as UTF-8 without one"
    number = 0
    rows = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                return f"line {number}: not UTF-8"
            if not text.strip():
                continue
            try:
                fault = _fault_of(parse_json(text))
            except json.JSONDecodeError as error:
                # An object or an array over several lines, or several objects on one.
                found = _fault_of_whole(path.read_bytes())
                # Where rows stood on lines before, this one was to do so.
                return f"line {number}: not a complete JSON object ({error.msg})" if found and rows else found
            except ValueError as error:
                fault = str(error)
            else:
                if fault is None and (fault := _hidden(text)) is None:
                    rows += 1
                    continue
                if text.startswith("[") and rows == 0:
                    return _fault_of_whole(path.read_bytes())
            return f"line {number}: {fault}"
    return None if rows else "it is empty"


def _fault_of(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"holds {json_kind(value)}, not a JSON object"


def _hidden(text: str) -> str | None:
    """Return what in the text of a whole row is no JSON, or no text, and read all the same."""
    if "NaN" in text or "Infinity" in text:
        try:
            json.loads(text, parse_constant=_constant)
        except ValueError as error:
            return str(error)
    if _SURROGATE.search(text):
        try:
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "half a character (a lone surrogate, such as \\ud800), which is no text"
    return None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _fault_of_whole(content: bytes) -> str | None:
    """Return the fault of JSON objects that stand over several lines, in an array or one behind another."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return f"line {line}: not UTF-8"
    decoder, place, line, end, between = json.JSONDecoder(object_pairs_hook=unique_keys), 0, 1, len(text), _SPACE
    try:
        if text.startswith("["):
            json.loads(text)
            # A valid array is objects with commas between them.
            place, end, between = 1, text.rindex("]"), _SPACE + ","
        while True:
            while place < end and text[place] in between:
                line += text[place] == "\n"
                place += 1
            if place >= end:
                return None
            start = place
            value, place = decoder.raw_decode(text, place)
            if fault := _fault_of(value) or _too_deep(value) or _hidden(text[start:place]):
                return f"line {line}: {fault}"
            line += text.count("\n", start, place)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: not a complete JSON object ({error.msg})"
    except RecursionError:
        return f"line {line}: too many brackets in one another"
    except ValueError as error:
        return f"line {line}: {error}"


def _too_deep(row: Any) -> str | None:
    try:
        parse_json(json.dumps(row))
    except ValueError as error:
        return str(error)
    return None
