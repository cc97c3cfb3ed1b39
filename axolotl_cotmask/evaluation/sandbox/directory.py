"""The directory of one program: new, and removed with all that the program did to it, however deep, wide or wrong."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

LOG = logging.getLogger(__name__)
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW
_PREFIX = "axolotl-cotmask-program-"
#: Seconds after which a directory that nobody has locked is one that an evaluation left when it was killed.
_ABANDONED = 60.0


@contextmanager
def new_directory() -> Iterator[Path]:
    """Make a directory for one program; then remove it, wherever it is by then, and what stands in its place.

    What cannot be removed is left with a warning: it is no reason to end an evaluation. What an evaluation that was
    killed has left is removed by the next one.
    """
    _remove_abandoned()
    # Without symbolic links, as bubblewrap binds the same path inside.
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    try:
        made = os.open(directory, os.O_RDONLY | _DIRECTORY)
    except OSError:
        directory.rmdir()
        raise
    # As long as this process lives. Where a file system has no locks nothing is removed, either.
    with suppress(OSError):
        fcntl.flock(made, fcntl.LOCK_SH)
    try:
        yield directory
    finally:
        try:
            # The kernel knows where it was moved to.
            moved = Path(os.readlink(f"/proc/self/fd/{made}"))
            if moved != directory and moved.is_dir() and os.path.samestat(moved.stat(), os.fstat(made)):
                remove(moved)
            remove(directory)
        except OSError as error:
            LOG.warning("%s: what a program left behind cannot be removed: %s", directory, error)
        finally:
            os.close(made)


@cache
def _remove_abandoned() -> None:
    """Remove the directories of programs whose evaluation was killed, once: a living one has its directory locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # It may be another user's, or go away meanwhile.
        with suppress(OSError):
            found = os.open(path, os.O_RDONLY | _DIRECTORY)
            try:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(found).st_ctime > _ABANDONED:
                    remove(path)
            finally:
                os.close(found)


def remove(path: Path) -> None:
    """Remove ``path``, whatever it is, even where the program took its own rights away; nothing there is no error.

    It follows no symbolic links, and a depth of any number of directories needs neither stack nor descriptors:
    `shutil.rmtree` recurses in CPython before 3.13, and opens a descriptor for each level.

    Raises:
        OSError: something cannot be removed.
    """
    with suppress(FileNotFoundError):
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            os.unlink(path.name, dir_fd=parent)
        except IsADirectoryError:
            _remove_tree(path.name, os.dup(parent))
        finally:
            os.close(parent)


def _remove_tree(name: str, at: int) -> None:
    """Remove the directory ``name`` in the directory ``at``, which is a descriptor that is closed."""
    #: From the top to where we are: each name, and the directory that it is in.
    way: list[tuple[str, os.stat_result]] = []
    inner: str | None = name
    try:
        while inner is not None or way:
            if inner is not None:
                way.append((inner, os.fstat(at)))
                at = _moved_to(inner, at)
            else:
                name, above = way.pop()
                at = _moved_to("..", at)
                if not os.path.samestat(above, os.fstat(at)):
                    raise OSError(errno.ESTALE, "it is moved while it is removed", name)
                os.rmdir(name, dir_fd=at)
            inner = _first_directory(at) if way else None
    finally:
        os.close(at)


def _moved_to(name: str, at: int) -> int:
    """Return the descriptor of the directory ``name``, with all rights where it is one to empty, and close ``at``."""
    there = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=at)
    try:
        if name != "..":
            # By its descriptor no symbolic link is followed.
            os.chmod(f"/proc/self/fd/{there}", 0o700)
    except OSError:
        os.close(there)
        raise
    os.close(at)
    return there


def _first_directory(at: int) -> str | None:
    """Remove files and empty directories; return the name of the first other directory, or None when none is left."""
    while True:
        left = False
        # For a descriptor that can be read: `at` says only where it is.
        descriptor = os.open(".", os.O_RDONLY | _DIRECTORY, dir_fd=at)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    left = True
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.name, dir_fd=at)
                        continue
                    try:
                        os.rmdir(entry.name, dir_fd=at)
                    except OSError:
                        return entry.name
        finally:
            os.close(descriptor)
        # Some file systems do not list all when names go away meanwhile.
        if not left:
            return None
