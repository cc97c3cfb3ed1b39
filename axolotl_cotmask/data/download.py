"""Files from a URL: fetched whole or not at all, and known by their checksum from then on."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import sha256, whole_file

#: The file, beside the data, that holds a `Record` for each file that was fetched.
RECORDS = "checksums.json"
#: Seconds before the second attempt and each further one.
WAITS = (0.5, 1.0, 2.0)
_TIMEOUT = 30
_CHUNK = 1 << 16

#: Is told the bytes that are there and, where the server says so, how many there will be.
ReportProgress = Callable[[int, int | None], None]
#: Says what makes a file unfit, or None.
FindFault = Callable[[Path], str | None]


@dataclass(frozen=True)
class Record:
    """What a file was when it was first fetched."""

    url: str
    size: int
    sha256: str
    date: str

    def difference(self, path: Path) -> str | None:
        """Return how ``path`` differs from the record, or None; the size is compared first, as it costs nothing."""
        size = path.stat().st_size
        if size != self.size:
            return f"{size} bytes instead of {self.size}"
        return None if sha256(path) == self.sha256 else "another SHA-256"


@contextmanager
def alone_in(directory: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from fetching to ``directory`` meanwhile; call ``waiting`` first when one does.

    Raises:
        CoTMaskError: the directory cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        # The lock alone would wait for ever in a directory that takes no files.
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise CoTMaskError(f"{directory} cannot be written ({error.strerror}): make it writable") from error
    lock = FileLock(directory / ".fetch-data.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        waiting()
        lock.acquire()
    except OSError as error:
        raise CoTMaskError(f"{directory} cannot be written ({error.strerror}): make it writable") from error
    try:
        yield
    finally:
        lock.release()


def fetch_file(url: str, path: Path, find_fault: FindFault, progress: ReportProgress) -> str:
    """Fetch ``url`` to ``path`` and record its checksum, or check the file that is there; to be called `alone_in`.

    What an interrupted fetch leaves in ``<name>.part`` is used by the next one.

    Returns:
        What was done: "fetched", "already there, checked" or "already there, recorded".

    Raises:
        CoTMaskError: the URL does not answer or sends something unfit, the file or the source is not what the record
            says, or the file cannot be written.
    """
    try:
        if not path.is_file():
            _fetch_anew(url, path, find_fault, progress)
            return "fetched"
        if check_recorded(path):
            return "already there, checked"
        unfit = find_fault(path)
        if unfit is not None:
            raise CoTMaskError(f"{path} is not the data of {url} ({unfit}): remove it, to fetch it anew")
        _write_record(path, _describe(url, path))
    except OSError as error:
        raise CoTMaskError(
            f"{path} cannot be written or read ({error.strerror}): make room, or access, for it"
        ) from error
    return "already there, recorded"


def check_recorded(path: Path) -> bool:
    """Check ``path`` against its record, and return whether there is one.

    Raises:
        CoTMaskError: the file has changed, or the records cannot be read.
    """
    record = _read_records(path.parent).get(path.name)
    if record is None:
        return False
    difference = record.difference(path)
    if difference is not None:
        raise CoTMaskError(
            f"{path} has changed since it was fetched on {record.date} ({difference}): remove it, to fetch it anew "
            f"with `axolotl cotmask fetch-data`"
        )
    return True


def _fetch_anew(url: str, path: Path, find_fault: FindFault, progress: ReportProgress) -> None:
    part = _Part(path.with_name(f"{path.name}.part"), url)
    _download(part, path, progress)
    try:
        unfit = find_fault(part.path)
        if unfit is not None:
            raise CoTMaskError(
                f"{url} sent something else than {path.name} ({unfit}): check what a browser shows there, or download "
                f"the file elsewhere and put it at {path}"
            )
        record = _read_records(path.parent).get(path.name)
        difference = None if record is None else record.difference(part.path)
        if record is not None and difference is not None:
            raise CoTMaskError(
                f"{url} has changed since {path.name} was fetched on {record.date} ({difference}): to accept the new "
                f"file, delete the entry of {path.name} from {path.with_name(RECORDS)} and fetch it again"
            )
        fetched = _describe(url, part.path)
        # The record comes second: a file without one is checked and recorded by the next fetch.
        os.replace(part.path, path)
        if record is None:
            _write_record(path, fetched)
    finally:
        part.discard()


def _download(part: _Part, path: Path, progress: ReportProgress) -> None:
    for wait in (*WAITS, None):
        try:
            _attempt(part, progress)
        except _NoAnswerError as error:
            if wait is None or not error.passing:
                raise CoTMaskError(
                    f"{part.url} could not be fetched ({error}): check the network or the proxy, or download the file "
                    f"elsewhere and put it at {path}"
                ) from error
            time.sleep(wait)
        else:
            return


class _NoAnswerError(Exception):
    """The server did not send all of what was asked for; when ``passing``, another attempt may get it."""

    def __init__(self, reason: str, passing: bool = True) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True)
class _Part:
    """The bytes that came so far, and beside them which version of the source they are of."""

    path: Path
    url: str

    @property
    def _version(self) -> Path:
        return self.path.with_name(f"{self.path.name}.version")

    def start(self, version: str | None) -> None:
        # In this order, so that no crash leaves old bytes beside a new version.
        self.path.write_bytes(b"")
        self._version.unlink(missing_ok=True)
        if version is not None:
            self._version.write_text(f"{self.url}\n{version}", encoding="utf-8")

    def resumable(self) -> tuple[int, str] | None:
        """Return the number of bytes and their version, when there are some of a known version."""
        if not self.path.is_file() or not self._version.is_file():
            return None
        size = self.path.stat().st_size
        url, _, version = self._version.read_text(encoding="utf-8").partition("\n")
        return (size, version) if size and version and url == self.url else None

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


def _attempt(part: _Part, progress: ReportProgress) -> None:
    # A compressed answer would have neither the length nor the ranges of the file.
    headers = {"User-Agent": "axolotl-cotmask", "Accept-Encoding": "identity"}
    done = 0
    resumable = part.resumable()
    if resumable is not None:
        done, version = resumable
        headers |= {"Range": f"bytes={done}-", "If-Range": version}
    with _open(part, headers) as response:
        if resumable is None or response.status != 206:
            done = 0
            part.start(_version(response))
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            part.discard()
            raise _NoAnswerError("it sent another range than the one asked for")
        total = None if response.length is None else done + response.length
        progress(done, total)
        with part.path.open("ab") as file:
            while chunk := _read(response):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done != total:
        raise _NoAnswerError(f"the connection ended after {done} of {total} bytes")


def _version(response: HTTPResponse) -> str | None:
    etag = response.headers.get("ETag", "")
    # A weak tag promises the same meaning, not the same bytes.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _open(part: _Part, headers: dict[str, str]) -> HTTPResponse:
    try:
        return urlopen(Request(part.url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            part.discard()
        passing = error.code in (416, 429) or error.code >= 500
        raise _NoAnswerError(f"HTTP {error.code} {error.reason}", passing) from error
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(_reason(error)) from error


def _read(response: HTTPResponse) -> bytes:
    try:
        # read1, since read would lose what came before the connection broke.
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _NoAnswerError(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(reason).__name__


def _describe(url: str, path: Path) -> Record:
    return Record(url, path.stat().st_size, sha256(path), datetime.now(UTC).date().isoformat())


def _read_records(directory: Path) -> dict[str, Record]:
    path = directory / RECORDS
    try:
        entries = json.loads(path.read_bytes())
        return {name: Record(**entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise CoTMaskError(f"{path} holds no checksums of fetch-data ({error}): mend it, or remove it") from error


def _write_record(path: Path, record: Record) -> None:
    records = _read_records(path.parent) | {path.name: record}
    with whole_file(path.with_name(RECORDS)) as temporary:
        text = json.dumps({name: asdict(records[name]) for name in sorted(records)}, indent=2)
        temporary.write_text(f"{text}\n", encoding="utf-8")
