"""Starts one program, counts its processes and ends them all: the source of ``python -I -S -c``.

The arguments are the isolation level, the limits (CPU seconds, bytes of memory, processes, bytes of a file), the
seccomp filter in hexadecimal, and the command that is the program. It stays outside of what the program can reach, and
its exit status alone says what came of it. When something comes on standard input, or its end, which the death of the
asking process brings, the program is ended.
"""

# Every program pays for what is imported here, which is why `signal`, a third of the interpreter's start, is not.
import ctypes
import os
import resource
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Exit statuses. Any other one means that the program did not start.
FINISHED, FAILED, CPU_LIMIT, PROCESS_LIMIT, STOPPED = 0, 90, 91, 92, 93
_NOT_STARTED = 1
#: Stands in the filter for the number of the program's process.
OWN_NUMBER = 0x7FABCDEF

_SIGKILL, _SIGXCPU = 9, 24
#: Milliseconds between two looks at the program. They grow, as most programs are short, but not far: in each of them a
#: fork bomb makes ten processes.
_FIRST_PAUSE, _LAST_PAUSE, _GROWTH = 1.0, 5.0, 1.1
_OPEN_FILES = 256
_NICENESS = 10
#: Of one user, root excepted: far more than a program may have, and far less than brings a machine down.
_USER_PROCESSES = 4096
#: Of the supervisor itself: bytes.
_OWN_MEMORY = 512 << 20
#: Bubblewrap's own: one outside, and process 1 inside.
_PROCESSES_OF_BUBBLEWRAP = 2

# Of <linux/prctl.h> and <linux/capability.h>.
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_SECCOMP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522

# Of <linux/landlock.h>: its system calls, which have the same numbers on all machines, and what it restricts: to write
# files, to move them between directories, to truncate them; to make and to remove what there is in directories.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_WRITE_FILE, _REFER, _TRUNCATE, _CHANGE_DIRECTORY = 1 << 1, 1 << 13, 1 << 14, 0b1_1111_1111_0000

_libc = ctypes.CDLL(None, use_errno=True)


def _main() -> int:
    """Run the program, end all that came of it, and return the exit status."""
    # Where memory runs out, the kernel ends this and the program before anything else.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    # Orphans become children of the supervisor, and nobody of the same user reads, writes or traces it.
    _prctl(_SET_CHILD_SUBREAPER, 1)
    _prctl(_SET_DUMPABLE, 0)
    # Where the kernel does not list children, the sandbox must not run rather than not count.
    open("/proc/thread-self/children", "rb").close()
    supervisor = os.getpid()
    told, telling = os.pipe()
    program = os.fork()
    if not program:
        try:
            _become_program(supervisor, telling)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os.write(telling, b"not started")
        finally:
            os._exit(_NOT_STARTED)
    os.close(telling)
    # From here on, whatever happens is the program's result.
    try:
        _limit(resource.RLIMIT_AS, _OWN_MEMORY)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_CORE, 0)
        code, reason = _supervise(program)
        _end_descendants(program)
        return reason if code is None else _verdict(code, told)
    except BaseException:
        # As if it were killed: then the asking process looks for what is left.
        os.kill(os.getpid(), _SIGKILL)
        raise


def _become_program(supervisor: int, telling: int) -> None:
    """Take on what binds the program, and become it; in bubblewrap, become what starts it there."""
    cpu_seconds, memory_bytes, _, file_bytes = _NUMBERS
    rules, command = bytes.fromhex(sys.argv[6]), sys.argv[7:]
    # Without a supervisor it would be free of some limits.
    _prctl(_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != supervisor:
        return
    # These keep a fork bomb from crowding out the supervisor, which otherwise hardly gets to run. Kernels that share
    # the CPU among sessions give it one share, and one to all of the program; the others go by niceness.
    os.setsid()
    os.nice(_NICENESS)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Before bubblewrap starts, so that they hold for all that is inside.
    _limit(resource.RLIMIT_CPU, cpu_seconds, grace=1)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    if _BUBBLEWRAP:
        rules_read, rules_written = os.pipe()
        os.write(rules_written, rules)
        os.close(rules_written)
        command[1:1] = ["--json-status-fd", str(telling), "--seccomp", str(rules_read)]
        os.set_inheritable(telling, True)
        os.set_inheritable(rules_read, True)
    else:
        # Not where a user with more threads than that would get no namespaces, whose end ends all at one blow.
        _limit(resource.RLIMIT_NPROC, _USER_PROCESSES)
        _drop_capabilities()
        _confine()
        _forbid(rules.replace(OWN_NUMBER.to_bytes(4, sys.byteorder), os.getpid().to_bytes(4, sys.byteorder)))
    os.execv(command[0], command)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} is not allowed")


def _drop_capabilities() -> None:
    """Keep root from raising its limits, and from reaching more than its own files."""
    _prctl(_SET_NO_NEW_PRIVS, 1)
    if _libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _confine() -> None:
    """Let the program write below its directory alone, and reach no memory of others, where the kernel has Landlock."""
    version = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    on_files = _WRITE_FILE | (_TRUNCATE if version >= 3 else 0)
    rights = on_files | _CHANGE_DIRECTORY | (_REFER if version >= 2 else 0)
    ruleset = _libc.syscall(_CREATE_RULESET, rights.to_bytes(8, sys.byteorder), ctypes.c_size_t(8), 0)
    for path, allowed in ((".", rights), (os.devnull, on_files)):
        place = os.open(path, os.O_PATH)
        rule = allowed.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
        if _libc.syscall(_ADD_RULE, ruleset, 1, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), "a rule of Landlock is not taken")
        os.close(place)
    if _libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "Landlock is not allowed")
    os.close(ruleset)


def _forbid(rules: bytes) -> None:
    """Let the kernel refuse system calls by a seccomp filter from now on."""
    buffer = ctypes.create_string_buffer(rules, len(rules))
    # Of <linux/filter.h>: the number of steps, of eight bytes each, and where they are.
    program = (ctypes.c_void_p * 2)(len(rules) // 8, ctypes.addressof(buffer))
    if _libc.prctl(_SET_SECCOMP, 2, program) != 0:
        raise OSError(ctypes.get_errno(), "seccomp is not allowed")


def _limit(kind: int, value: int, grace: int = 0) -> None:
    hard = resource.getrlimit(kind)[1]
    soft, highest = (bound if hard == resource.RLIM_INFINITY else min(bound, hard) for bound in (value, value + grace))
    resource.setrlimit(kind, (soft, highest))


def _supervise(program: int) -> "tuple[int | None, int]":
    """Wait for the end of ``program``, and return its exit status; or None, and why it is to be ended."""
    processes = _NUMBERS[2] + (_PROCESSES_OF_BUBBLEWRAP if _BUBBLEWRAP else 0)
    own_id = os.getpid()
    stop = select.poll()
    stop.register(0, select.POLLIN)
    pause = _FIRST_PAUSE
    while not stop.poll(pause):
        pause = min(pause * _GROWTH, _LAST_PAUSE)
        reaped = -1
        while reaped:
            reaped, status = os.waitpid(-1, os.WNOHANG)
            if reaped == program:
                return os.waitstatus_to_exitcode(status), FINISHED
        for before, _ in enumerate(_descendants(own_id)):
            if before == processes:
                return None, PROCESS_LIMIT
    return None, STOPPED


def _descendants(pid: int) -> "Iterator[int]":
    """Yield the processes that come from ``pid`` and are not reaped.

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


def _verdict(code: int, told: int) -> int:
    """Return what came of a program that ended by itself, when all its processes have ended."""
    os.set_blocking(told, False)
    try:
        report = os.read(told, 1 << 16)
    except BlockingIOError:
        report = b""
    # Bubblewrap gives a status where the program was started, and the other level speaks only where it was not. What
    # was killed had begun.
    if code >= 0 and (b"exit-code" not in report if _BUBBLEWRAP else report):
        return _NOT_STARTED
    signal = -code if code < 0 else code - 128 if _BUBBLEWRAP else 0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The second for a program that ignores the first.
    if signal == _SIGXCPU or (signal == _SIGKILL and usage.ru_utime + usage.ru_stime >= _NUMBERS[0]):
        return CPU_LIMIT
    if signal > 0:
        try:  # noqa: SIM105 (contextlib is not imported, see above)
            os.write(2, b"\nkilled by signal %d\n" % signal)
        except BlockingIOError:
            pass  # The program has filled the pipe, and has forbidden to wait.
    return FAILED if code else FINISHED


def _end_descendants(program: int) -> None:
    """End all processes that came of the program, and wait until they are gone."""
    # The whole group in one call: no fork bomb outruns that. Bubblewrap's inner process, whose end ends all others
    # inside, is in another group, and so is the program before its first steps.
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
    _BUBBLEWRAP = sys.argv[1] == "bubblewrap"
    #: CPU seconds, bytes of memory, processes, bytes of a file.
    _NUMBERS = [int(number) for number in sys.argv[2:6]]
    # Not by the interpreter's own end, for which each program would wait.
    os._exit(_main())
