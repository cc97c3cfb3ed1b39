"""The system calls that a program may not make: a seccomp filter, as the bytes that the kernel and bubblewrap read.

`libseccomp` would name them for any machine; these two are what there is torch for, and it is not everywhere.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox.execution import Isolation
from axolotl_cotmask.evaluation.sandbox.supervisor import OWN_NUMBER

#: Of <linux/audit.h>.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: Calls with the other 32-bit interface of x86-64 have this bit; no call of either machine has a number above it.
_X32 = 0x40000000
#: Numbers on x86-64 and on ARM64.
_NUMBERS = {
    "add_key": (248, 217), "bpf": (321, 280), "clone": (56, 220), "clone3": (435, 435), "fcntl": (72, 25),
    "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioprio_set": (251, 30), "keyctl": (250, 219), "kill": (62, 129),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "mq_open": (240, 180), "msgget": (68, 186), "perf_event_open": (298, 241), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "prlimit64": (302, 261), "process_madvise": (440, 440),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "semget": (64, 190),
    "setns": (308, 268), "setpgid": (109, 154), "setpriority": (141, 140), "setsid": (112, 157), "shmget": (29, 194),
    "tgkill": (234, 131), "tkill": (200, 130), "unshare": (272, 97), "userfaultfd": (323, 282),
}  # fmt: skip

#: What comes of a call, of <linux/seccomp.h>: it is made; it returns 0 and does nothing; EPERM; ENOSYS.
_MADE, _NOTHING, _REFUSED, _MISSING = 0x7FFF0000, 0x00050000, 0x00050001, 0x00050026

#: The process stays in its session and group, in which all can be ended at one blow. (Kernels that share the CPU among
#: sessions would give each process of a fork bomb a share of its own.)
_TIED = ("setsid", "setpgid")
#: Memory that no limit of a process counts or that outlives it, and doors of the kernel that no program needs.
_ABSENT = (
    "memfd_create", "memfd_secret", "shmget", "semget", "msgget", "mq_open", "add_key", "request_key", "keyctl",
    "io_uring_setup", "userfaultfd", "bpf", "perf_event_open", "clone3",
)  # fmt: skip
#: No namespaces of its own, with capabilities in them, and no hand in the memory of another process. What `clone3` is
#: asked for cannot be seen; the C library then uses `clone`, whose first argument says it.
_NEVER = ("unshare", "setns", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd")
_NEW_NAMESPACE = 0x7E020000
#: What reaches other processes by their number, the first argument; only that of the program itself may be given.
_BY_NUMBER = (
    "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "prlimit64",
    "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
)  # fmt: skip
_REACHING = ("pidfd_send_signal", "setpriority", "ioprio_set", "migrate_pages", "move_pages")
#: F_SETOWN, F_SETSIG and F_SETOWN_EX; FIOSETOWN and SIOCSPGRP, which let the kernel signal others, and TIOCSTI and
#: TIOCLINUX, which type into a terminal.
_FCNTL, _IOCTL = (8, 10, 15), (0x8901, 0x8902, 0x5412, 0x541C)

# Of <linux/bpf_common.h>: load a word, return, jump if equal, if not less, if a bit is set.
_LOAD, _RETURN, _EQUAL, _AT_LEAST, _ANY_BIT = 0x20, 0x06, 0x15, 0x35, 0x45
_CALL_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16


@dataclass(frozen=True)
class _Rule:
    """What comes of a call; with values, of one with an argument that is among them, and otherwise of all others."""

    name: str
    among: int
    others: int = _MADE
    argument: int = 0
    values: tuple[int, ...] = ()
    compare: int = _EQUAL


def _rules(isolation: Isolation) -> Iterator[_Rule]:
    yield from (_Rule(name, _NOTHING) for name in _TIED)
    yield from (_Rule(name, _MISSING) for name in _ABSENT)
    yield from (_Rule(name, _REFUSED) for name in _NEVER)
    yield _Rule("clone", _REFUSED, values=(_NEW_NAMESPACE,), compare=_ANY_BIT)
    yield _Rule("ioctl", _REFUSED, argument=1, values=_IOCTL)
    # In bubblewrap there is nobody else to reach but its own process 1, whose end is that of the program.
    if isolation is Isolation.PROCESS:
        yield from (_Rule(name, _MADE, _REFUSED, values=(0, OWN_NUMBER)) for name in _BY_NUMBER)
        yield from (_Rule(name, _REFUSED) for name in _REACHING)
        yield _Rule("fcntl", _REFUSED, argument=1, values=_FCNTL)


@cache
def seccomp_filter(isolation: Isolation) -> bytes:
    """Return the filter of a level, in which ``OWN_NUMBER`` stands for the number of the program's process.

    Raises:
        CoTMaskError: this machine is neither x86-64 nor ARM64.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise CoTMaskError(
            f"programs of a model run on {' and '.join(_ARCHITECTURES)} only, not on {machine}: use another machine "
            "(`axolotl cotmask execute` runs what was generated elsewhere)"
        )
    column = list(_ARCHITECTURES).index(machine)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _MISSING),
        (_LOAD, 0, 0, _CALL_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _MISSING),
    ]
    for rule in _rules(isolation):
        block = list(_answer(rule))
        steps += [(_EQUAL, 0, len(block), _NUMBERS[rule.name][column]), *block]
    steps.append((_RETURN, 0, 0, _MADE))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _answer(rule: _Rule) -> Iterator[tuple[int, int, int, int]]:
    if rule.values:
        yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * rule.argument
        for before, value in enumerate(rule.values):
            yield rule.compare, len(rule.values) - before, 0, value
        yield _RETURN, 0, 0, rule.others
    yield _RETURN, 0, 0, rule.among
