"""Programs that mean harm: whatever they do is their own result, and nothing is left of them (`nox -s attack -- sandbox`)."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support.sandboxes import LANDLOCK, children, need, run_program, within

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation.sandbox import Execution, Isolation, Limits, Status, one, run_programs
from axolotl_cotmask.evaluation.sandbox.directory import new_directory, remove

pytestmark = pytest.mark.usefixtures("temporary")
BUBBLEWRAP, PROCESS = Isolation
#: The process that runs the program's Python has `parent` for its parent, and `evaluation` asks for it.
ABOVE = f"import os, signal, time\nparent, evaluation, here = os.getppid(), {os.getpid()}, os.getcwd()\n"
QUIET = "def quietly(run, *given):\n    try: return run(*given)\n    except OSError as error: return error.strerror\n"


DIRECTORIES = {
    "deep": "for _ in range(1100): os.mkdir('d'); os.chdir('d')",
    "wide": "for n in range(150): os.mkdir(f'd{n}'); open(f'd{n}/f', 'w').close(); open(f'f{n}', 'w').close()",
    "gone": "os.chdir('/'); quietly(shutil.rmtree, here)",
    "moved": "os.mkdir('d'); quietly(os.rename, here, here + '-moved')",
    "moved and replaced": "open('f', 'w'); quietly(os.rename, here, here + '-moved'); quietly(os.mkdir, here)",
    "moved behind a link": "quietly(os.rename, here, here + '-moved'); quietly(os.symlink, here + '-moved', here)",
    "a file": "shutil.rmtree(here, True); quietly(lambda: open(here, 'w').write('file'))",
    "a link": "shutil.rmtree(here, True); quietly(os.symlink, '/etc', here)",
    "a dead link": "shutil.rmtree(here, True); quietly(os.symlink, here, here)",
    "a pipe": "shutil.rmtree(here, True); quietly(os.mkfifo, here)",
    "without rights": "os.makedirs('a/b/c'); open('a/b/c/d', 'w')\nfor path in ('a/b/c', 'a/b', 'a', '.'): os.chmod(path, 0)",
    "odd names": "for name in (b'\\xff\\xfe', b'\\n', b'-rf', b'\\x1b[31m', b'x' * 255): os.mkdir(name); open(name + b'/f', 'w')",
    "odd kinds": "os.remove('program.py'); os.mkfifo('program.py'); os.symlink('..', 'up'); os.symlink('s', 's')\n"
    "import socket; socket.socket(socket.AF_UNIX).bind('socket')",
}


@pytest.mark.parametrize("deed", DIRECTORIES)
def test_what_a_program_does_to_its_directory_is_removed_with_it(level: Isolation, deed: str) -> None:
    program = f"import shutil\n{ABOVE}{QUIET}{DIRECTORIES[deed]}\nprint('end')"
    execution = run_program(program, isolation=level)
    assert execution == Execution("end\n", Status.FINISHED, level, "")


OTHERS = {
    "signals": "for pid in (parent, evaluation, -os.getpgid(parent), -1):\n"
    "    for number in (0, 9, 19, 2, 24) if pid != -1 else (0,): print(quietly(os.kill, pid, number))",
    "a handle": "for pid in (parent, evaluation): print(quietly(lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 9)))",
    "a pipe's owner": "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)\n"
    "print(quietly(fcntl.fcntl, r, 10, 9), quietly(fcntl.fcntl, r, fcntl.F_SETOWN, evaluation)); os.write(w, b'x')",
    "limits": "import resource\nfor kind in range(16): quietly(resource.prlimit, parent, kind, (0, 0))\ntime.sleep(0.1)",
    "descriptors": "for fd in range(9):\n    where = quietly(os.open, f'/proc/{parent}/fd/{fd}', os.O_WRONLY | os.O_NONBLOCK)\n"
    "    if isinstance(where, int): os.write(where, b'\\n\\0' * 99); print('written')",
    "memory": "memory = quietly(open, f'/proc/{parent}/mem', 'r+b')\nif not isinstance(memory, str): print('opened')",
    "tracing": "import ctypes\nprint(ctypes.CDLL(None).ptrace(16, parent, 0, 0) == -1, ctypes.CDLL(None).ptrace(0x4206, parent, 0, 0) == -1)",
    "niceness": "quietly(os.setpriority, 0, parent, 19); quietly(os.sched_setaffinity, parent, [0])",
    "exit statuses": "os._exit(93)",
    "a claim": "import sys; sys.exit('isolation level bubblewrap: a program cannot be run')",
    "no output": "os.closerange(0, 100)",
}


@pytest.mark.parametrize("deed", OTHERS)
def test_a_program_ends_no_other_process(level: Isolation, deed: str) -> None:
    execution = run_program(f"{ABOVE}{QUIET}{OTHERS[deed]}", isolation=level)
    ended = {Status.FAILED if deed in ("exit statuses", "a claim") else Status.FINISHED}
    if deed == "limits" and level is not PROCESS:
        # Process 1 in bubblewrap takes limits, and may end of them with all that is in there.
        ended.add(Status.FAILED)
    assert execution.status in ended
    assert "written" not in execution.stdout
    assert "opened" not in execution.stdout
    if level is PROCESS:
        # In bubblewrap there is only its own process 1, which takes no signal from inside.
        assert set(execution.stdout.split()) <= {"Operation", "not", "permitted", "True"}
    assert run_program("print(1)", isolation=level).stdout == "1\n"


def test_a_program_is_the_first_to_go_when_memory_runs_out(level: Isolation) -> None:
    assert run_program("print(open('/proc/self/oom_score_adj').read())", isolation=level).stdout == "1000\n\n"


def test_the_supervisor_is_limited_too() -> None:
    # Its limits can be read by all, its memory by none.
    program = f"{ABOVE}for line in open(f'/proc/{{parent}}/limits'):\n    if 'address' in line or 'Max file size' in line: print(*line.split()[-3:])"
    assert run_program(program, isolation=need(PROCESS)).stdout == f"0 0 bytes\n{512 << 20} {512 << 20} bytes\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_supervisor_that_is_lost_is_the_programs_result(level: Isolation, number: int) -> None:
    results: list[Execution] = []
    before = children()
    program = "import os, time\nfor _ in range(2): os.fork()\nprint(1, flush=True)\ntime.sleep(30)"
    thread = threading.Thread(target=lambda: results.append(run_program(program, within(wall_seconds=2), level)))
    thread.start()
    while not (begun := children() - before) or len(descendants(int(*begun))) < 4:
        time.sleep(0.01)
    os.kill(int(*begun), number)
    thread.join()
    # At the process level its children hold the output until they are sought, when time is up.
    assert results[0].status in (Status.FAILED, Status.TIMEOUT)


def test_a_full_pipe_is_no_missing_level(level: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process that is busy reads late, and the program forbids all to wait for that.
    program = (
        "import os\nos.set_blocking(2, False)\ntry:\n    while True: os.write(2, bytes(4096))\n"
        "except BlockingIOError: os.kill(os.getpid(), 9)"
    )
    ended = threading.Event()
    run_program("print(1)", isolation=level)
    monkeypatch.setattr(one, "_PATIENCE", -100.0)
    busy = [threading.Thread(target=lambda: [sum(range(10**5)) for _ in iter(ended.is_set, True)]) for _ in range(5)]
    for thread in busy:
        thread.start()
    try:
        assert [run_program(program, isolation=level).status for _ in range(3)] == [Status.FAILED] * 3
    finally:
        ended.set()
        for thread in busy:
            thread.join()


def descendants(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        found += map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
    return found[1:]


CALLS = {
    "memory without a limit": ("memfd_create(b'm', 0)", 38),
    "shared memory": ("shmget(0, 4096, 0o1600)", 38),
    "a queue": ("msgget(0, 0o1600)", 38),
    "a namespace": ("unshare(0x10000000)", 1),
    "a child in a namespace": (
        "syscall({'x86_64': 56, 'aarch64': 220}[os.uname().machine], 0x10000011, 0, 0, 0, 0)",
        1,
    ),
    "the newer clone": ("syscall(435, 0, 0)", 38),
    "another's memory": ("process_vm_readv(os.getppid(), None, 0, None, 0, 0)", 1),
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_that_escape_the_limits_are_refused(level: Isolation, call: str) -> None:
    text, error = CALLS[call]
    program = f"import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.{text}, ctypes.get_errno())"
    assert run_program(program, isolation=level).stdout == f"-1 {error}\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has calls with other numbers")
def test_calls_by_their_other_numbers_are_refused(level: Isolation) -> None:
    program = (
        "import ctypes, mmap, struct\n"
        "code = mmap.mmap(-1, 4096, prot=7)\n"
        # push rbx; eax = 37, which is kill there; ebx = the evaluation; ecx = 0; int 0x80; pop rbx; ret
        f"code.write(b'\\x53\\xb8' + struct.pack('<I', 37) + b'\\xbb' + struct.pack('<I', {os.getpid()}) + b'\\xb9\\0\\0\\0\\0\\xcd\\x80\\x5b\\xc3')\n"
        "print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())\n"
        f"print(ctypes.CDLL(None).syscall(0x40000000 | 62, {os.getpid()}, 0))"
    )
    assert run_program(program, isolation=level).stdout == "-38\n-1\n"


@pytest.mark.parametrize(
    "text", ["'\\x1b[2J\\x1b]0;t\\x07'", "'\\x9b\\u202e\\u2028'", "'\\0' * 9", "'x' * 99_999", "b'\\xff\\x1b'"]
)
def test_detail_is_one_line_that_a_terminal_can_show(level: Isolation, text: str) -> None:
    execution = run_program(f"raise SystemExit({text})", isolation=level)
    assert execution.status is Status.FAILED
    assert execution.detail.isprintable()
    assert 0 < len(execution.detail) <= 1000


@pytest.mark.parametrize("text", ["print(1)", "os.write(1, b'\\xff\\0\\x1b[31m\\r\\n')", "os.close(1); os.close(2)"])
def test_bytes_of_any_kind_are_output(level: Isolation, text: str) -> None:
    assert run_program(f"import os\n{text}", isolation=level).status is Status.FINISHED


def test_what_is_not_covered_by_the_limits(level: Isolation) -> None:
    # Each process has the memory that one may have, and a program as many files as there is time for.
    program = (
        "import os, time\nkept = bytearray(b'x') * (150 << 20)\n"
        "if os.fork() == 0: kept[:] = bytes(len(kept)); time.sleep(0.1); os._exit(0)\n"
        "os.wait()\nfor n in range(300): open(f'{n}', 'wb').write(bytes(1000))\nprint('had')"
    )
    assert run_program(program, within(memory_bytes=500 << 20, file_bytes=1000), level).stdout == "had\n"


def test_what_is_in_reach_at_the_process_level(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    program = (
        f"{QUIET}import os\nmine = {str(tmp_path / 'mine')!r}\nprint(open(mine).read())\n"
        "quietly(lambda: open(mine, 'a').write(' changed'))\n"
        "for place in (os.path.dirname(mine), os.path.dirname(os.getcwd()), '/dev/shm', '/var/tmp'):\n"
        "    if isinstance(quietly(lambda: open(f'{place}/by-a-program', 'w').close()), str): print('refused')\n"
        f"print(quietly(open, '/proc/{os.getpid()}/mem', 'r+b'))"
    )
    written = run_program(program, isolation=need(PROCESS)).stdout
    places = [tmp_path, tmp_path / "temporary", Path("/dev/shm"), Path("/var/tmp")]
    made = [place for place in places if (place / "by-a-program").exists()]
    for place in made:
        (place / "by-a-program").unlink()
    assert written.startswith("mine\n")
    if LANDLOCK:
        assert written == "mine\n" + "refused\n" * 4 + "Permission denied\n"
        assert (made, (tmp_path / "mine").read_text()) == ([], "mine")
    else:
        assert (made, (tmp_path / "mine").read_text()) == (places, "mine changed")
    # Neither forbids this.
    run_program(f"import os\nos.chmod({str(tmp_path / 'mine')!r}, 0o640)", isolation=PROCESS)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o640


def test_a_cache_that_goes_away_costs_no_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    results = run_programs(
        ["print(1)", "print(2)"],
        workers=1,
        cache_dir=cache,
        progress=lambda *_: shutil.rmtree(cache, ignore_errors=True),
    )
    assert [result.stdout for result in results] == ["1\n", "2\n"]
    assert "a result is not kept" in caplog.text


def test_a_start_that_fails_for_the_moment_is_tried_again(level: Isolation, temporary: Path) -> None:
    run_program("print(1)", isolation=level)
    temporary.rmdir()
    timer = threading.Timer(0.5, temporary.mkdir)
    timer.start()
    assert run_program("print(1)", isolation=level).stdout == "1\n"
    timer.join()


def test_a_start_that_goes_on_failing_is_a_sentence(
    level: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_program("print(1)", isolation=level)
    monkeypatch.setattr(one, "_PATIENCE", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(CoTMaskError, match=rf"^isolation level {level}: a program cannot be run \(.*No such file"):
        run_program("print(1)", Limits(wall_seconds=0.5), level)


def test_the_level_that_was_removed_is_named() -> None:
    for ask in (lambda: Isolation("namespace"), lambda: run_programs(["print(1)"], isolation="namespace")):  # type: ignore[arg-type]
        with pytest.raises(
            CoTMaskError, match=r"^namespace is no isolation level: the levels are bubblewrap and process"
        ):
            ask()


@pytest.mark.parametrize("deed", sorted(set(DIRECTORIES) - {"deep", "odd kinds"}))
def test_a_directory_is_removed_whatever_became_of_it(deed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In this process, which nothing keeps from it, as where the kernel has no Landlock.
    with new_directory() as here:
        monkeypatch.chdir(here)
        (here / "program.py").touch()
        exec(f"import os, shutil\n{QUIET}{DIRECTORIES[deed]}", {"here": str(here)})
    # The fixture looks at what is left elsewhere.
    assert not os.path.lexists(here)


@pytest.mark.parametrize("call", ["unlink", "chmod", "rmdir", "open"])
def test_what_cannot_be_removed_is_left_with_a_warning(
    call: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with new_directory() as directory:
        # As an immutable file or a full table of files refuses it.
        monkeypatch.setattr(os, call, lambda *_, **__: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    assert f"{directory}: what a program left behind cannot be removed: [Errno 1] not permitted" in caplog.text
    monkeypatch.undo()
    remove(directory)
    remove(directory)


def test_directories_are_removed_without_following_links() -> None:
    parent = Path(tempfile.mkdtemp(dir="/tmp"))
    user = os.geteuid()
    try:
        if user == 0:
            # Rights do not bind root.
            os.chown(parent, 65534, 65534)
            os.seteuid(65534)
        outside, directory = parent / "outside", parent / "directory"
        outside.mkdir(mode=0o500)
        (directory / "a" / "b").mkdir(parents=True)
        (directory / "a" / "link").symlink_to(outside)
        (directory / "a" / "b").chmod(0)
        (directory / "a").chmod(0o500)
        directory.chmod(0)
        remove(directory)
        assert not directory.exists()
        assert outside.stat().st_mode & 0o777 == 0o500
    finally:
        os.seteuid(user)
        shutil.rmtree(parent)
