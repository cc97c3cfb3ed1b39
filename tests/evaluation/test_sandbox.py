"""The sandbox for generated programs: real programs that do what they should not, at each isolation level."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.sandboxes import need, processes_of, run_program, within

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.evaluation import sandbox
from axolotl_cotmask.evaluation.sandbox import Execution, Isolation, Limits, Status, detect_isolation, directory

pytestmark = pytest.mark.usefixtures("temporary")
BUBBLEWRAP, PROCESS = Isolation
#: No bomb of these tests lives longer, should the sandbox not end it.
FUSE = "import os, time\nend = time.time() + 1\n"


def run_programs(programs: list[str], limits: Limits | None = None, **options: Any) -> list[Execution]:
    return sandbox.run_programs(programs, limits=limits or within(), **options)


def run_out_of_time(program: str, level: Isolation) -> Execution:
    """Run a program that writes something and goes on; it gets longer if it has not come to write."""
    for seconds in (0.5, 5.0, 50.0):
        execution = run_program(program, within(wall_seconds=seconds), level)
        if execution.stdout:
            break
    return execution


def test_what_a_program_writes_is_returned_with_its_level(level: Isolation) -> None:
    assert run_program("print(6 * 7)", isolation=level) == Execution("42\n", Status.FINISHED, level, "")


@pytest.mark.parametrize(
    ("program", "stdout", "detail"),
    [
        ("print(1)\n1 / 0", "1\n", "ZeroDivisionError: division by zero"),
        ("print(1", "", "SyntaxError: '(' was never closed"),
        ("import sys\nsys.exit(3)", "", ""),
        ("import os\nprint(1, flush=True)\nos.abort()", "1\n", "killed by signal 6"),
    ],
)  # fmt: skip
def test_a_program_that_fails_says_why(program: str, stdout: str, detail: str) -> None:
    execution = run_program(program)
    assert (execution.stdout, execution.status) == (stdout, Status.FAILED)
    assert execution.detail == detail


@pytest.mark.parametrize(
    ("program", "detail"),
    [("print('\ud800')", "Non-UTF-8 code starting with '\\xed'"), ("print('\0')", "SyntaxError: ")],
)
def test_what_is_no_source_fails(program: str, detail: str) -> None:
    execution = run_program(program)
    assert (execution.stdout, execution.status) == ("", Status.FAILED)
    assert detail in execution.detail


def test_a_program_is_the_main_module_and_finds_no_names_of_the_sandbox(level: Isolation) -> None:
    program = (
        "found = [name for name in globals() if not name.startswith('__')]\n"
        "import pickle, sys\n"
        "class Point: pass\n"
        "print(found, __name__, sys.argv, type(pickle.loads(pickle.dumps(Point()))).__name__)"
    )
    assert run_program(program, isolation=level).stdout == "[] __main__ ['program.py'] Point\n"


def test_sympy_and_numpy_fit(level: Isolation) -> None:
    program = "import numpy, sympy\nprint(sympy.sqrt(8), numpy.linalg.inv(numpy.eye(300))[0, 0])"
    assert run_program(program, isolation=level).stdout == "2*sqrt(2) 1.0\n"


def test_an_infinite_loop_ends_in_time(level: Isolation) -> None:
    # Left alone, it would end after a minute.
    program = "import time\nend = time.time() + 60\nprint(1, flush=True)\nwhile time.time() < end: pass\nprint(2)"
    execution = run_out_of_time(program, level)
    assert execution.status is Status.TIMEOUT
    assert execution.stdout == "1\n"


def test_ignored_signals_change_nothing(level: Isolation) -> None:
    ignore = (
        "import signal\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, lambda *_: None)\nwhile True: pass"
    )
    assert run_program(ignore, within(wall_seconds=0.5), level).status is Status.TIMEOUT
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run_program(ignore, within(cpu_seconds=1), level).status is Status.TIMEOUT
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 15, "it did not run for the 60 seconds"


def test_cpu_time_is_limited(level: Isolation) -> None:
    execution = run_program("while True: pass", within(cpu_seconds=1), level)
    assert execution.status is Status.TIMEOUT


@pytest.mark.parametrize("escape", ["pass", "os.setpgid(0, 0)", "os.setsid()"])
def test_a_fork_bomb_is_ended(level: Isolation, escape: str) -> None:
    bomb = f"{FUSE}while time.time() < end:\n    if os.fork() == 0: {escape}"
    execution = run_program(bomb, isolation=level)
    assert execution.status is Status.PROCESS_LIMIT


def test_a_program_stays_in_its_session(level: Isolation) -> None:
    program = "import os\nif os.fork() == 0: os.setsid(); print(os.getsid(0) != os.getpid())\nelse: os.wait()"
    assert run_program(program, isolation=level).stdout == "True\n"


def test_processes_are_counted(level: Isolation) -> None:
    program = (
        "import os, time\n"
        "for n in range(3):\n"
        "    if os.fork() == 0: time.sleep(0.3); os._exit(0)\n"
        "for n in range(3): os.wait()\n"
        "print(1)"
    )
    assert run_program(program, within(processes=4), level).stdout == "1\n"
    assert run_program(program, within(processes=3), level).status is Status.PROCESS_LIMIT


def test_ten_gigabytes_are_not_given(level: Isolation) -> None:
    execution = run_program("x = bytearray(10 ** 10)", isolation=level)
    assert (execution.status, execution.detail) == (Status.FAILED, "MemoryError")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_gigabyte_of_output_is_cut(level: Isolation, stream: str) -> None:
    program = f"import sys\nfor _ in range(1000): sys.{stream}.write('x' * 10 ** 6)"
    execution = run_program(program, within(output_bytes=100_000), level)
    assert execution.status is Status.OUTPUT_LIMIT
    assert execution.stdout == ("x" * 100_000 if stream == "stdout" else "")
    assert len(execution.detail) <= 100_000


def test_a_large_file_is_not_written(level: Isolation) -> None:
    program = "open('large', 'wb').write(bytes(10 ** 7))"
    assert run_program(program, within(file_bytes=10**6), level).detail == "OSError: [Errno 27] File too large"
    assert run_program(program, within(file_bytes=10**7), level).status is Status.FINISHED


def test_limits_cannot_be_raised(level: Isolation) -> None:
    program = (
        "import resource\n"
        "for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):\n"
        "    try: resource.setrlimit(kind, (resource.RLIM_INFINITY,) * 2)\n"
        "    except ValueError as error: print(error)"
    )
    assert run_program(program, isolation=level).stdout == "not allowed to raise maximum limit\n" * 4


def test_a_program_has_no_capabilities(level: Isolation) -> None:
    # With them root could raise its limits, and reach the files of all users.
    program = "for line in open('/proc/self/status'):\n    if line.startswith(('CapPrm', 'CapEff', 'NoNew')): print(*line.split())"
    none = "0" * 16
    assert run_program(program, isolation=level).stdout == f"CapPrm: {none}\nCapEff: {none}\nNoNewPrivs: 1\n"


def test_bubblewrap_lets_a_program_write_to_its_own_directory_only(tmp_path: Path) -> None:
    places = [
        tmp_path,
        Path.home(),
        Path.cwd(),
        sys.prefix,
        sys.base_prefix,
        "/",
        "/tmp",
        "/var/tmp",
        "/dev",
        "/dev/shm",
    ]
    program = (
        "open('here', 'w')\n"
        f"for place in {[f'{place}/written-by-a-program' for place in places]}:\n"
        "    try: open(place, 'w'); print(place)\n"
        "    except OSError: pass\n"
        "import tempfile; tempfile.TemporaryFile(); print('end')"
    )
    assert run_program(program, isolation=need(BUBBLEWRAP)).stdout == "end\n"
    assert not any(Path(place, "written-by-a-program").exists() for place in places)


def test_the_environment_is_not_the_callers(level: Isolation, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setenv("SECRET", "1")
    names = set(run_program("import os\nprint(*os.environ)", isolation=level).stdout.split())
    threads = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"}
    # Python sets LC_CTYPE, bubblewrap PWD.
    assert names - {"LC_CTYPE", "PWD"} == {"HOME", "TMPDIR"} | threads
    program = "import os\nprint(os.getcwd() == os.environ['HOME'] == os.environ['TMPDIR'], os.listdir())"
    assert run_program(program, isolation=level).stdout == "True ['program.py']\n"


def test_bubblewrap_hides_the_environments_of_other_processes() -> None:
    program = (
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: print('PATH=' in open(path, errors='replace').read())\n"
        "    except OSError: pass"
    )
    assert "PATH=" in Path("/proc/self/environ").read_text(errors="replace")
    assert "True" not in run_program(program, isolation=need(BUBBLEWRAP)).stdout


def test_bubblewrap_hides_the_callers_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    paths = [str(tmp_path / "secret"), __file__, "/etc/passwd", str(Path.home() / ".bashrc")]
    program = f"import os\nprint([os.path.exists(path) for path in {paths}])"
    assert run_program(program, isolation=need(BUBBLEWRAP)).stdout == "[False, False, False, False]\n"


def test_the_network_is_reachable_at_the_process_level_alone(level: Isolation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket\nwith socket.socket() as s: print(s.connect_ex(('127.0.0.1', {port})))"
        execution = run_program(program, isolation=level)
    assert execution.status is Status.FINISHED
    assert (execution.stdout == "0\n") == (level is PROCESS)


def test_a_program_that_kills_its_group_fails(level: Isolation) -> None:
    execution = run_program("import os\nos.killpg(0, 9)", isolation=level)
    assert (execution.status, execution.detail) == (Status.FAILED, "killed by signal 9")


def test_standard_input_is_empty(level: Isolation) -> None:
    assert run_program("import sys\nprint(repr(sys.stdin.read()))", isolation=level).stdout == "''\n"
    assert run_program("input()", isolation=level).detail == "EOFError: EOF when reading a line"


def test_deep_recursion_fails(level: Isolation) -> None:
    execution = run_program("def f(n): return f(n + 1)\nf(0)", isolation=level)
    assert execution.detail == "RecursionError: maximum recursion depth exceeded"
    # Through C code, until the stack is full.
    deep = "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __repr__(self): return repr(self)\nrepr(A())"
    execution = run_program(deep, isolation=level)
    assert execution.status is Status.FAILED
    assert execution.detail


def test_what_is_not_utf_8_is_replaced(level: Isolation) -> None:
    program = "import os\nos.write(1, b'caf\\xe9 \\xff\\n')\nos.write(2, b'\\xff')\nprint('é')"
    execution = run_program(program, isolation=level)
    assert (execution.stdout, execution.detail) == ("caf\ufffd \ufffd\né\n", "\ufffd")


@pytest.mark.parametrize(
    "left",
    [
        "os._exit(0)",
        "time.sleep(600)",
        "os.setsid(); os.fork(); time.sleep(600)",
        "os.close(1); os.close(2); os.setsid(); time.sleep(600)",
    ],
)
def test_children_end_with_their_program(level: Isolation, left: str) -> None:
    program = f"import os, time\nif os.fork() == 0: {left}\ntime.sleep(0.05)\nprint(1)"
    execution = run_program(program, isolation=level)
    assert execution.stdout == "1\n"
    assert execution.status is Status.FINISHED, "nobody waited for the child"


def test_sys_exit_in_a_thread_ends_the_thread(level: Isolation) -> None:
    program = (
        "import sys, threading\nthread = threading.Thread(target=sys.exit, args=(3,))\n"
        "thread.start(); thread.join(); print(1)"
    )
    assert run_program(program, isolation=level) == Execution("1\n", Status.FINISHED, level, "")


def test_closed_descriptors_are_no_end(level: Isolation) -> None:
    program = "import os, time\nprint(1, flush=True)\nos.closerange(0, 100)\nwhile True: time.sleep(1)"
    execution = run_out_of_time(program, level)
    assert (execution.stdout, execution.status) == ("1\n", Status.TIMEOUT)


def test_a_program_has_three_descriptors(level: Isolation) -> None:
    program = "import os\nfor fd in range(100):\n    try: os.fstat(fd); print(fd)\n    except OSError: pass"
    assert run_program(program, isolation=level).stdout == "0\n1\n2\n"


def test_a_program_ends_with_the_process_that_asked_for_it_and_the_next_one_removes_its_directory(
    level: Isolation, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, tempfile; from axolotl_cotmask.evaluation.sandbox import *\n"
        f"tempfile.tempdir = {str(temporary)!r}\n"
        "run_program('import time; print(1); time.sleep(60)', Limits(wall_seconds=60), Isolation(sys.argv[1]))"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, level])
    waiting_until(lambda: any("time.sleep" in path.read_text() for path in temporary.glob("*/program.py")))
    waiting_until(lambda: processes_of(temporary))
    assert processes_of(temporary)
    caller.kill()
    caller.wait()
    waiting_until(lambda: not processes_of(temporary))

    (left,) = temporary.iterdir()
    others = [temporary / "axolotl-cotmask-program", temporary / f"{left.name}-link"]
    others[0].mkdir()
    others[1].symlink_to(others[0])
    with directory.new_directory() as living:
        for seconds, found in ((60.0, [left, living, *others]), (0.0, [living, *others])):
            monkeypatch.setattr(directory, "_ABANDONED", seconds)
            directory._remove_abandoned.cache_clear()
            assert run_program("print(1)", isolation=level).stdout == "1\n"
            assert sorted(temporary.iterdir()) == sorted(found), "its lock may be yet to come in the first minute"
    for path in others:
        directory.remove(path)


def waiting_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_nothing_leaks(level: Isolation) -> None:
    # Each level leaks in its own way, but hundreds at each would take long.
    count = 300 if level is detect_isolation() else 100
    kinds = ["print({})", "1 / {}", "import os\nif os.fork() == 0: os.setsid(); os.fork()\nprint({})", "open('{}', 'w').write('x')", "print({})"]  # fmt: skip
    programs = [kinds[n % len(kinds)].format(n) for n in range(count)]
    executions = run_programs(programs, isolation=level)
    # The fixture looks at what is left.
    assert [execution.stdout for execution in executions[4::5]] == [f"{n}\n" for n in range(4, count, 5)]


def test_results_come_in_order_and_in_parallel() -> None:
    program = "import time\nbegun = time.time()\ntime.sleep({})\nprint({}, begun, time.time())"
    programs = [program.format(1 - n / 10, n) for n in range(8)]
    executions = run_programs(programs, workers=8)
    written = [execution.stdout.split() for execution in executions]
    assert [int(number) for number, *_ in written] == list(range(8))
    times = sorted((float(begun), float(ended)) for _, begun, ended in written)
    assert any(begun < ended for (_, ended), (begun, _) in pairwise(times)), "two ran at the same time"
    assert run_programs([]) == []


def test_the_same_program_runs_once() -> None:
    told: list[tuple[int, int]] = []
    program = "import time\nprint(time.time_ns())"
    first, other, again = run_programs([program, "print(1)", program], progress=lambda *done: told.append(done))
    assert first is again
    assert other.stdout == "1\n"
    assert told == [(1, 2), (2, 2)]


def test_results_are_kept(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "cache"
    programs = ["import time\nprint(time.time_ns())", "print('\ud800')", "import os\nos.write(1, b'\\xff')", "1 / 0"]
    first = run_programs(programs, cache_dir=directory)
    assert run_programs(programs, cache_dir=directory) == first
    assert len(list(directory.iterdir())) == 4
    assert run_programs(programs, cache_dir=directory, limits=within(processes=2))[0] != first[0]
    assert run_programs(programs, cache_dir=directory, isolation=PROCESS)[3].isolation is PROCESS
    if detect_isolation() is not PROCESS:
        assert len(list(directory.iterdir())) == 12


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"stdout": "1\\n", "status": "odd", "isolation": "process", "detail": ""}',
        '{"stdout": 7, "status": "finished", "isolation": "process", "detail": ""}',
    ],
)
def test_a_broken_result_is_made_anew(tmp_path: Path, broken: str) -> None:
    first = run_programs(["print(1)"], cache_dir=tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_text()
    path.write_text(broken)
    assert run_programs(["print(1)"], cache_dir=tmp_path / "cache") == first
    assert path.read_text() == whole


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CoTMaskError, match=r"file cannot be made \(File exists\): choose another directory"):
        run_programs(["print(1)"], cache_dir=tmp_path / "file")


def test_a_timeout_is_not_kept(tmp_path: Path) -> None:
    (execution,) = run_programs(["while True: pass"], limits=within(wall_seconds=0.3), cache_dir=tmp_path / "cache")
    assert execution.status is Status.TIMEOUT
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_interruption_stops_the_rest(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    programs = [f"import time\ntime.sleep(0.2)\nprint({n})" for n in range(100)]
    with pytest.raises(KeyboardInterrupt):
        run_programs(programs, workers=2, progress=interrupt, cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) < 50, "most of them did not run"


@pytest.fixture
def other_bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a `bwrap` can be put that is found instead of the real one; there is none yet."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    detect_isolation.cache_clear()
    yield directory / "bwrap"
    detect_isolation.cache_clear()


def test_bubblewrap_is_not_needed(other_bwrap: Path) -> None:
    assert detect_isolation() is PROCESS
    assert run_program("print(1)").isolation is detect_isolation()
    with pytest.raises(CoTMaskError, match=r"^bubblewrap is not installed: install it"):
        run_program("print(1)", isolation=BUBBLEWRAP)


def test_bubblewrap_that_may_not_is_not_used(other_bwrap: Path) -> None:
    other_bwrap.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    other_bwrap.chmod(0o755)
    assert detect_isolation() is not BUBBLEWRAP
    with pytest.raises(CoTMaskError, match=r"level bubblewrap: .*\(bwrap: setting up uid map: Permission denied\)"):
        run_programs(["print(1)"], isolation=BUBBLEWRAP)
