"""How the supervisor is started at each isolation level."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox import supervisor
from axolotl_cotmask.evaluation.sandbox.execution import Isolation, Limits
from axolotl_cotmask.evaluation.sandbox.syscalls import seccomp_filter

#: The file that holds the program, in its directory.
PROGRAM = "program.py"
_SOURCE = Path(supervisor.__file__).read_text(encoding="utf-8")
#: What the interpreter and its libraries need besides their own directories.
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime")
#: Math libraries would start a thread per core, each with memory of its own.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def environment(directory: Path) -> dict[str, str]:
    """Return all variables that a program sees: its own directory for what it would leave in the user's, one thread."""
    return {"HOME": str(directory), "TMPDIR": str(directory)} | dict.fromkeys(_THREADS, "1")


def supervisor_command(isolation: Isolation, limits: Limits, directory: Path) -> list[str]:
    """Return what runs the program in ``directory``.

    Raises:
        CoTMaskError: bubblewrap is not installed, or this machine is neither x86-64 nor ARM64.
    """
    numbers = [limits.cpu_seconds, limits.memory_bytes, limits.processes, limits.file_bytes]
    # -B, so that importing a module leaves no __pycache__ beside it; -S for the supervisor, which imports little.
    program = [sys.executable, "-I", "-B", PROGRAM]
    command = _bubblewrap(directory) + program if isolation is Isolation.BUBBLEWRAP else program
    rules = seccomp_filter(isolation).hex()
    return [sys.executable, "-I", "-S", "-c", _SOURCE, isolation, *map(str, numbers), rules, *command]


def _bubblewrap(directory: Path) -> list[str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise CoTMaskError("bubblewrap is not installed: install it (`apt install bubblewrap`)")
    # Capabilities are dropped by name, as bubblewrap leaves root its own.
    arguments = [bwrap, "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    for path in dict.fromkeys([*_SYSTEM, sys.base_prefix, sys.prefix]):
        if os.path.exists(path):
            arguments += ["--ro-bind", path, path]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--bind", str(directory), str(directory)]
    # Of bubblewrap's own process inside: its memory and its descriptors.
    arguments += ["--tmpfs", "/proc/1"]
    # These would be writable, and are in memory that nothing limits.
    for path in ("/proc/1", "/dev", "/"):
        arguments += ["--remount-ro", path]
    return [*arguments, "--chdir", str(directory)]
