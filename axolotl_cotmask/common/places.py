"""Whether a file can be read or written at a path, and a directory be made: told before any work."""

from __future__ import annotations

import tempfile
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError


def check_file(path: Path) -> None:
    """Check that ``path`` is a file that can be read more than once: no directory, no pipe, no device.

    Raises:
        CoTMaskError: it is not, or is not there.
    """
    if path.is_file():
        return
    if not path.exists():
        raise CoTMaskError(f"{path}: there is no such file: check the name")
    if path.is_dir():
        raise CoTMaskError(f"{path}: is a directory: name a file in it")
    raise CoTMaskError(f"{path}: is no regular file: name one, and write there what a pipe would give")


def check_place(path: Path) -> None:
    """Check that a file can stand at ``path``.

    Raises:
        CoTMaskError: there is no directory for it, or it is something else than a file, such as a device.
    """
    if not path.parent.is_dir():
        raise CoTMaskError(f"{path}: there is no directory {path.parent}: create it, or name another place")
    if path.exists():
        check_file(path)


def check_new_file(path: Path) -> None:
    """Check, before any work, that a file can be written at ``path``.

    Raises:
        CoTMaskError: as `check_place`, or the directory takes no files.
    """
    check_place(path)
    _check_writable(path.parent)


def check_new_directory(path: Path) -> None:
    """Check, before any work, that a directory can be made or filled at ``path``.

    Raises:
        CoTMaskError: something else is there or above it, or the directory that is there takes no files.
        OSError: a name in it is too long.
    """
    there = next(above for above in (path, *path.parents) if _is_anything(above))
    if not there.is_dir():
        raise CoTMaskError(f"{there}: is no directory, and one is needed there: move it away, or name another place")
    # Of a path the system looks at names only as far as there are directories.
    for name in path.parts[len(there.parts) :]:
        _is_anything(there / name)
    _check_writable(there)


def _is_anything(path: Path) -> bool:
    """Return whether something is at a path, also a link to nothing; a name that is too long is an error."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_writable(directory: Path) -> None:
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise CoTMaskError(
            f"{directory}: cannot be written to ({error.strerror}): make it writable, or name another place"
        ) from error
