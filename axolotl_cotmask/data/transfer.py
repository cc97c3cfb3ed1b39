"""One transfer over HTTP into a part of a file: it holds the bytes of one version of the source, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from axolotl_cotmask.common.files import parse_json

#: Is told the bytes that are there and, where the server says so, how many there will be.
ReportProgress = Callable[[int, int | None], None]

_TIMEOUT = 30
_CHUNK = 1 << 16
#: What a partial answer holds: first and last byte, and the size of the whole where that is known.
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)", re.ASCII)


class NoAnswerError(Exception):
    """The server did not send all of what was asked for; when ``passing``, another attempt may get it."""

    def __init__(self, reason: str, passing: bool = True) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True)
class Version:
    """What the bytes of a part are of: ``tag`` is a strong ETag or a date, ``size`` that of the whole, if known."""

    url: str
    tag: str
    size: int | None


@dataclass(frozen=True)
class Part:
    """The bytes of ``url`` that came so far, and in a note beside them which version of the source they are of."""

    path: Path
    url: str

    @property
    def note(self) -> Path:
        """Where the version stands."""
        return self.path.with_name(f"{self.path.name}.version")

    def start(self, tag: str | None, size: int | None) -> None:
        """Begin with no bytes of a version; without a tag it cannot be gone on with."""
        # In this order, so that no crash leaves old bytes beside a new version.
        self.path.write_bytes(b"")
        self.note.unlink(missing_ok=True)
        if tag is not None:
            self.note.write_text(json.dumps(asdict(Version(self.url, tag, size))), encoding="utf-8")

    def held(self) -> tuple[int, Version] | None:
        """Return the number of bytes and their version, when there are some of a known version."""
        try:
            note = parse_json(self.note.read_bytes())
        # What was not written to its end, or by something else, is no note.
        except (FileNotFoundError, ValueError):
            return None
        match note:
            case {"url": self.url, "tag": str() as tag, "size": int() | None as size} if len(note) == 3:
                done = self.path.stat().st_size if self.path.is_file() else 0
                fits = tag.isascii() and tag.isprintable() and (size is None or done <= size)
                return (done, Version(self.url, tag, size)) if done and tag and fits else None
        return None

    def discard(self) -> None:
        """Remove bytes and note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def transfer(part: Part, progress: ReportProgress) -> None:
    """Fetch what is missing of a part, all of it where the server has no such version any more or cannot go on.

    Raises:
        NoAnswerError: the server did not send it; what came is kept.
        OSError: the part cannot be written.
    """
    # A compressed answer would have neither the length nor the ranges of the file.
    headers = {"User-Agent": "axolotl-cotmask", "Accept-Encoding": "identity"}
    held, done = part.held(), 0
    size: int | None
    if held is not None:
        done, version = held
        if done == version.size:
            return
        headers |= {"Range": f"bytes={done}-", "If-Range": version.tag}
    with _open(part, headers) as response:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise NoAnswerError(f"it sent the file encoded as {encoding}, and not as it is", passing=False)
        if held is not None and response.status == 206:
            try:
                size = _whole_size(response, *held)
            except NoAnswerError:
                # The next attempt asks for the whole.
                part.discard()
                raise
        elif response.status == 200:
            done, size = 0, response.length
            part.start(_tag(response), size)
        else:
            status = f"HTTP {response.status} {response.reason}"
            raise NoAnswerError(f"{status}, where the whole file was asked for", passing=False)
        _append(part, response, done, size, progress)


def _append(part: Part, response: HTTPResponse, done: int, size: int | None, progress: ReportProgress) -> None:
    progress(done, size)
    with part.path.open("ab") as file:
        while chunk := _read(response):
            file.write(chunk)
            done += len(chunk)
            progress(done, size)
    if size is not None and done > size:
        part.discard()
        raise NoAnswerError(f"it sent {done} bytes of {size}")
    if size is not None and done < size:
        raise NoAnswerError(f"the connection ended after {done} of {size} bytes")


def _whole_size(response: HTTPResponse, done: int, version: Version) -> int:
    """Return the size of the whole file, of which a partial answer has the rest.

    Raises:
        NoAnswerError: it does not go on with the version that is there, or contradicts itself.
    """
    if _tag(response) != version.tag:
        raise NoAnswerError("it went on with another version of the file")
    stated = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if stated is None or int(stated[1]) != done or int(stated[2]) < done:
        raise NoAnswerError("it sent another range than the one asked for")
    end = int(stated[2]) + 1
    size = end if stated[3] is None else int(stated[3])
    if end > size or response.length not in (None, end - done) or version.size not in (None, size):
        raise NoAnswerError("it sent a range that does not fit its own length or the file's")
    return size


def _tag(response: HTTPResponse) -> str | None:
    etag = response.headers.get("ETag", "")
    # A weak tag promises the same meaning, not the same bytes.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to HTTP and HTTPS only, and from HTTPS to HTTPS only: nobody on the way may change the file."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in {req.type, "https"}:
            raise NoAnswerError(f"HTTP {code} sends on to {newurl}, where no file is fetched from", passing=False)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(part: Part, headers: dict[str, str]) -> HTTPResponse:
    try:
        response: HTTPResponse = build_opener(_Redirects).open(Request(part.url, headers=headers), timeout=_TIMEOUT)  # noqa: S310
    except HTTPError as error:
        error.close()
        if error.code == 416:
            part.discard()
        passing = error.code in (416, 429) or error.code >= 500
        raise NoAnswerError(f"HTTP {error.code} {' '.join(str(error.reason).split())}", passing) from error
    # The last where a redirect leads to what is no address.
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswerError(_reason(error)) from error
    return response


def _read(response: HTTPResponse) -> bytes:
    try:
        # read1, since read would lose what came before the connection broke.
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise NoAnswerError(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(reason).__name__
