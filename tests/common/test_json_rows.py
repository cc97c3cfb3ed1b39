"""A file of JSON rows is sound, or its first fault is named with the line, in each of the forms that `datasets` reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axolotl_cotmask.common.json_rows import json_fault

ROW = {"question": "a?", "answer": "1\n#### 1"}
LINE = json.dumps(ROW) + "\n"
DEEP = "[" * 3000 + "]" * 3000
HALF = "half a character (a lone surrogate, such as \\ud800), which is no text"


@pytest.mark.parametrize("text", [
    LINE * 3, LINE.replace("\n", "\r\n"), "\n" + LINE + "\n\n" + LINE, "\ufeff" + LINE, LINE.strip() * 3, json.dumps([ROW, ROW]),
    json.dumps([ROW, ROW], indent=2), json.dumps(ROW, indent=2) + "\n" + json.dumps(ROW, indent=2), '{"a": "\\ud83d\\ude00 NaN"}',
    '{"a": "\\u0000"}',
])  # fmt: skip
def test_sound(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8", newline="")
    assert json_fault(path) is None


@pytest.mark.parametrize(("fault", "said"), [
    ('{"a": 1, "a": 2}', "the key 'a' comes twice in an object"),
    ('{"b": {"a": 1, "a": 2}}', "the key 'a' comes twice in an object"),
    ('{"a": "x\\ud800"}', HALF), ('{"a\\udc00": 1}', HALF),
    ('{"a": NaN}', "NaN is no value of JSON"), ('{"a": -Infinity}', "-Infinity is no value of JSON"),
    (f'{{"a": {DEEP}}}', "lists and objects are nested more than 100 deep"),
    ('{"a": 1', "not a complete JSON object"), ("5", "holds a number, not a JSON object"), ("null", "holds null, not a JSON object"),
])  # fmt: skip
def test_the_fault_has_its_line_in_every_form(tmp_path: Path, fault: str, said: str) -> None:
    lines, array = tmp_path / "rows.jsonl", tmp_path / "rows.json"
    lines.write_text(LINE + "\n" + fault + "\n" + LINE, encoding="utf-8")
    array.write_text(f"[\n{LINE},\n{fault},\n{LINE}]", encoding="utf-8")
    found = json_fault(lines)
    assert found is not None
    assert found.startswith(f"line 3: {said}")
    found = json_fault(array)
    assert found is not None
    if said.startswith("not a complete"):
        assert said in found
    elif fault.startswith('{"a": [['):
        assert found.startswith("line ")
    else:
        assert found.startswith(f"line 4: {said}")


@pytest.mark.parametrize(("content", "said"), [
    (b"", "it is empty"), (b"\n \n", "it is empty"), (b"\xef\xbb\xbf[{}]", "it begins with a byte order mark"),
    (LINE.encode("utf-16"), "line 1: not UTF-8"), (LINE.encode() + b'{"a": "\xff"}\n', "line 2: not UTF-8"),
    (b'[\n{"a": 1},\n{"a": "\xff"}]', "line 3: not UTF-8"), (b'[{"a": 1}, {"a":', "line 1: not a complete JSON object"),
    (b"[" * 100_000, "line 1: "),
])  # fmt: skip
def test_files_that_are_no_rows(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    found = json_fault(path)
    assert found is not None
    assert found.startswith(said)
