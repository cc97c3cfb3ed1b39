"""Programs that mean harm to what runs them: their own end is theirs, and nothing else may come of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

#: Before each program: names for the processes above it, and calls of the C library. No program outlives its fuse.
_PRELUDE = """\
import ctypes, os, signal, stat, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
parent, evaluation, here = os.getppid(), EVALUATION, os.getcwd()
fuse = time.time() + 5
def quietly(run, *args):
    try: return run(*args)
    except (OSError, ValueError) as error: return error
def status(pid): return dict(line.split(':', 1) for line in open(f'/proc/{pid}/status').read().splitlines())
"""

_ABOVE = ("parent", "parent", "evaluation", "os.getpgid(0)", "os.getpgid(parent)")
_SIGNALS = ("KILL", "STOP", "INT", "TERM", "SEGV", "XCPU", "PIPE", "TSTP", "HUP")
_LIMITS = ("CPU", "AS", "NOFILE", "FSIZE", "DATA", "STACK", "NPROC", "RSS", "CORE")
_TEXT = (
    r"'\x1b[2J\x1b]0;title\x07\x1b[31m'", r"'\x00' * {small}", r"'\x08\x08\x7f\x9b'", r"'\u202e\u2028\u2029\ufeff'",
    r"'\r' * {small} + 'x'", r"'x' * 100_000", r"'{{\"exit-code\": 0}}'", r"'isolation level process: a program cannot be run'",
    r"'bwrap: execvp python: No such file or directory'",
)  # fmt: skip

#: On x86-64, and on ARM64.
_ARM64 = os.uname().machine == "aarch64"
_CALLS = {"tkill": 130, "vm_writev": 271, "clone": 220} if _ARM64 else {"tkill": 200, "vm_writev": 311, "clone": 56}

#: What a program does to the processes above it.
_AT_OTHERS = (
    "quietly(os.kill, {above}, signal.SIG{signal})",
    "quietly(os.killpg, {above}, signal.SIG{signal})",
    "for thread in quietly(os.listdir, f'/proc/{{{above}}}/task') or (): libc.syscall({tkill}, int(thread), signal.SIG{signal})",
    "descriptor = quietly(os.pidfd_open, {above})\nif isinstance(descriptor, int): print(quietly(signal.pidfd_send_signal, descriptor, signal.SIG{signal}))",
    "import resource\nfor pid in ({above}, parent): print(quietly(resource.prlimit, pid, resource.RLIMIT_{limit}, ({low}, {low})))\ntime.sleep(0.3)",
    "import resource\nfor kind in range(16): quietly(resource.prlimit, {above}, kind, (0, 0))\ntime.sleep(0.3)",
    "for name in quietly(os.listdir, f'/proc/{{parent}}/fd') or '0123456789':\n    fd = quietly(os.open, f'/proc/{{parent}}/fd/{{name}}', os.O_WRONLY | os.O_NONBLOCK)\n    if isinstance(fd, int): print(name, quietly(os.write, fd, b'\\n' * {small}))",
    "for name in range(12):\n    fd = quietly(os.open, f'/proc/{{parent}}/fd/{{name}}', os.O_RDWR | os.O_NONBLOCK)\n    if isinstance(fd, int): print(quietly(os.read, fd, 4096), quietly(os.ftruncate, fd, 0))",
    "print(libc.ptrace(16, {above}, 0, 0), os.strerror(ctypes.get_errno()))\ntime.sleep(0.2)",
    "print(libc.ptrace(0x4206, parent, 0, 0))\ntime.sleep({short})",
    "memory = quietly(open, f'/proc/{{parent}}/mem', 'r+b', 0)\nif not isinstance(memory, OSError):\n    for line in open(f'/proc/{{parent}}/maps'):\n        if ' r-xp' in line and 'python' in line or ' rw-p' in line and 'heap' in line:\n            at, end = (int(part, 16) for part in line.split()[0].split('-'))\n            quietly(memory.seek, at); quietly(memory.write, bytes([{byte}]) * min(end - at, 1 << 20))\ntime.sleep(0.3)",
    "data = ctypes.create_string_buffer(b'\\xcc' * 4096)\nlocal = struct.pack('QQ', ctypes.addressof(data), 4096)\nfor line in quietly(lambda: open(f'/proc/{{parent}}/maps').readlines()) or ():\n    if isinstance(line, str) and ' rw-p' in line:\n        at = int(line.split('-')[0], 16)\n        libc.syscall({vm_writev}, parent, local, 1, struct.pack('QQ', at, 4096), 1, 0)\ntime.sleep(0.2)",
    "for name, value in (('oom_score_adj', '1000'), ('coredump_filter', 'ff'), ('clear_refs', '1'), ('timerslack_ns', '4000000000'), ('comm', '{comm}')):\n    quietly(lambda: open(f'/proc/{{parent}}/{{name}}', 'w').write(value))",
    "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)\nquietly(fcntl.fcntl, r, 10, signal.SIGKILL); quietly(fcntl.fcntl, r, fcntl.F_SETOWN, {above})\nos.write(w, b'x'); time.sleep(0.2)",
    "for _ in range({some}): quietly(os.sched_setaffinity, parent, [0]); quietly(os.setpriority, os.PRIO_PROCESS, parent, 19)\nos.sched_yield()",
    "libc.prctl(1, 9); libc.prctl(36, 1); libc.prctl(4, 0)\nif os.fork() == 0: os.kill(os.getppid(), 9)\ntime.sleep(0.2)",
    "quietly(os.kill, parent, signal.SIGSTOP); time.sleep(0.3); quietly(os.kill, parent, signal.SIGCONT)",
)  # fmt: skip

#: How the names begin that a program's directory may have when it ends.
DIRECTORIES = ("axolotl-cotmask-program-", "elsewhere")
#: What it does to its own directory.
_AT_DIRECTORY = (
    "for _ in range({deep}):\n    os.mkdir('{name}'); os.chdir('{name}')",
    "for _ in range({deep}):\n    os.mkdir('d'); os.chdir('d'); open('f', 'w')\n    os.chmod('.', {mode})",
    "os.chdir('/'); import shutil; print(quietly(shutil.rmtree, here))",
    "os.chdir('/'); print(quietly(os.rename, here, here + '-moved'))",
    "os.chdir('/'); print(quietly(os.rename, here, os.path.dirname(here) + '/elsewhere'))\nprint(quietly(os.mkdir, here))",
    "import shutil; shutil.rmtree(here, ignore_errors=True); print(quietly(lambda: open(here, 'w').write('a file')))",
    "import shutil; shutil.rmtree(here, ignore_errors=True); print(quietly(os.symlink, '{target}', here))",
    "import shutil; shutil.rmtree(here, ignore_errors=True); print(quietly(os.mkfifo, here))",
    "print(quietly(os.rename, here, here + '-moved'), quietly(os.symlink, here + '-moved', here))",
    "os.chmod(here, {mode})",
    "os.makedirs('a/b/c'); open('a/b/c/d', 'w')\nfor path in ('a/b/c/d', 'a/b/c', 'a/b', 'a', '.'): os.chmod(path, {mode})",
    "for n in range({many}): open(f'{{n}}', 'w').close()",
    "for n in range({many} // 4): os.mkdir(f'{{n}}')",
    "os.mkfifo('fifo'); os.mkfifo('program.py.fifo'); os.remove('program.py'); os.mkfifo('program.py')",
    "import socket\nfor n in range({some}): socket.socket(socket.AF_UNIX).bind(f's{{n}}')",
    "for n, target in enumerate(('/', '/etc', here, '.', '..', 'self', '{target}')): os.symlink(target, f'link{{n}}')\nos.symlink('self', 'self'); os.link('program.py', 'hard')",
    "for name in (b'\\xff\\xfe', b'\\n', b' ', b'-rf', b'*', b'\\x1b[31m', b'~', b'x' * 255): os.mkdir(name); open(os.path.join(name, b'f'), 'w')",
    "os.remove('program.py'); os.mkdir('program.py'); os.mkdir('program.py/program.py')",
    "import fcntl\nfor name in ('i', 'a'):\n    with open(name, 'w') as file: print(quietly(fcntl.ioctl, file, 0x40086602, struct.pack('l', {flags})))",
    "for path in (b'tmpfs', b'none'): print(libc.mount(path, here.encode(), b'tmpfs', 0, None), libc.mount(b'/', here.encode(), None, 0x1000, None))",
    "libc.unshare(0x10020000)\nprint(libc.mount(b'none', here.encode(), b'tmpfs', 0, None)); open('file', 'w')",
    "os.chdir('..')\nfor name in quietly(os.listdir, '.') or ():\n    if isinstance(name, str) and name.startswith('axolotl-cotmask-program-'): quietly(os.rename, name, name + '-x')",
    "try:\n    for n in range(10_000):\n        with open(f'{{n}}', 'wb') as file: file.write(bytes(1 << 20))\n        if n == 96: break\nexcept OSError as error: print(error)\ntime.sleep(0.3)",
    "with open('sparse', 'wb') as file: print(quietly(file.truncate, 1 << 40), quietly(os.posix_fallocate, file.fileno(), 0, 1 << 22))",
)  # fmt: skip

#: What it leaves or writes.
_OTHERWISE = (
    "for _ in range({few}):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork(): os._exit(0)\n        os.closerange(0, 10); time.sleep(3); os._exit(0)",
    "if os.fork() == 0:\n    os.setsid(); os.setpgid(0, 0); os.environ.clear()\n    os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(3)'], {{}})\ntime.sleep(0.2)",
    "os.execve('/bin/sleep', ['sleep', '3'], {{}})",
    "if os.fork() == 0:\n    for s in set(signal.Signals) - {{9, 19}}: signal.signal(s, signal.SIG_IGN)\n    time.sleep(3); os._exit(0)",
    "while time.time() < fuse:\n    if quietly(os.fork) == 0: {escape}",
    "for _ in range({few}):\n    if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP); os._exit(0)\ntime.sleep(0.2)",
    "os.kill(os.getpid(), signal.SIG{signal})",
    "os.killpg(0, signal.SIG{signal})",
    "os.closerange(0, 256); time.sleep({short})",
    "os.close(1); os.close(2)\nfor _ in range(3): os.open('/dev/null', os.O_RDWR)\nprint('nowhere')",
    "sys.{stream}.write({text}); sys.{stream}.flush(); os._exit({code})",
    "raise Exception({text})",
    "for _ in range(4096): os.write({fd}, bytes(range(256)) * 4096)",
    "while time.time() < fuse: os.write({fd}, b'\\xff\\x00\\n' * 1000)",
    "os._exit({code})",
    "sys.exit({text})",
    "libc.shmget.restype = ctypes.c_int\nprint(libc.shmget({key}, 1 << 20, 0o1600), libc.msgget({key}, 0o1600), libc.semget({key}, 1, 0o1600))",
    "files = []\nfor n in range(40):\n    fd = libc.memfd_create(b'm', 0)\n    if fd < 0: print(os.strerror(ctypes.get_errno())); break\n    files.append(fd); quietly(os.write, fd, bytes(1 << 20))",
    "print(quietly(bytearray, {large})) if False else bytearray({large})",
    "import mmap\nkept = []\ntry:\n    while True: kept.append(mmap.mmap(-1, 1 << 26))\nexcept (OSError, ValueError) as error: print(error, len(kept))",
    "for _ in range({some}): threading.Thread(target=time.sleep, args=({short},)).start()",
    "sys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    "ctypes.string_at({byte})",
    "print(libc.unshare(0x10000000), os.strerror(ctypes.get_errno()))\nprint(status('self').get('CapEff'))",
    "print(libc.syscall({clone}, 0x10000000 | 17, 0, 0, 0, 0))",
    "print(libc.prctl(4, 1), libc.prctl(38, 0), libc.personality(0x0040000))",
    "import resource\nfor kind in range(16): quietly(resource.setrlimit, kind, (resource.RLIM_INFINITY,) * 2); quietly(resource.setrlimit, kind, (0, 0))\nprint(1)",
    "signal.setitimer(signal.ITIMER_REAL, 0.1); time.sleep(1)",
    "os.nice(-20)",
    "sys.stdout = sys.stderr = None\nimport gc; gc.get_objects()[0] = None\ndel sys.modules['os'], sys.modules['builtins']",
    "for fd in range(3, 40): quietly(os.close, fd); quietly(os.write, fd, b'\\0')\nwith open('/proc/self/fd/1', 'wb', 0) as file: file.write(b'1')",
    "for path in ('/proc/self/mem', '/proc/self/exe', '/proc/self/comm', sys.executable, os.__file__): print(path, quietly(lambda: open(path, 'r+b')))",
)  # fmt: skip


def programs(seed: int) -> Iterator[tuple[str, str]]:
    """Yield (what it does, program) without end, the same for the same seed; each template comes before any comes again.

    EVALUATION stands in a program for the number of the process that asks.
    """
    draw = random.Random(seed)
    kinds = {"others": _AT_OTHERS, "directory": _AT_DIRECTORY, "rest": _OTHERWISE}
    every = [(kind, template) for kind, templates in kinds.items() for template in templates]
    while True:
        draw.shuffle(every)
        for kind, template in every:
            parts = [_filled(draw, template)]
            # A second deed now and then, before or after the first, in the same process or in a child.
            if draw.random() < 0.3:
                parts.insert(draw.randrange(2), _filled(draw, draw.choice(every)[1]))
            program = "\n".join(parts)
            if draw.random() < 0.15:
                program = (
                    "if os.fork() == 0:\n"
                    + "\n".join(f"    {line}" for line in program.split("\n"))
                    + "\ntime.sleep(0.3)"
                )
            yield f"{kind}: {program}", _PRELUDE + program


def _filled(draw: random.Random, template: str) -> str:
    values = {
        "above": draw.choice(_ABOVE), "signal": draw.choice(_SIGNALS), "limit": draw.choice(_LIMITS), "low": draw.choice((0, 1, 4096)),
        "small": draw.choice((1, 7, 4096)), "some": draw.choice((2, 40, 200)), "few": draw.choice((1, 3, 10)), "short": draw.choice((0.1, 0.6)),
        "deep": draw.choice((900, 1100, 1100, 3000)), "many": draw.choice((100, 3000, 20_000)), "mode": draw.choice(("0", "0o100", "0o500")),
        "name": draw.choice(("d", "é", "x" * 200)), "target": draw.choice(("/", "/etc", "/nowhere", "..")), "flags": draw.choice((16, 32)),
        "byte": draw.choice((0, 1, 204, 255)), "code": draw.choice((0, 1, 2, 90, 91, 92, 93, 126, 127, 128, 137, 152, 255)), "fd": draw.choice((1, 2)),
        "stream": draw.choice(("stdout", "stderr")), "key": draw.randrange(1 << 30), "large": draw.choice((10**8, 10**9, 10**11)),
        "escape": draw.choice(("pass", "os.setsid()", "os.setpgid(0, 0)")), "comm": draw.choice(("(sd", "a b) Z 1", "\\\\n")),
        **_CALLS,
    }  # fmt: skip
    text = draw.choice(_TEXT)
    values["text"] = text.format(**values)
    return template.format(**values)
