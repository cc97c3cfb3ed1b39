"""Versions of packages, and of this one with its commit."""

from __future__ import annotations

import functools
import subprocess
from importlib import metadata

from axolotl_cotmask.common import resources

DISTRIBUTION = "axolotl-cotmask"


@functools.cache
def package_version() -> str:
    """Return the version of this package, in a checkout with its commit: ``0.1.0+350f188``.

    ``.dirty`` follows where the package or the tasks differ from the commit.
    """
    version = installed(DISTRIBUTION) or "unknown"
    # An installed copy may lie inside somebody's repository without being part of it.
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return version
    changes = git("status", "--porcelain", "--", ".", str(resources.directory("evaltasks")))
    return f"{version}+{git('rev-parse', '--short=7', 'HEAD')}{'.dirty' if changes else ''}"


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git(*arguments: str) -> str | None:
    """Return what git says in the package's directory, or None where it fails or is not there."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        run = subprocess.run(command, cwd=resources.PACKAGE, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None
