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
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import parse_json, sha256, whole_file
from axolotl_cotmask.data.transfer import NoAnswerError, Part, ReportProgress, transfer

#: The file, beside the data, that holds a `Record` for each file that was fetched.
RECORDS = "checksums.json"
#: Seconds before the second attempt and each further one.
WAITS = (0.5, 1.0, 2.0)

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
    part = Part(path.with_name(f"{path.name}.part"), url)
    # Found before anything is fetched, as records that cannot be read are.
    for place in (path, part.path, part.note):
        if place.is_dir():
            raise CoTMaskError(f"{place} is a directory, where a file is to be: move it away")
    try:
        if not path.is_file():
            _fetch_anew(part, path, find_fault, progress)
            done = "fetched"
        elif check_recorded(path):
            done = "already there, checked"
        else:
            unfit = find_fault(path)
            if unfit is not None:
                raise CoTMaskError(f"{path} is not the data of {url} ({unfit}): remove it, to fetch it anew")
            _write_record(path, _describe(url, path))
            done = "already there, recorded"
        # Also what is left where a fetch was killed at its end.
        part.discard()
    except OSError as error:
        raise CoTMaskError(
            f"{error.filename or path} cannot be written or read ({error.strerror}): make room, or access, for it"
        ) from error
    return done


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


def _fetch_anew(part: Part, path: Path, find_fault: FindFault, progress: ReportProgress) -> None:
    record = _read_records(path.parent).get(path.name)
    _download(part, path, progress)
    unfit = find_fault(part.path)
    if unfit is not None:
        part.discard()
        raise CoTMaskError(
            f"{part.url} sent something else than {path.name} ({unfit}): check what a browser shows there, or download "
            f"the file elsewhere and put it at {path}"
        )
    difference = None if record is None else record.difference(part.path)
    if record is not None and difference is not None:
        part.discard()
        raise CoTMaskError(
            f"{part.url} has changed since {path.name} was fetched on {record.date} ({difference}): to accept the new "
            f"file, delete the entry of {path.name} from {path.with_name(RECORDS)} and fetch it again"
        )
    fetched = _describe(part.url, part.path)
    # The record comes second: a file without one is checked and recorded by the next fetch.
    os.replace(part.path, path)
    if record is None:
        _write_record(path, fetched)


def _download(part: Part, path: Path, progress: ReportProgress) -> None:
    for wait in (*WAITS, None):
        try:
            transfer(part, progress)
        except NoAnswerError as error:
            if wait is None or not error.passing:
                raise CoTMaskError(
                    f"{part.url} could not be fetched ({error}): check the network or the proxy, or download the file "
                    f"elsewhere and put it at {path}"
                ) from error
            time.sleep(wait)
        else:
            return


def _describe(url: str, path: Path) -> Record:
    return Record(url, path.stat().st_size, sha256(path), datetime.now(UTC).date().isoformat())


def _read_records(directory: Path) -> dict[str, Record]:
    path = directory / RECORDS
    try:
        entries = parse_json(path.read_bytes())
        return {name: Record(**entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CoTMaskError(
            f"{path} cannot be read ({error.strerror}): make it a readable file, or remove it"
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise CoTMaskError(f"{path} holds no checksums of fetch-data ({error}): mend it, or remove it") from error


def _write_record(path: Path, record: Record) -> None:
    records = _read_records(path.parent) | {path.name: record}
    with whole_file(path.with_name(RECORDS)) as temporary:
        text = json.dumps({name: asdict(records[name]) for name in sorted(records)}, indent=2)
        temporary.write_text(f"{text}\n", encoding="utf-8")
