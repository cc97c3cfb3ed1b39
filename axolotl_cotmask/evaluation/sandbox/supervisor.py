"""Runs one program inside the sandbox and ends what it leaves behind: the source of ``python -I -c``.

The arguments are the isolation level and the limits: CPU seconds, bytes of memory, processes, bytes of a file. The
program is the file ``program.py`` in the working directory. When something comes on standard input, or its end, which
the death of the asking process brings, the program is ended.
"""

# Every program pays for what is imported here, which is why `signal`, a third of the interpreter's start, is not.
import os
import resource
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterator

PROGRAM = "program.py"
#: Exit statuses. Not 1, which an error of Python or of bubblewrap has.
FINISHED, FAILED, CPU_LIMIT, PROCESS_LIMIT, STOPPED = 0, 90, 91, 92, 93

_SIGKILL, _SIGXCPU = 9, 24
#: Milliseconds between two looks at the program. They grow, as most programs are short, but not far: in each of them a
#: fork bomb makes ten processes.
_FIRST_PAUSE, _LAST_PAUSE, _GROWTH = 1.0, 5.0, 1.1
_OPEN_FILES = 256
_NICENESS = 10
#: Of one user, root excepted: far more than a program may have, and far less than brings a machine down.
_USER_PROCESSES = 4096

# Of <linux/sched.h>, <linux/prctl.h> and <linux/capability.h>.
_NEW_IPC_USER_PID_NET = 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_SET_PDEATHSIG, _SET_SECCOMP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 22, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522


def _main() -> str:
    """Return, in the process that is to run it, the program; in the supervisor's own process never return."""
    isolation = sys.argv[1]
    cpu_seconds, memory_bytes, processes, file_bytes = map(int, sys.argv[2:])
    if isolation == "namespace":
        _enter_namespaces()
    if isolation != "bubblewrap":
        _drop_capabilities()
    if isolation == "process":
        # Orphans become children of the supervisor, as they do where it is process 1.
        _libc().prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Where the kernel does not list children, the sandbox must not run rather than not count.
    open("/proc/thread-self/children", "rb").close()
    supervisor = os.getpid()
    program = os.fork()
    if program:
        status = _supervise(program, processes)
        if isolation == "process":
            _end_descendants(program)
        # Elsewhere the end of process 1 ends all others, and waits for them.
        os._exit(status)
    if isolation == "process":
        # Without a supervisor it would be free of some limits. In namespaces it cannot end its own.
        _libc().prctl(_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(FAILED)
    # These keep a fork bomb from crowding out the supervisor, which otherwise hardly gets to run. Kernels that share
    # the CPU among sessions give it one share, and one to all of the program; the others go by niceness.
    os.setsid()
    _forbid_sessions()
    os.nice(_NICENESS)
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)  # It becomes 0, the lowest that is free.
    _limit(resource.RLIMIT_CPU, cpu_seconds, grace=1)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, _USER_PROCESSES)
    sys.argv = [PROGRAM]
    with open(PROGRAM, encoding="utf-8") as file:
        return file.read()


def _libc() -> "ctypes.CDLL":
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _enter_namespaces() -> None:
    """Become process 1 of new namespaces; the process that was there before hands on the exit status."""
    import ctypes

    if _libc().unshare(_NEW_IPC_USER_PID_NET) != 0:
        raise OSError(ctypes.get_errno(), "unshare is not allowed")
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(status if status >= 0 else 128 - status)
    # So that all is ended by killing the process that was there before, even when a fork bomb leaves no time for more.
    _libc().prctl(_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def _drop_capabilities() -> None:
    """Keep root from raising its limits, and from reaching more than its own files."""
    import ctypes

    libc = _libc()
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _forbid_sessions() -> None:
    """Make the system call setsid do nothing from now on, where its number is known and the kernel has seccomp."""
    number = {"x86_64": 112, "aarch64": 157}.get(os.uname().machine)
    if number is None:
        return
    import ctypes

    # Load the number; if it is that of setsid, return 0 without doing it; else allow it. Of <linux/filter.h> and
    # <linux/seccomp.h>.
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000), (0x06, 0, 0, 0x7FFF0000)]
    code = b"".join(
        operation.to_bytes(2, "little") + bytes((if_true, if_false)) + value.to_bytes(4, "little")
        for operation, if_true, if_false, value in steps
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    _libc().prctl(_SET_SECCOMP, 2, (ctypes.c_void_p * 2)(len(steps), ctypes.addressof(buffer)))


def _limit(kind: int, value: int, grace: int = 0) -> None:
    hard = resource.getrlimit(kind)[1]
    soft, highest = (bound if hard == resource.RLIM_INFINITY else min(bound, hard) for bound in (value, value + grace))
    resource.setrlimit(kind, (soft, highest))


def _supervise(program: int, processes: int) -> int:
    """Wait for the end of ``program``, or for a reason to end it."""
    own_id = int(os.readlink("/proc/self"))
    stop = select.poll()
    stop.register(0, select.POLLIN)
    pause = _FIRST_PAUSE
    while not stop.poll(pause):
        pause = min(pause * _GROWTH, _LAST_PAUSE)
        reaped = -1
        while reaped:
            reaped, status, usage = os.wait4(-1, os.WNOHANG)
            if reaped == program:
                return _verdict(status, usage.ru_utime + usage.ru_stime)
        for before, _ in enumerate(_descendants(own_id)):
            if before == processes:
                return PROCESS_LIMIT
    return STOPPED


def _descendants(pid: int) -> "Iterator[int]":
    """Yield the processes that come from ``pid`` and are not reaped, with the ids that /proc gives them.

    One by one, as a fork bomb makes them faster than a list of all is made.
    """
    parents = [pid]
    for parent in parents:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", "rb") as file:
                    children = [int(child) for child in file.read().split()]
                yield from children
                parents += children
        except (FileNotFoundError, ProcessLookupError):
            pass  # It has ended meanwhile.


def _verdict(status: int, cpu_seconds: float) -> int:
    exit_code = os.waitstatus_to_exitcode(status)
    # The second for a program that ignores the first.
    if exit_code == -_SIGXCPU or (exit_code == -_SIGKILL and cpu_seconds >= int(sys.argv[2])):
        return CPU_LIMIT
    if exit_code < 0:
        os.write(2, b"\nkilled by signal %d\n" % -exit_code)
    return FAILED if exit_code else FINISHED


def _end_descendants(program: int) -> None:
    # The whole group in one call: no fork bomb outruns that, but what has left the group has to be sought.
    _kill(os.killpg, program)
    own_id = os.getpid()
    try:
        while True:
            for pid in _descendants(own_id):
                _kill(os.kill, pid)
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    except ChildProcessError:
        pass  # None is left.


def _kill(send: "Callable[[int, int], None]", pid: int) -> None:
    try:  # noqa: SIM105 (contextlib is not imported, see above)
        send(pid, _SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    _source = _main()
    # A new module, so that the program finds none of the names above.
    _module = type(sys)("__main__")
    _module.__file__ = os.path.abspath(PROGRAM)
    sys.modules["__main__"] = _module
    exec(compile(_source, PROGRAM, "exec"), _module.__dict__)
