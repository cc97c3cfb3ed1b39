"""`axolotl cotmask fetch-data` from a server that lies at random: a file is whole, of one version and recorded, or not there."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

from click.testing import CliRunner
from support.hostile_server import Headers, hostile_server, reply, rows

from attacks.outcomes import FINE, Counts, outcome
from axolotl_cotmask.cli.fetch_data import fetch_data
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data import download
from axolotl_cotmask.data import sources as data

#: Of an attack: what is there is not what one version of the source held.
WRONG = "silently otherwise"
_NAME = "rft_u33b.jsonl"
#: By their ETags; two of the same size, and a shorter one that ends where a row of the first does.
_VERSIONS = {'"one"': rows(60), '"two"': rows(60, add=1), '"three"': rows(45)}
_STATUSES = ("201 Created", "202 Accepted", "203 Other", "204 No Content", "206 Partial Content", "300 Choices", "304 Not Modified",
    "400 Bad", "403 No", "416 Range", "429 Later", "500 Oh", "503 Busy", "999 \x1b[31m")  # fmt: skip
_PLACES = (
    "/x",
    "/elsewhere",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:,x",
    "http://[::1",
    "http://",
    "x:y",
    "http://127.0.0.1:x/",
    "é",
)
_NOTES = (b"", b"\xff", b"null", b"[]", b"{", b"[" * 500, b'{"url": 5, "tag": "x", "size": 1}')

_Lie = Callable[[random.Random, str, bytes, int], bytes]


def _line_end(draw: random.Random, body: bytes, begin: int) -> int:
    """A place behind a row, where no reader of rows notices an end, or anywhere."""
    place = draw.randrange(begin, len(body) + 1)
    return body.find(b"\n", place) + 1 or len(body) if draw.random() < 0.7 else place


def _honest(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    if not begin:
        return reply("200 OK", body, ETag=tag)
    return reply(
        "206 Partial Content", body[begin:], ETag=tag, Content_Range=f"bytes {begin}-{len(body) - 1}/{len(body)}"
    )


def _cut(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    answer = _honest(draw, tag, body, begin)
    return answer[: -draw.randrange(1, len(body) - begin)] if len(body) - begin > 1 else answer


def _short(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    """A part of the rest, which says so; or whose numbers do not fit."""
    end = _line_end(draw, body, begin)
    total = draw.choice((len(body), len(body) + 9, end, "*", 10**30)) if begin else len(body)
    # A part that calls itself the whole cannot be told from it, where nobody knows the size.
    length = draw.choice((end - begin, end - begin, end - begin + 7, None))
    described = f"bytes {begin}-{end - 1}/{total if end == len(body) else len(body)}"
    return reply("206 Partial Content", body[begin:end], ETag=tag, Content_Range=described, Content_Length=length)


def _unlike(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    """A rest of another version, whatever was asked for."""
    others = [(of, other) for of, other in _VERSIONS.items() if of != tag and len(other) > begin]
    of, other = draw.choice(others or [(tag, body)])
    stated = draw.choice((of, None, f"W/{of}"))
    return reply(
        "206 Partial Content", other[begin:], ETag=stated, Content_Range=f"bytes {begin}-{len(other) - 1}/{len(other)}"
    )


def _elsewhere(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    """Another range than the one asked for, or none that is named."""
    first = draw.randrange(len(body))
    stated = draw.choice(
        (f"bytes {first}-{len(body) - 1}/{len(body)}", None, "bytes */5", "rows 1-2/3", f"bytes {'9' * 5000}-1/2")
    )
    first = begin if stated is None or first != begin else first
    return reply("206 Partial Content", body[first:], ETag=tag, Content_Range=stated)


def _encoded(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    packed = draw.choice((gzip.compress(body[begin:]), body[begin : _line_end(draw, body, begin)]))
    return _honest(draw, tag, body[:begin] + packed, begin).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)


def _status(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    return reply(draw.choice(_STATUSES), body[: _line_end(draw, body, 0)], ETag=tag)


def _redirect(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    return reply(draw.choice(("301 M", "302 F", "303 S", "307 T", "308 P")), Location=draw.choice(_PLACES))


def _chunked(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    rest = body[begin:]
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest)
    chunks = draw.choice((chunks, chunks, chunks[: -draw.randrange(1, len(chunks))], chunks[:-5] + b"zz\r\n"))
    answer = _honest(draw, tag, body, begin)
    head = answer[: answer.index(b"\r\n\r\n")].split(b"\r\n")
    kept = [line for line in head if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*kept, b"Transfer-Encoding: chunked", b"", chunks])


def _page(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    return reply(draw.choice(("200 OK", "206 Partial Content")), b"<!DOCTYPE html><title>Sign in</title>")


def _noise(draw: random.Random, tag: str, body: bytes, begin: int) -> bytes:
    return draw.choice(
        (b"", b"\r\n\r\n", body, draw.randbytes(300), b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 150 + b"\r\n" + body)
    )


_LIES: tuple[_Lie, ...] = (
    _honest, _honest, _honest, _cut, _cut, _cut, _cut, _short, _short, _short, _unlike, _unlike, _elsewhere, _encoded, _status, _redirect, _chunked,
    _page, _noise,
)  # fmt: skip


def _begin(headers: Headers, tag: str) -> int:
    """Where an honest server begins."""
    wanted = headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
    return int(wanted) if wanted and headers.get("If-Range") == tag and int(wanted) < len(_VERSIONS[tag]) else 0


def _fetch(directory: Path) -> None:
    """Run the command; what it says is raised."""
    result = CliRunner().invoke(fetch_data, ["rft_u33"])
    if isinstance(result.exception, SystemExit) and result.exit_code == 1:
        raise CoTMaskError(result.stderr.rstrip("\n"))
    if result.exception is not None:
        raise result.exception


def fault(directory: Path) -> str | None:
    """Return what is wrong with what was fetched."""
    file, records = directory / _NAME, directory / download.RECORDS
    recorded = _NAME in json.loads(records.read_text()) if records.exists() else False
    if file.exists() != recorded:
        return f"the file is {'' if file.exists() else 'not '}there, and {'' if recorded else 'not '}recorded"
    if file.exists() and file.read_bytes() not in _VERSIONS.values():
        return f"{file.stat().st_size} bytes that no version held"
    return None


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Try so many servers, each of which is asked by up to three commands."""
    counts, draw = Counts(), random.Random(seed)
    with hostile_server() as server:
        source = replace(data.SOURCES["rft_u33"], remote={"data_files": f"{server.url}/x"})
        for number in range(count):
            place, told = directory / f"fetched-{number}", []
            place.mkdir()
            tag = draw.choice(list(_VERSIONS))

            def answer(path: str, headers: Headers, told: list[str] = told) -> bytes:
                nonlocal tag
                if draw.random() < 0.15:
                    tag = draw.choice(list(_VERSIONS))
                lie = draw.choice(_LIES)
                told.append(f"{lie.__name__} of {tag} from {headers.get('Range')}")
                return lie(draw, tag, _VERSIONS[tag], _begin(headers, tag))

            server.answer = answer
            variables = {data.ENV_VAR: str(place), "NO_PROXY": "127.0.0.1"}
            with (
                mock.patch.dict(os.environ, variables),
                mock.patch.dict(data.SOURCES, {"rft_u33": source}),
                mock.patch.object(download, "WAITS", (0.0, 0.0, 0.0)),
            ):
                for _ in range(3):
                    end, text = outcome(lambda place=place: _fetch(place))
                    if wrong := fault(place):
                        end, text = WRONG, wrong
                    counts.add(end, f"{number}: {'; '.join(told)}", text)
                    if end in (FINE, WRONG):
                        break
                    if draw.random() < 0.2:
                        (place / f"{_NAME}.part.version").write_bytes(draw.choice(_NOTES))
    return counts
