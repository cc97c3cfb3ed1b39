"""`axolotl cotmask fetch-data` against servers that lie: a file is whole, and of one version, or it is not there."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.full_disk import no_file_above
from support.hostile_server import Answer, Headers, HostileServer, hostile_server, reply, rows

from axolotl_cotmask.cli.fetch_data import fetch_data
from axolotl_cotmask.data import download
from axolotl_cotmask.data import sources as data

BODY, OTHER = rows(), rows(add=1)
SIZE, LINE = len(BODY), BODY.index(b"\n", 5000) + 1  # a place between two rows
ONE, TWO = '"one"', '"two"'
NAME = "rft_u33b.jsonl"
DEEP = "9" * 5000


@pytest.fixture(scope="module")
def shared_server() -> Iterator[HostileServer]:
    with hostile_server() as server:
        yield server


@pytest.fixture
def server(shared_server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostileServer:
    """The server, from which the only data set comes; the directory is that of the test."""
    source = data.SOURCES["rft_u33"]
    monkeypatch.setattr(data, "SOURCES", {"rft_u33": replace(source, remote={"data_files": f"{shared_server.url}/x"})})
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(data.ENV_VAR, str(tmp_path))
    shared_server.asked.clear()
    return shared_server


def fetch(directory: Path) -> str | None:
    """Fetch; return the sentence it ended with, or None where the file is there, whole and recorded."""
    result = CliRunner().invoke(fetch_data, ["rft_u33"])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    file, records = directory / NAME, directory / "checksums.json"
    assert file.is_file() == (NAME in json.loads(records.read_text()) if records.is_file() else False)
    assert file.is_file() == (result.exit_code == 0)
    if result.exit_code:
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr
    assert file.read_bytes() in (BODY, OTHER)
    assert not (directory / f"{NAME}.part").exists()
    assert not (directory / f"{NAME}.part.version").exists()
    return None


def whole(body: bytes = BODY, tag: str | None = ONE) -> bytes:
    return reply("200 OK", body, ETag=tag)


def partial(first: int, end: int = SIZE, total: int | str = SIZE, /, body: bytes = BODY, **headers: str | int | None) -> bytes:  # fmt: skip
    described = {"Content_Range": f"bytes {first}-{end - 1}/{total}", "ETag": ONE}
    return reply("206 Partial Content", body[first:end], **(described | headers))


def broken_at_first(then: Answer | bytes) -> Answer:
    """The connection breaks within the file, between two rows; what asks to go on gets the other answer."""

    def answer(path: str, headers: Headers) -> bytes:
        if "Range" not in headers:
            return reply("200 OK", BODY[:LINE], Content_Length=SIZE, ETag=ONE)
        return then(path, headers) if callable(then) else then

    return answer


def whole_in_the_end(first: bytes, second: bytes | None = None) -> Answer:
    """The first request gets one answer, one that goes on the second; all others the whole file."""
    left = [first] if second is None else [second, first]

    def answer(path: str, headers: Headers) -> bytes:
        return left.pop() if left else whole()

    return answer


CUT = reply("200 OK", BODY[:LINE], Content_Length=SIZE, ETag=ONE)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (partial(0, LINE), "HTTP 206 Partial Content, where the whole file was asked for"),
        (partial(0), "HTTP 206 Partial Content, where the whole file was asked for"),
        (reply("206 Partial Content", BODY), "where the whole file was asked for"),
        (reply("203 Non-Authoritative Information", BODY[:LINE]), "where the whole file was asked for"),
        (reply("202 Accepted", BODY[:LINE]), "HTTP 202 Accepted, where"),
        (reply("204 No Content"), "HTTP 204 No Content, where"),
        (reply("304 Not Modified"), "HTTP 304 Not Modified"),
        (reply("200 OK", gzip.compress(BODY), Content_Encoding="gzip"), "encoded as gzip"),
        (reply("200 OK", BODY, Content_Encoding="br, gzip"), "encoded as br, gzip"),
        (reply("200 OK", BODY[:LINE], Content_Length=10**15), f"the connection ended after {LINE} of {10**15} bytes"),
        (reply("200 OK", b"%x\r\n%s\r\n" % (LINE, BODY[:LINE]), Content_Length=None, Transfer_Encoding="chunked"), "IncompleteRead"),
        (reply("200 OK", b"%x\r\n%s\r\nzz\r\n" % (LINE, BODY[:LINE]), Content_Length=None, Transfer_Encoding="chunked"), "IncompleteRead"),
        (reply("200 OK", b"ffffff\r\n" + BODY[:LINE], Content_Length=None, Transfer_Encoding="chunked"), "IncompleteRead"),
        (reply("200 OK", b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE, BODY), Content_Length=None, Transfer_Encoding="gzip, chunked"), "sent something else"),
        (reply("200 OK", b"<html>Sign in</html>", Content_Type="text/html"), "a web page"),
        (reply("200 OK"), "no rows"),
        (reply("416 Range Not Satisfiable"), "HTTP 416"),
        (b"", "Remote end closed connection without response"),
        (b"nonsense\r\n\r\n" + BODY, "nonsense"),
        (BODY, "could not be fetched"),
        (b"HTTP/1.1 999 \x1b[31mred\r\n\r\n", "HTTP 999"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n" + BODY, "more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n" + BODY, "more than 65536 bytes"),
        (reply("302 Found", Location="/x"), "infinite loop"),
        (reply("302 Found"), "HTTP 302 Found"),
        *((reply("302 Found", Location=place), "not allowed") for place in ("file:///etc/passwd", "data:,x", "javascript:x", "gopher://x/", "x" * 3 + ":y")),
        (reply("301 Moved", Location="ftp://127.0.0.1/x"), "HTTP 301 sends on to ftp://127.0.0.1/x, where no file is fetched from"),
        (reply("307 Temporary Redirect", Location="FTP://127.0.0.1/x"), "HTTP 307 sends on to ftp://127.0.0.1/x"),
        (reply("302 Found", Location="http://[::1"), "Invalid IPv6 URL"),
        (reply("302 Found", Location="http://127.0.0.1:x/"), "nonnumeric port"),
        (reply("302 Found", Location="http://"), "infinite loop"),
        (reply("302 Found", Location=f"http://{'é' * 70}.example/"), "could not be fetched"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_the_file(server: HostileServer, tmp_path: Path, answer: bytes, reason: str) -> None:
    server.answer = lambda path, headers: answer
    assert reason in (fetch(tmp_path) or "")
    server.answer = lambda path, headers: whole()
    assert fetch(tmp_path) is None, "what lies is over when it is over"


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (partial(LINE, Content_Encoding="gzip"), "encoded as gzip"),
        (partial(LINE, body=BODY[:LINE] + gzip.compress(BODY[LINE:]), Content_Encoding="gzip"), "encoded as gzip"),
        (reply("204 No Content"), "HTTP 204 No Content, where"),
        (reply("302 Found", Location="file:///etc/passwd"), "not allowed"),
    ],
)
def test_a_rest_that_is_refused_costs_nothing_that_came(
    server: HostileServer, tmp_path: Path, rest: bytes, reason: str
) -> None:
    server.answer = whole_in_the_end(CUT, rest)
    assert reason in (fetch(tmp_path) or "")
    server.answer = lambda path, headers: partial(LINE)
    assert fetch(tmp_path) is None


@pytest.mark.parametrize(
    "rest",
    [
        partial(LINE, LINE + 1000, LINE + 1000),  # of another size
        partial(LINE, SIZE, SIZE + 10),
        partial(LINE, body=OTHER, ETag=TWO),
        partial(LINE, body=OTHER, ETag=None),
        partial(LINE, body=OTHER, ETag=f"W/{ONE}"),
        partial(LINE, body=OTHER, ETag=None, Last_Modified="Sat, 21 Nov 2026 07:28:00 GMT"),
        partial(LINE + 40, Content_Range=f"bytes {LINE + 40}-{SIZE - 1}/{SIZE}"),
        partial(0),
        partial(LINE, Content_Range=None),
        partial(LINE, Content_Range=None, Content_Type="multipart/byteranges; boundary=x"),
        partial(LINE, Content_Range=f"bytes {LINE}-{SIZE + 5}/{SIZE}"),
        partial(LINE, Content_Range=f"bytes {LINE}-{LINE - 5}/{SIZE}"),
        partial(LINE, Content_Range=f"bytes {LINE}-{DEEP}/{DEEP}"),
        partial(LINE, Content_Range=f"bytes -{LINE}-{SIZE}/{SIZE}"),
        partial(LINE, Content_Range=f"rows {LINE}-{SIZE - 1}/{SIZE}"),
        partial(LINE, LINE + 400, Content_Range=f"bytes {LINE}-{SIZE - 1}/{SIZE}"),  # the length contradicts it
        partial(LINE, Content_Length=None) + BODY[:LINE],  # more than there is
        reply("200 OK", BODY, ETag=ONE),
        reply("200 OK", OTHER, ETag=TWO),
        reply("200 OK", BODY[:LINE], Content_Length=SIZE, ETag=ONE),
        reply("416 Range Not Satisfiable"),
        partial(LINE, Content_Range=f"bytes {LINE}-{SIZE - 1}/*"),
        partial(LINE),
    ],
)
def test_the_rest_is_of_the_same_version_or_all_is_fetched_anew(
    server: HostileServer, tmp_path: Path, rest: bytes
) -> None:
    server.answer = whole_in_the_end(CUT, rest)
    assert fetch(tmp_path) is None
    assert server.asked[1]["Range"] == f"bytes={LINE}-"


def test_partial_answers_in_pieces(server: HostileServer, tmp_path: Path) -> None:
    def answer(path: str, headers: Headers) -> bytes:
        begin = int(headers.get("Range", f"bytes={LINE}-").removeprefix("bytes=").removesuffix("-"))
        return broken_at_first(partial(begin, min(SIZE, begin + 5000)))(path, headers)

    server.answer = answer
    # Each piece is kept, though the command gives up in between.
    while fetch(tmp_path) is not None:
        assert len(server.asked) < 20
    assert "Range" not in server.asked[0]
    assert all("Range" in asked for asked in server.asked[1:])


@pytest.mark.parametrize(
    "note",
    [
        b"", b"\xff\xfe", b"null", b"[]", b"5", b"{", b"[" * 5000, b"URL\n\"one\"", b'{"url": "URL", "tag": "\\"one\\""}',
        b'{"url": "URL", "tag": "\\"one\\"\\r\\nX: y", "size": null}', b'{"url": "URL", "tag": "\\u00e9\\ud800", "size": null}',
        b'{"url": "URL", "tag": "", "size": null}', b'{"url": "URL", "tag": null, "size": null}', b'{"url": "URL", "tag": "\\"one\\"", "size": 1}',
        b'{"url": "URL", "tag": "\\"one\\"", "size": "1"}', b'{"url": "elsewhere", "tag": "\\"one\\"", "size": null}',
        b'{"url": "URL", "url": "URL", "tag": "\\"one\\"", "size": null}',
    ],
)  # fmt: skip
def test_a_note_that_is_none(server: HostileServer, tmp_path: Path, note: bytes) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:LINE])
    (tmp_path / f"{NAME}.part.version").write_bytes(note.replace(b"URL", f"{server.url}/x".encode()))
    server.answer = lambda path, headers: whole()
    assert fetch(tmp_path) is None
    assert "Range" not in server.asked[0]


def test_a_fetch_that_was_killed_at_its_end(server: HostileServer, tmp_path: Path) -> None:
    server.answer = broken_at_first(reply("503 Busy"))
    fetch(tmp_path)
    (tmp_path / f"{NAME}.part").write_bytes(BODY)
    server.asked.clear()
    assert fetch(tmp_path) is None
    assert not server.asked, "all bytes were there"
    (tmp_path / f"{NAME}.part.version").touch()
    assert fetch(tmp_path) is None


@pytest.mark.parametrize("name", [NAME, f"{NAME}.part", f"{NAME}.part.version", "checksums.json"])
def test_a_directory_in_the_way_stops_before_anything_is_fetched(
    server: HostileServer, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    result = CliRunner().invoke(fetch_data, ["rft_u33"])
    assert result.exit_code == 1
    assert str(tmp_path / name) in result.stderr
    assert result.stderr.count("\n") == 1
    assert not server.asked


@pytest.mark.parametrize("value", ["~nosuchuser/data", "x" * 5000])
def test_directories_that_are_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(data.ENV_VAR, value)
    for arguments in ([], ["rft_u33"]):
        result = CliRunner().invoke(fetch_data, arguments)
        assert isinstance(result.exception, SystemExit) or (not arguments and value[0] == "x"), result.exception
    with pytest.raises(data.CoTMaskError, match=r"COTMASK_DATA_DIR is .*, and there is no such (user|directory)"):
        data.load("rft_u33")


def test_a_disk_that_is_full_and_a_redirect_to_another_place(server: HostileServer, tmp_path: Path) -> None:
    elsewhere = f"{server.url}/y"

    def answer(path: str, headers: Headers) -> bytes:
        if path == "/x":
            return reply("302 Found", b"<html>", Location=elsewhere)
        begin = headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        return partial(int(begin)) if begin else whole()

    server.answer = answer
    with no_file_above(LINE):
        assert f"{NAME} cannot be written or read (File too large)" in (fetch(tmp_path) or "")
    assert (tmp_path / f"{NAME}.part").stat().st_size == LINE
    assert fetch(tmp_path) is None
    assert server.asked[-1]["Range"] == f"bytes={LINE}-"


def test_a_kill_in_the_middle(server: HostileServer, tmp_path: Path) -> None:
    killed: list[subprocess.Popen[bytes]] = []

    def answer(path: str, headers: Headers) -> bytes:
        if "Range" in headers:
            return partial(int(headers["Range"].removeprefix("bytes=").removesuffix("-")))
        if killed:
            return whole()
        return CUT

    code = (
        "import sys, time; from dataclasses import replace; from axolotl_cotmask.data import download, sources\n"
        "download.WAITS = (60.0,)\n"  # where it is killed
        "source = sources.SOURCES['rft_u33']\n"
        "sources.SOURCES = {'rft_u33': replace(source, remote={'data_files': sys.argv.pop(1)})}\n"
        "from axolotl_cotmask.cli.fetch_data import fetch_data; fetch_data()"
    )
    server.answer = answer
    process = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/x", "rft_u33"])
    part = tmp_path / f"{NAME}.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size == LINE):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    killed.append(process)
    assert not (tmp_path / NAME).exists()
    assert fetch(tmp_path) is None
    assert server.asked[-1]["Range"] == f"bytes={LINE}-"


@pytest.mark.parametrize(
    "answer",
    [
        reply("200 OK", BODY[:LINE], Content_Length=None),  # no length, and the connection ends between two rows
        reply("200 OK", BODY, Content_Length=LINE),
    ],
)
def test_what_cannot_be_noticed(server: HostileServer, tmp_path: Path, answer: bytes) -> None:
    server.answer = lambda path, headers: answer
    assert CliRunner().invoke(fetch_data, ["rft_u33"]).exit_code == 0
    assert (tmp_path / NAME).read_bytes() == BODY[:LINE], "docs/guarantees.md says so"
