"""`axolotl cotmask fetch-data` against a real server on this machine that can do what bad networks do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.project import Project, Rows, write_jsonl

from axolotl_cotmask.cli.fetch_data import fetch_data
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data import download
from axolotl_cotmask.data import sources as data
from axolotl_cotmask.training.preparation import use_local_files

ROWS = [{"query": f"What is {n} + {n}?", "response": f"{n} + {n} = {2 * n}\n#### {2 * n}"} for n in range(9000)]
BODY = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
VARIANTS = [
    {"original_question": "q", "new_question": f"q{n}", "answer": "1", "n_steps": 2, "role": "Tom"} for n in range(3)
]
PROXY = "http://127.0.0.1:9"  # the discard port, where nothing listens


@dataclass
class Served:
    """What the server has, how it behaves, and what it was asked for and sent."""

    body: bytes = BODY
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    chunked: bool = False
    delay: float = 0
    #: For the next answers, one each: an HTTP status instead of the body.
    statuses: list[int] = field(default_factory=list)
    #: For the next answers, one each: the connection breaks after so many bytes of the body.
    cuts: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        served = self.served
        served.asked.append(dict(self.headers))
        self.close_connection = True
        status = served.statuses.pop(0) if served.statuses else 200
        if status != 200:
            self.send_error(status)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and served.ranges and self.headers["If-Range"] in (served.etag, served.last_modified):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(served.body):
            self.send_error(416)
            return
        time.sleep(served.delay)
        body = served.body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(served.body) - 1}/{len(served.body)}")
        for name, value in (("ETag", served.etag), ("Last-Modified", served.last_modified)):
            if value is not None:
                self.send_header(name, value)
        if served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if served.cuts:
            body = body[: served.cuts.pop(0)]
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if served.chunked else body)
        served.sent.append(len(body))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server; the data sets `rft_u33` and `gsm_ic_2step` are there."""
    served = Served()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"served": served}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/data"
    monkeypatch.setattr(data, "SOURCES", sources_at(served.url))
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def sources_at(url: str) -> dict[str, data.DataSource]:
    return {
        name: replace(source, remote={**source.remote, "data_files": url}) if source.url else source
        for name, source in data.SOURCES.items()
    }


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What COTMASK_DATA_DIR names; it does not exist yet."""
    monkeypatch.setenv(data.ENV_VAR, str(tmp_path / "my" / "data"))
    return tmp_path / "my" / "data"


def run(*names: str) -> Result:
    result = CliRunner().invoke(fetch_data, names)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def done(*names: str) -> str:
    result = run(*names)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def sentence(*names: str) -> str:
    result = run(*names)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def start(served: Served, *names: str, stderr: int) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    code = (
        "import sys; from axolotl_cotmask.data import sources; sys.path[:0] = sys.argv.pop(1), sys.argv.pop(1)\n"
        "from test_fetch_data import sources_at\n"
        "sources.SOURCES = sources_at(sys.argv.pop(1))\n"
        "from axolotl_cotmask.cli.fetch_data import fetch_data; fetch_data()"
    )
    command = [
        sys.executable,
        "-c",
        code,
        str(Path(__file__).parent),
        str(Path(__file__).parents[1]),
        served.url,
        *names,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


def visible(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")}


def records(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "checksums.json").read_text())


def leave_a_part(served: Served, size: int) -> None:
    """Fetch in vain: the first connection breaks, and then the server has enough."""
    served.cuts, served.statuses = [size], [200, 500, 500, 500]
    assert "HTTP 500" in sentence("rft_u33")
    served.asked.clear()
    served.sent.clear()


def test_a_file_is_fetched_recorded_and_then_checked(served: Served, directory: Path) -> None:
    path = directory / "rft_u33b.jsonl"
    assert done("rft_u33") == f"{path}: fetched\n"
    assert path.read_bytes() == BODY
    assert visible(directory) == {"rft_u33b.jsonl", "checksums.json"}
    record = records(directory)["rft_u33b.jsonl"]
    assert record.pop("date").startswith("20")
    assert record == {"url": served.url, "size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
    assert done("rft_u33") == f"{path}: already there, checked\n"
    assert len(served.asked) == 1
    assert data.load("rft_u33")[5] == ROWS[5]


def test_several_at_once_share_the_record(served: Served, directory: Path) -> None:
    assert done("rft_u33", "rft_100_llama2_7b").count("fetched") == 2
    assert set(records(directory)) == {"rft_u33b.jsonl", "rft_llama_7b2.jsonl"}


@pytest.mark.parametrize("size", [len(BODY), 100])
def test_a_changed_file_is_neither_fetched_over_nor_used(served: Served, directory: Path, size: int) -> None:
    done("rft_u33")
    changed = BODY.replace(b"4000", b"4001")[:size]
    (directory / "rft_u33b.jsonl").write_bytes(changed)
    reason = "another SHA-256" if size == len(BODY) else f"100 bytes instead of {len(BODY)}"
    assert f"({reason}): remove it, to fetch it anew" in sentence("rft_u33")
    with pytest.raises(CoTMaskError, match=r"rft_u33b\.jsonl has changed since it was fetched on 20"):
        data.load("rft_u33")
    assert (directory / "rft_u33b.jsonl").read_bytes() == changed
    (directory / "rft_u33b.jsonl").unlink()
    assert "fetched" in done("rft_u33")


def test_a_changed_source_is_taken_only_when_its_record_is_deleted(served: Served, directory: Path) -> None:
    done("rft_u33")
    (directory / "rft_u33b.jsonl").unlink()
    served.body, served.etag = BODY.replace(b"4000", b"4001"), '"two"'
    before = records(directory)
    stopped = sentence("rft_u33")
    assert f"{served.url} has changed since rft_u33b.jsonl was fetched on" in stopped
    assert f"delete the entry of rft_u33b.jsonl from {directory / 'checksums.json'}" in stopped
    assert visible(directory) == {"checksums.json"}
    assert records(directory) == before
    (directory / "checksums.json").write_text("{}")
    assert "fetched" in done("rft_u33")
    assert data.load("rft_u33")[2000]["response"].endswith("#### 4001")


@pytest.mark.parametrize("by", ["ETag", "Last-Modified"])
def test_a_broken_connection_goes_on_where_it_was(served: Served, directory: Path, by: str) -> None:
    if by == "Last-Modified":
        # A weak tag cannot stand for the bytes.
        served.etag, served.last_modified = 'W/"one"', "Sat, 21 Nov 2026 07:28:00 GMT"
    served.cuts = [100_000, 200_000]
    assert "fetched" in done("rft_u33")
    assert (directory / "rft_u33b.jsonl").read_bytes() == BODY
    assert [asked.get("Range") for asked in served.asked] == [None, "bytes=100000-", "bytes=300000-"]
    assert sum(served.sent) == len(BODY), "no byte was sent twice"


def test_the_next_command_goes_on_where_the_last_one_stopped(served: Served, directory: Path) -> None:
    leave_a_part(served, 100_000)
    assert (directory / "rft_u33b.jsonl.part").read_bytes() == BODY[:100_000]
    assert "fetched" in done("rft_u33")
    assert served.asked[0]["Range"] == "bytes=100000-"
    assert served.asked[0]["If-Range"] == '"one"'
    assert served.sent == [len(BODY) - 100_000]
    assert (directory / "rft_u33b.jsonl").read_bytes() == BODY
    assert visible(directory) == {"rft_u33b.jsonl", "checksums.json"}


@pytest.mark.parametrize("why", ["no ranges", "another version", "no version", "another URL"])
def test_it_begins_anew_where_it_cannot_go_on(
    served: Served, directory: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "no version":
        served.etag = None
    leave_a_part(served, 100_000)
    if why == "no ranges":
        served.ranges = False
    elif why == "another version":
        served.body, served.etag = BODY.replace(b"4000", b"4001"), '"two"'
    elif why == "another URL":
        monkeypatch.setattr(data, "SOURCES", sources_at(f"{served.url}/elsewhere"))
    assert "fetched" in done("rft_u33")
    assert (directory / "rft_u33b.jsonl").read_bytes() == served.body
    assert served.sent == [len(served.body)]
    assert ("Range" in served.asked[0]) == (why in ("no ranges", "another version"))


def test_a_part_longer_than_the_file_is_dropped(served: Served, directory: Path) -> None:
    leave_a_part(served, 100_000)
    served.body = BODY[: BODY.index(b"\n", 50_000) + 1]
    assert "fetched" in done("rft_u33")
    assert (directory / "rft_u33b.jsonl").read_bytes() == served.body


def test_a_body_that_stays_short_is_not_kept_as_the_file(served: Served, directory: Path) -> None:
    served.cuts = [1000] * 9
    served.ranges = False
    assert f"(the connection ended after 1000 of {len(BODY)} bytes): check the network" in sentence("rft_u33")
    assert len(served.asked) == 4
    assert visible(directory) == {"rft_u33b.jsonl.part", "rft_u33b.jsonl.part.version"}


def test_a_server_that_names_no_length(served: Served, directory: Path) -> None:
    served.chunked = True
    done("rft_u33")
    assert (directory / "rft_u33b.jsonl").read_bytes() == BODY


def test_a_passing_error_is_tried_again_and_a_lasting_one_is_not(served: Served, directory: Path) -> None:
    served.statuses = [503, 429]
    assert "fetched" in done("rft_u33")
    (directory / "rft_u33b.jsonl").unlink()
    served.asked.clear()
    served.statuses = [404]
    path = directory / "rft_u33b.jsonl"
    assert sentence("rft_u33") == (
        f"Error: {served.url} could not be fetched (HTTP 404 Not Found): check the network or the proxy, or download "
        f"the file elsewhere and put it at {path}\n"
    )
    assert len(served.asked) == 1


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 91234567\n"


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("rft_u33", POINTER, "a Git LFS pointer, not the file that it points to"),
        ("rft_u33", b"\n<!DOCTYPE html>\n<title>Sign in</title>", "a web page"),
        ("rft_u33", b"\n", "no rows"),
        ("gsm_ic_2step", b"[]", "no rows"),
        ("rft_u33", b'{"query": "q", "response": "r"}\n{"query": "q", "answer": "r"}', "line 2: the field 'response' is missing (there are: answer, query)"),
        ("rft_u33", b'{"query": "q", "response": null}', "line 1: the field 'response' is null"),
        ("rft_u33", b'{"query": "q", "resp', "line 1: not a complete JSON object (Unterminated string starting at)"),
        ("gsm_ic_2step", json.dumps([*VARIANTS, {"answer": "1"}]).encode(), "element 4: the field 'original_question' is missing (there are: answer)"),
        ("gsm_ic_2step", b"[1]", "element 1: holds a number, not a JSON object"),
        ("gsm_ic_2step", json.dumps(VARIANTS).encode()[:-1], "line 1: not a complete JSON array (Expecting ',' delimiter)"),
        ("gsm_ic_2step", b'["\xff"]', "line 1: not a complete JSON array ('utf-8' codec can't decode byte 0xff in position 2: invalid start byte)"),
    ],
)  # fmt: skip
def test_what_is_not_the_data_is_not_kept(served: Served, directory: Path, name: str, body: bytes, reason: str) -> None:
    served.body = body
    path = directory / data.SOURCES[name].files[0]
    assert f"{served.url} sent something else than {path.name} ({reason}): " in sentence(name)
    assert visible(directory) == set()
    path.write_bytes(body)
    assert f"{path} is not the data of {served.url} ({reason}): remove it, to fetch it anew" in sentence(name)


def test_a_file_that_was_put_there_is_recorded(served: Served, directory: Path) -> None:
    directory.mkdir(parents=True)
    path = write_jsonl(directory / "rft_u33b.jsonl", ROWS[:3])
    assert len(data.load("rft_u33")) == 3, "a file without a record is used as it is"
    assert done("rft_u33") == f"{path}: already there, recorded\n"
    assert records(directory)["rft_u33b.jsonl"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert done("rft_u33") == f"{path}: already there, checked\n"
    assert not served.asked


def test_the_whole_gsm_ic_is_preferred_to_the_sample(served: Served, directory: Path) -> None:
    directory.mkdir(parents=True)
    write_jsonl(directory / "gsm_ic_2step_1k.jsonl", VARIANTS[:1])
    assert len(data.load("gsm_ic_2step")) == 1
    served.body = json.dumps(VARIANTS, indent=1).encode()
    assert done("gsm_ic_2step") == f"{directory / 'GSM-IC_2step.json'}: fetched\n"
    assert (directory / "GSM-IC_2step.json").read_bytes() == served.body
    assert list(data.load("gsm_ic_2step")) == VARIANTS
    (directory / "checksums.json").unlink()
    (directory / "GSM-IC_2step.json").write_text(json.dumps([VARIANTS[0], {"answer": "1"}]))
    with pytest.raises(CoTMaskError, match=r"GSM-IC_2step\.json, element 2: the field 'original_question' is missing"):
        data.load("gsm_ic_2step")


def test_offline(served: Served, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SOURCES", sources_at(f"{PROXY}/u33b.jsonl"))
    stopped = sentence("rft_u33")
    assert stopped.startswith(f"Error: {PROXY}/u33b.jsonl could not be fetched ([Errno 111] Connection refused): ")
    assert stopped.endswith(f"download the file elsewhere and put it at {directory / 'rft_u33b.jsonl'}\n")
    assert visible(directory) == set()


@pytest.mark.slow
def test_two_at_once_fetch_one_file(served: Served, directory: Path) -> None:
    served.delay = 1
    processes = [start(served, "rft_u33", "rft_100_llama2_7b", stderr=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(output.count("already there, checked") for output in outputs) == [0, 2]
    assert len(served.sent) == 2
    assert visible(directory) == {"rft_u33b.jsonl", "rft_llama_7b2.jsonl", "checksums.json"}
    assert len(records(directory)) == 2


def read_all(terminal: int) -> Iterator[bytes]:
    """Yield what a terminal shows until nobody has it open any more, which is an error on Linux."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            yield part


def test_a_terminal_shows_progress(served: Served, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = os.openpty()
    process = start(served, "rft_u33", stderr=theirs)
    os.close(theirs)
    parts: list[bytes] = []
    # Read meanwhile: a terminal holds a few kilobytes, and on a slow machine the bar is drawn often.
    reader = threading.Thread(target=lambda: parts.extend(read_all(ours)))
    reader.start()
    assert process.communicate(timeout=200)[0] == f"{directory / 'rft_u33b.jsonl'}: fetched\n"
    reader.join(timeout=20)
    os.close(ours)
    shown = b"".join(parts).decode()
    assert "rft_u33b.jsonl" in shown
    assert f"{len(BODY) / 1000:.1f}/{len(BODY) / 1000:.1f} kB" in shown


def test_the_second_says_that_it_waits(served: Served, directory: Path) -> None:
    directory.mkdir(parents=True)
    waits, results = threading.Event(), []
    with download.alone_in(directory, pytest.fail):

        def second() -> None:
            with download.alone_in(directory, waits.set):
                results.append("in")

        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(timeout=20)
        assert not results
    thread.join(timeout=20)
    assert results == ["in"]


def test_directories_that_cannot_be_used(
    served: Served, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(data.ENV_VAR)
    unset = "Error: COTMASK_DATA_DIR is not set: set it to the directory to keep data sets in\n"
    assert sentence("rft_u33") == sentence() == unset
    (tmp_path / "file").touch()
    monkeypatch.setenv(data.ENV_VAR, str(tmp_path / "file" / "data"))
    assert "data cannot be created (Not a directory): name another in COTMASK_DATA_DIR" in sentence("rft_u33")
    # No file can be made under this name, for root either.
    (tmp_path / ".fetch-data.lock").mkdir()
    monkeypatch.setenv(data.ENV_VAR, str(tmp_path))
    assert f"{tmp_path} cannot be written (Is a directory): make it writable" in sentence("rft_u33")


def test_a_disk_that_is_full(served: Served, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "rft_u33b.jsonl.part").symlink_to("/dev/full")
    assert "rft_u33b.jsonl cannot be written or read (No space left on device)" in sentence("rft_u33")
    assert len(served.asked) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"rft_u33b.jsonl": {"size": 1}}', '{"rft_u33b.jsonl": 1}'])
def test_broken_records(served: Served, directory: Path, text: str) -> None:
    directory.mkdir(parents=True)
    (directory / "checksums.json").write_text(text)
    assert f"{directory / 'checksums.json'} holds no checksums of fetch-data (" in sentence("rft_u33")


def test_without_a_name_it_lists_what_there_is(served: Served, directory: Path) -> None:
    assert not directory.exists()
    assert "yes" not in done()
    assert not directory.exists(), "looking creates nothing"
    directory.mkdir(parents=True)
    (directory / "gsm_ic_mstep_1k.jsonl").touch()
    done("rft_u33")
    title, _, *rows = (line.split() for line in done().splitlines())
    assert title == [str(directory)]
    names = {name: there for name, _, there, _ in rows}
    assert names["rft_u33"] == "yes"
    assert names["rft_100_llama2_7b"] == "no"
    assert "gsm8k_train" not in names


def test_the_sources_say_how_to_get_them(directory: Path) -> None:
    directory.mkdir(parents=True)
    with pytest.raises(
        CoTMaskError, match=r"rft_u33b\.jsonl is not in it: fetch it with `axolotl cotmask fetch-data rft_u33`"
    ):
        data.load("rft_u33")
    with pytest.raises(CoTMaskError, match=r"GSM-IC_2step\.json or gsm_ic_2step_1k\.jsonl is not in it"):
        data.load("gsm_ic_2step")
    with pytest.raises(CoTMaskError, match=r"gsm8k_test\.jsonl is not in it: put it there"):
        data.load("gsm8k_test")


def test_urls_name_a_file_of_a_github_repository() -> None:
    urls = [source.url for source in data.SOURCES.values() if source.url]
    assert len(urls) == len(set(urls)) == 5
    assert all(url.startswith("https://raw.githubusercontent.com/") for url in urls)
    assert all("/0c1da13552afcc5d995d6f1ad5288417cb110246/" in url for url in urls if "GSM-IC" in url)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"split": "train"}, {"split": "train"}),
        ({"split": "train[:5]"}, {"split": "train[:5]"}),
        ({}, {}),
    ],
)
def test_an_entry_with_the_url_is_read_from_the_file(directory: Path, entry: Any, expected: Any) -> None:
    directory.mkdir(parents=True)
    path = write_jsonl(directory / "rft_u33b.jsonl", ROWS[:3])
    url = data.SOURCES["rft_u33"].url
    cfg = {"datasets": [{"path": url, "ds_type": "json", **entry}, {"path": "json", "split": "train"}]}
    use_local_files(cfg)
    assert cfg["datasets"] == [
        {"path": str(path), "ds_type": "json", **expected},
        {"path": "json", "split": "train"},
    ]


def test_through_axolotl(project: Project, gsm8k_rows: Rows) -> None:
    directory = project.directory / "data"
    environment = {data.ENV_VAR: str(directory), "https_proxy": PROXY}
    stopped = project.axolotl("cotmask", "fetch-data", "rft_u33", **environment).sentence()
    assert stopped.startswith(f"{data.SOURCES['rft_u33'].url} could not be fetched (")
    assert stopped.endswith(f"check the network or the proxy, or download the file elsewhere and put it at {directory / 'rft_u33b.jsonl'}")  # fmt: skip

    entry = {"path": data.SOURCES["rft_u33"].url, "ds_type": "json", "split": "train", "type": "axolotl_cotmask.prompt_strategies.query_response"}  # fmt: skip
    config = project.config("rft", datasets=[entry], max_steps=2)
    stopped = project.axolotl("train", config, **environment).sentence()
    assert stopped.endswith(f"fetch it with `axolotl cotmask fetch-data rft_u33`, or unset COTMASK_DATA_DIR to read {entry['path']}")  # fmt: skip

    rows = [{"query": row["question"], "response": row["answer"]} for row in gsm8k_rows]
    write_jsonl(directory / "rft_u33b.jsonl", rows)
    listed = project.axolotl("cotmask", "fetch-data", "rft_u33", **environment).check().output
    assert listed.splitlines()[-1] == f"{directory / 'rft_u33b.jsonl'}: already there, recorded"
    assert "cotmask/realised_ratio" in project.axolotl("train", config, **environment).check().output
